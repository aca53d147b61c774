"""Keys: the admin API's view. Versions with what hangs on them and how they are used, the policy, a roll and its end."""

import uuid
from typing import Any

from django.db.models import Count, QuerySet
from django.http import Http404
from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person, require
from administration.api.paging import Pages
from keys.models import KeyVersion
from keys.notices import Warning, warnings_of
from keys.rollover import ALLOWED_BITS, DEFAULT_BITS, start_roll
from keys.schedule import Policy, policy_row, read_policy, set_policy, withdraw_roll
from keys.uses import uses_of
from tenants import membership
from tenants.models import Tenant
from tracking.disabling import destruction_of, unregistered_on
from tracking.models import Destruction, Document, Resealing
from tracking.resealing import hanging_on, request_resealing, resealing_of


class InOrderOfCreation(Pages):
    ordering: Any = ("created_at", "id")


class KeySerializer(serializers.ModelSerializer[KeyVersion]):
    """`planned_at`: when a pending key becomes active; empty: in some seconds. `held_at`: since when it opens nothing."""

    documents = serializers.SerializerMethodField()

    class Meta:
        model = KeyVersion
        fields = (
            "id", "fingerprint", "state", "kind", "origin", "bits", "created_at", "planned_at", "activated_at",
            "archived_at", "held_at", "disabled_at", "documents",
        )  # fmt: skip

    def get_documents(self, key: KeyVersion) -> int:
        return int(self.context["documents"].get(key.id, 0))


class UseSerializer(serializers.Serializer[Any]):
    """One UTC day: how often the key signed for somebody who protects, and opened for somebody who reads."""

    day = serializers.DateField()
    protected = serializers.IntegerField()
    opened = serializers.IntegerField()


class ResealingSerializer(serializers.ModelSerializer[Resealing]):
    """How far getting off a key has come: documents sealed to the active key so far."""

    class Meta:
        model = Resealing
        fields = ("requested_by", "requested_at", "documents", "finished_at")


class DestructionSerializer(serializers.ModelSerializer[Destruction]):
    """`id` is what an approval names. `due_at` is set by the approval; `finished_at` is when the certificate was made."""

    class Meta:
        model = Destruction
        fields = (
            "id", "reason", "asked_by", "asked_at", "grace_days", "approved_by", "approved_at", "due_at", "canceled_by",
            "canceled_at", "started_at", "finished_at",
        )  # fmt: skip


class KeyDetailSerializer(KeySerializer):
    """With its uses on each of the last 30 days.

    `need_private_key`: registered documents that open by its private half; `unregistered`: others that were seen, and do.
    `resealing`: whether somebody wants to get off it. `destruction`: whether somebody wants to destroy it, or has.
    """

    uses = serializers.SerializerMethodField()
    need_private_key = serializers.SerializerMethodField()
    unregistered = serializers.SerializerMethodField()
    resealing = serializers.SerializerMethodField()
    destruction = serializers.SerializerMethodField()

    class Meta(KeySerializer.Meta):
        fields = (  # type: ignore[assignment]  # a longer tuple
            *KeySerializer.Meta.fields, "need_private_key", "unregistered", "resealing", "destruction", "uses",
        )  # fmt: skip

    def get_need_private_key(self, key: KeyVersion) -> int:
        return hanging_on([key.id])[key.id]

    def get_unregistered(self, key: KeyVersion) -> int:
        return unregistered_on(key).count()

    @extend_schema_field(DestructionSerializer(allow_null=True))
    def get_destruction(self, key: KeyVersion) -> dict[str, Any] | None:
        found = destruction_of(key)
        return DestructionSerializer(found).data if found else None

    @extend_schema_field(ResealingSerializer(allow_null=True))
    def get_resealing(self, key: KeyVersion) -> dict[str, Any] | None:
        found = resealing_of(key.tenant, key)
        return ResealingSerializer(found).data if found else None

    @extend_schema_field(UseSerializer(many=True))
    def get_uses(self, key: KeyVersion) -> list[dict[str, Any]]:
        return [day._asdict() for day in uses_of(key.tenant, [key.id])[key.id]]


class RollRequestSerializer(serializers.Serializer[Any]):
    bits = serializers.ChoiceField(choices=ALLOWED_BITS, default=DEFAULT_BITS)
    at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class WarningSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    key = serializers.UUIDField()
    message = serializers.CharField()

    def to_representation(self, instance: Warning) -> dict[str, Any]:
        text = str(instance.text) % instance.values
        return {"kind": instance.kind, "key": instance.key.id, "message": text}


