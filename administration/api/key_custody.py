"""Keys that are brought and held, and where keys are kept: the admin API's view."""

import base64
import uuid
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person, require
from administration.api.keys import KeySerializer
from keys import importing, keeping
from keys.models import ImportKey, KeyPolicy, KeyVersion
from rms.key_wrapping import MAX_WRAPPED
from tenants import membership
from tracking.models import Document


class ImportKeySerializer(serializers.ModelSerializer[ImportKey]):
    """`public_key` is PEM; it serves for one key."""

    public_key = serializers.SerializerMethodField()
    fingerprint = serializers.SerializerMethodField()

    class Meta:
        model = ImportKey
        fields = ("id", "public_key", "fingerprint", "created_by", "created_at", "expires_at")

    def get_public_key(self, row: ImportKey) -> str:
        return importing.import_public_pem(row)

    def get_fingerprint(self, row: ImportKey) -> str:
        return importing.import_fingerprint(row)


class Base64Field(serializers.CharField):
    """Bytes, as Base64."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return base64.b64decode(super().to_internal_value(data), validate=True)
        except ValueError:
            raise serializers.ValidationError("This is not Base64.") from None


class WrappedKeySerializer(serializers.Serializer[Any]):
    """`wrapped` is the wrapped key in Base64."""

    wrapped = Base64Field(max_length=MAX_WRAPPED * 2)


class BringKeySerializer(WrappedKeySerializer):
    """`place`: where it is kept; without it, where new keys are made."""

    place = serializers.ChoiceField(choices=KeyPolicy.Place.choices, required=False, default="")


class PlaceSerializer(serializers.Serializer[Any]):
    """`place` empty: as the operator has set, which `in_effect` tells."""

    place = serializers.ChoiceField(choices=KeyPolicy.Place.choices, allow_blank=True)
    in_effect = serializers.CharField(read_only=True)
    has_security_module = serializers.BooleanField(read_only=True)


class ImportKeyView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(responses=ImportKeySerializer)
    def get(self, request: Request) -> Response:
        """The import key that can be used now."""
        row = importing.current_import_key(organization(request))
        if row is None:
            raise Http404
        return Response(ImportKeySerializer(row).data)

    @extend_schema(request=None, responses={201: ImportKeySerializer})
    def post(self, request: Request) -> Response:
        """Make a one-time import key; one that was not used ends."""
        row = importing.make_import_key(organization(request), actor=person(request))
        return Response(ImportKeySerializer(row).data, status=201)


class ImportView(ApiView):
    requires = membership.MANAGE_KEYS
    creates = True

    @extend_schema(request=BringKeySerializer, responses={202: KeySerializer})
    def post(self, request: Request) -> Response:
        """Take in a wrapped key. It becomes active a few seconds later, as a new key does."""
        asked = _valid(BringKeySerializer, request)
        key = importing.import_key(
            organization(request), asked["wrapped"], actor=person(request), place=asked["place"]
        )
        return Response(_described(key), status=202)


class HoldView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=None, responses=KeySerializer)
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Make a brought key unusable, until it is brought again: what it protects opens for nobody."""
        key = _found(request, pk)
        importing.hold_key(key, actor=person(request))
        return Response(_described(_found(request, pk)))


class RestoreView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=WrappedKeySerializer, responses=KeySerializer)
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Bring a held key again."""
        key = _found(request, pk)
        asked = _valid(WrappedKeySerializer, request)
        importing.restore_key(key, asked["wrapped"], actor=person(request))
        return Response(_described(_found(request, pk)))


class PlaceView(ApiView):
    requires = membership.READ_KEYS

    @extend_schema(responses=PlaceSerializer)
    def get(self, request: Request) -> Response:
        """Where new keys are made."""
        tenant = organization(request)
        policy = KeyPolicy.objects.for_tenant(tenant).first()
        answer = {
            "place": policy.place if policy else "",
            "in_effect": keeping.place_for(tenant.id),
            "has_security_module": keeping.has_token(),
        }
        return Response(PlaceSerializer(answer).data)

    @extend_schema(request=PlaceSerializer, responses=PlaceSerializer)
    def put(self, request: Request) -> Response:
        """Decide where new keys are made. Keys that are there stay where they are."""
        require(request, membership.MANAGE_KEYS)
        asked = _valid(PlaceSerializer, request)
        importing.choose_place(organization(request), asked["place"], actor=person(request))
        return self.get(request)


def _found(request: Request, pk: uuid.UUID) -> KeyVersion:
    key = KeyVersion.objects.for_tenant(organization(request)).select_related("tenant").filter(id=pk).first()
    if key is None:
        raise Http404
    return key


def _described(key: KeyVersion) -> Any:
    documents = Document.objects.for_tenant(key.tenant).filter(key=key).count()
    return KeySerializer(key, context={"documents": {key.id: documents}}).data


def _valid(shape: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    asked = shape(data=request.data)
    asked.is_valid(raise_exception=True)
    values: dict[str, Any] = asked.validated_data
    return values
