"""Shapes of the admin API's answers; everything here is read-only unless its name says request."""

import base64
from typing import Any

from django.conf import settings
from rest_framework import serializers

from administration.status import status_of
from audit.models import AdminEvent, UsageEvent
from tenants.languages import LANGUAGES, MAX_LANGUAGES
from tenants.models import Tenant, User
from tracking.models import Document


class OrganizationSerializer(serializers.ModelSerializer[Tenant]):
    """`status` adds to the state whether this server can use the organization's key: active, inactive, unavailable."""

    status = serializers.SerializerMethodField()

    class Meta:
        model = Tenant
        fields = (
            "id",
            "name",
            "state",
            "status",
            "default_language",
            "languages",
            "max_use_license_days",
            "onboarding",
            "created_at",
            "activated_at",
        )

    def get_status(self, tenant: Tenant) -> str:
        return status_of(tenant)


class NewOrganizationRequestSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(min_length=2, max_length=100)


class OrganizationChangeRequestSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(min_length=2, max_length=100, required=False)
    default_language = serializers.ChoiceField(
        choices=[code for code, _ in settings.LANGUAGES], required=False
    )
    languages = serializers.ListField(
        child=serializers.ChoiceField(choices=LANGUAGES),
        min_length=1,
        max_length=MAX_LANGUAGES,
        required=False,
    )
    max_use_license_days = serializers.IntegerField(min_value=1, max_value=365, required=False)


class DocumentSerializer(serializers.ModelSerializer[Document]):
    """`opened` and `denied` count attempts; the view supplies them in `context["counts"]`."""

    issuer = serializers.CharField(source="issuer_address")
    owner = serializers.CharField(source="owner_address")
    template = serializers.UUIDField(source="template_id", allow_null=True)
    opened = serializers.SerializerMethodField()
    denied = serializers.SerializerMethodField()

    class Meta:
        model = Document
        fields = (
            "content_id", "name", "file_name", "owner", "issuer", "template", "published_at", "expires_at", "sealed",
            "sealed_at", "sealed_by", "revoked_at", "revoked_by", "revocation_reason", "opened", "denied",
        )  # fmt: skip

    def get_opened(self, document: Document) -> int:
        return int(self.context["counts"].get(document.content_id, (0, 0))[0])

    def get_denied(self, document: Document) -> int:
        return int(self.context["counts"].get(document.content_id, (0, 0))[1])


class RevokedDocumentSerializer(DocumentSerializer):
    """`access_until`: the latest instant at which a use license already handed out may still be kept."""

    access_until = serializers.SerializerMethodField()

    class Meta(DocumentSerializer.Meta):
        fields = (*DocumentSerializer.Meta.fields, "access_until")  # type: ignore[assignment]  # a longer tuple

    def get_access_until(self, document: Document) -> str | None:
        until = self.context.get("access_until")
        return until.isoformat() if until else None


class OpeningSerializer(serializers.ModelSerializer[UsageEvent]):
    """`acting_as_user`: the owner in whose place a super user opened it by that power; else empty."""

    user = serializers.CharField(source="user_id")
    ip = serializers.CharField(source="c_ip")
    application = serializers.CharField(source="c_info")

    class Meta:
        model = UsageEvent
        fields = (
            "time",
            "user",
            "result",
            "request_type",
            "ip",
            "application",
            "correlation_id",
            "acting_as_user",
        )


class PersonSerializer(serializers.ModelSerializer[User]):
    addresses = serializers.SerializerMethodField()
    roles = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ("id", "email", "name", "is_active", "licensed", "addresses", "roles")

    def get_addresses(self, user: User) -> list[str]:
        held = {address.email for address in user.emailaddress_set.all()}
        return sorted(held | {stated.address for stated in user.stated_addresses.all()})

    def get_roles(self, user: User) -> list[str]:
        return sorted(
            assignment.role for assignment in user.roles.all() if assignment.tenant_id == user.tenant_id
        )


class AdminEventSerializer(serializers.ModelSerializer[AdminEvent]):
    class Meta:
        model = AdminEvent
        fields = ("time", "actor", "action", "target", "target_id", "before", "after", "passed")


class WhoAmISerializer(serializers.Serializer[Any]):
    email = serializers.CharField()
    name = serializers.CharField()
    person_id = serializers.UUIDField(allow_null=True)
    organization = OrganizationSerializer(allow_null=True)
    roles = serializers.ListField(child=serializers.CharField())


class RecordField(serializers.CharField):
    """An integrity record as it stands in the file, in Base64."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return base64.b64decode(super().to_internal_value(data), validate=True)
        except ValueError as error:
            raise serializers.ValidationError("This is not Base64.") from error


class ReissueRequestSerializer(serializers.Serializer[Any]):
    SerializedPublishingLicense = serializers.CharField(max_length=1_500_000)
    Record = RecordField(max_length=4096, allow_null=True, default=None)


class ReissueAnswerSerializer(serializers.Serializer[Any]):
    """`KeyFingerprint`: of the active key, under which the license is now."""

    Resealed = serializers.BooleanField()
    KeyFingerprint = serializers.CharField()
    SerializedPublishingLicense = serializers.CharField(allow_null=True)
    Record = serializers.CharField(allow_null=True)


class SealRequestSerializer(serializers.Serializer[Any]):
    SerializedPublishingLicense = serializers.CharField(max_length=1_500_000)
    Root = serializers.CharField(max_length=64)
    Length = serializers.IntegerField(min_value=0)


class SealAnswerSerializer(serializers.Serializer[Any]):
    Record = serializers.CharField()


class RevokeRequestSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500, allow_blank=True, default="")


class LogDaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    rows = serializers.IntegerField()
    complete = serializers.BooleanField()
