"""The admin API's view of second factors: who has to have one, and taking them from somebody who lost theirs."""

import uuid
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person
from tenants import factors, membership
from tenants.changes import ChangeRefusedError
from tenants.models import Tenant, User


class SecondFactorSerializer(serializers.Serializer[Any]):
    """Who has to have a second factor; how many people with a role, and how many in all, have none yet."""

    second_factor = serializers.ChoiceField(choices=Tenant.SecondFactor.choices)
    admins_without = serializers.IntegerField(read_only=True)
    people_without = serializers.IntegerField(read_only=True)


class ResetFactorsSerializer(serializers.Serializer[Any]):
    """How many factors, recovery codes among them, were taken away."""

    removed = serializers.IntegerField()


class SecondFactorView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(responses=SecondFactorSerializer)
    def get(self, request: Request) -> Response:
        """The policy, and how many people it would concern."""
        return Response(SecondFactorSerializer(_facts(organization(request))).data)

    @extend_schema(request=SecondFactorSerializer, responses=SecondFactorSerializer)
    def put(self, request: Request) -> Response:
        """Set the policy. Whoever must have a factor and has none is led to setting one up at their next page."""
        asked = SecondFactorSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        tenant = organization(request)
        factors.set_policy(tenant, asked.validated_data["second_factor"], actor=person(request))
        return Response(SecondFactorSerializer(_facts(tenant)).data)


class ResetFactorsView(ApiView):
    requires = membership.RESET_FACTORS

    @extend_schema(request=None, responses=ResetFactorsSerializer)
    def post(self, request: Request, person_id: uuid.UUID) -> Response:
        """Remove all second factors of somebody who lost theirs, and sign their browsers out; they are told by mail."""
        found = (
            User.objects.for_tenant(organization(request))
            .select_related("tenant")
            .filter(id=person_id)
            .first()
        )
        if found is None:
            raise Http404
        try:
            removed = factors.reset_factors(found, actor=person(request))
        except ChangeRefusedError as error:
            raise PermissionDenied(str(error)) from error
        return Response(ResetFactorsSerializer({"removed": removed}).data)


def _facts(tenant: Tenant) -> dict[str, Any]:
    return {
        "second_factor": tenant.second_factor,
        "admins_without": factors.people_without(tenant, Tenant.SecondFactor.ADMINS),
        "people_without": factors.people_without(tenant, Tenant.SecondFactor.EVERYONE),
    }
