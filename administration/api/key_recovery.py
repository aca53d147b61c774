"""Bringing missing keys back from the package of an own export: the admin API's view."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person
from administration.api.key_custody import Base64Field
from administration.recovery import look_at_package, recover
from keys.recovery import Fate
from tenants import membership


class RecoveryRequestSerializer(serializers.Serializer[Any]):
    """`package`: the ZIP file of an export. `wrapped`: the recipient's private key, wrapped with the current import key.

    `dry_run`: only say what would come back; `wrapped` is not needed for that.
    """

    package = Base64Field()
    wrapped = Base64Field(required=False)
    dry_run = serializers.BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs["dry_run"] and "wrapped" not in attrs:
            raise serializers.ValidationError(
                {"wrapped": "The recipient's wrapped key is needed to bring keys back."}
            )
        return attrs


class RecoveredKeySerializer(serializers.Serializer[Any]):
    """`fate`: gets its private half back, is new here (and archived), is here and works, is held, is gone for good, or is
    absent from the package."""

    fingerprint = serializers.CharField(source="key.fingerprint")
    fate = serializers.ChoiceField(choices=[(str(fate), str(fate)) for fate in Fate])


class RecoverySerializer(serializers.Serializer[Any]):
    """`documents`: with withdrawn or changed access, not in the register here until now."""

    dry_run = serializers.BooleanField()
    signed_by = serializers.CharField()
    keys = RecoveredKeySerializer(many=True)
    documents = serializers.IntegerField()


class ImportPackageView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=RecoveryRequestSerializer, responses=RecoverySerializer)
    def post(self, request: Request) -> Response:
        """Bring keys back that are missing here, from the package of an export of this organization. All or none."""
        asked = RecoveryRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        tenant, values = organization(request), asked.validated_data
        if values["dry_run"]:
            found = look_at_package(tenant, values["package"])
        else:
            found = recover(tenant, values["package"], values["wrapped"], actor=person(request))
        answer = {
            "dry_run": values["dry_run"],
            "signed_by": found.package.signed_by,
            "keys": found.keys,
            "documents": found.documents,
        }
        return Response(RecoverySerializer(answer).data)