class KeyPolicySerializer(serializers.Serializer[Any]):
    """`every_days` empty: by hand only. `before_age`: rolled 14 days before the key is `stated_age_days` old.

    What is not named in a change stays as it is.
    """

    every_days = serializers.IntegerField(allow_null=True, required=False)
    stated_age_days = serializers.IntegerField(required=False)
    before_age = serializers.BooleanField(required=False)
    bits = serializers.ChoiceField(choices=ALLOWED_BITS, required=False)
    next_roll_at = serializers.DateTimeField(read_only=True, allow_null=True)
    warnings = WarningSerializer(many=True, read_only=True)


class KeysView(ApiView, generics.ListAPIView[KeyVersion]):
    """The organization's keys and how many documents hang on each."""

    serializer_class: type[KeySerializer] = KeySerializer
    pagination_class = InOrderOfCreation
    requires = membership.READ_KEYS

    def get_queryset(self) -> QuerySet[KeyVersion]:
        return KeyVersion.objects.for_tenant(organization(self.request)).select_related("tenant")

    def get_serializer_context(self) -> dict[str, Any]:
        documents = Document.objects.for_tenant(organization(self.request))
        counts = dict(documents.values_list("key_id").annotate(Count("id")))
        return {**super().get_serializer_context(), "documents": counts}


def _one(shape: Any) -> Any:
    """For a detail that is built on its list: described as one object, not as a page."""
    return forced_singular_serializer(shape)  # type: ignore[no-untyped-call]  # the library is not typed here


class KeyView(KeysView, generics.RetrieveAPIView[KeyVersion]):
    """One key, with its uses on each of the last 30 days."""

    serializer_class = KeyDetailSerializer

    # Built on the list, it would be described as one.
    @extend_schema(operation_id="keys_retrieve", responses=_one(KeyDetailSerializer))
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.retrieve(request, *args, **kwargs)


class RollKeyView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=RollRequestSerializer, responses={202: KeySerializer})
    def post(self, request: Request) -> Response:
        """Make a new key. It becomes active a few seconds later, or at the time that is named; the old one keeps
        opening what it protected."""
        wanted = RollRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            key = start_roll(organization(request), actor=person(request), **wanted.validated_data)
        except ValueError as error:
            raise ValidationError({"at": str(error)}) from error
        return Response(KeySerializer(key, context={"documents": {}}).data, status=202)


class WithdrawKeyView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=None, responses=KeySerializer)
    def post(self, request: Request) -> Response:
        """Give up the key that is on its way, as long as it is not active. A policy tries again after a week."""
        key = withdraw_roll(organization(request), actor=person(request))
        return Response(KeySerializer(key, context={"documents": {}}).data)


class ResealView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=None, responses={202: ResealingSerializer})
    def post(self, request: Request, key_id: uuid.UUID) -> Response:
        """Have everything registered that opens by an archived or disabled key sealed to the active one. No file is touched,
        and a disabled key goes on opening nothing."""
        tenant = organization(request)
        key = KeyVersion.objects.for_tenant(tenant).filter(id=key_id).first()
        if key is None:
            raise Http404
        made = request_resealing(tenant, key, actor=person(request))
        return Response(ResealingSerializer(made).data, status=202)


class KeyPolicyView(ApiView):
    requires = membership.READ_KEYS

    @extend_schema(responses=KeyPolicySerializer)
    def get(self, request: Request) -> Response:
        """When the key is rolled by itself, how old it may get, and what there is to be warned of."""
        return _policy(organization(request))

    @extend_schema(request=KeyPolicySerializer, responses=KeyPolicySerializer)
    def patch(self, request: Request) -> Response:
        """Change the policy. It counts at once; a key that is on its way stays on it."""
        require(request, membership.MANAGE_KEYS)
        asked = KeyPolicySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        tenant = organization(request)
        policy = Policy(**(read_policy(policy_row(tenant)).as_json() | asked.validated_data))
        set_policy(tenant, policy, actor=person(request))
        return _policy(tenant)


def _policy(tenant: Tenant) -> Response:
    row = policy_row(tenant)
    answer = read_policy(row).as_json() | {
        "next_roll_at": row.next_roll_at if row else None,
        "warnings": warnings_of(tenant),
    }
    return Response(KeyPolicySerializer(answer).data)
