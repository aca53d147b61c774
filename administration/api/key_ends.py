"""The end of a key: the admin API's view. What still hangs on it, disabling it, destroying it, the certificate."""

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person
from administration.api.documents import NewestPublished
from administration.api.keys import DestructionSerializer, KeyDetailSerializer
from keys.models import KeyVersion
from tenants import membership
from tenants.changes import ChangeRefusedError
from tracking import destruction as ends
from tracking.disabling import destruction_of, disable_key, documents_on, enable_key, last_readers
from tracking.models import Destruction, Document


class HangingDocumentSerializer(serializers.ModelSerializer[Document]):
    """A document that opens by this private key; `last_readers` are the addresses of those who opened it last."""

    issuer = serializers.CharField(source="issuer_address")
    last_readers = serializers.SerializerMethodField()

    class Meta:
        model = Document
        fields = ("content_id", "name", "file_name", "issuer", "published_at", "last_readers")

    def get_last_readers(self, document: Document) -> list[str]:
        return list(self.context["readers"].get(document.content_id, ()))


class DestructionRequestSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=ends.LONGEST_REASON)
    grace_days = serializers.IntegerField(
        min_value=ends.SHORTEST_GRACE, max_value=ends.LONGEST_GRACE, default=ends.GRACE_DAYS
    )


class ApprovalSerializer(serializers.Serializer[Any]):
    """`destruction`: the `id` of the one that was looked at."""

    destruction = serializers.UUIDField()


class KeyEndView(ApiView):
    """Base: a change of one key of the organization."""

    requires = membership.MANAGE_KEYS

    def key(self) -> KeyVersion:
        tenant = organization(self.request)
        key = KeyVersion.objects.for_tenant(tenant).select_related("tenant").filter(id=self.kwargs["key_id"])
        if (found := key.first()) is None:
            raise Http404
        return found

    def destruction(self) -> Destruction:
        found = destruction_of(self.key())
        if found is None:
            raise ChangeRefusedError("not_asked", "Nobody asked for this key to be destroyed.")
        return found

    def answer(self) -> Response:
        key = self.key()
        documents = Document.objects.for_tenant(key.tenant).filter(key=key).count()
        return Response(KeyDetailSerializer(key, context={"documents": {key.id: documents}}).data)


class HangingDocumentsView(KeyEndView, generics.ListAPIView[Document]):
    requires = membership.READ_KEYS
    serializer_class = HangingDocumentSerializer
    pagination_class = NewestPublished

    def get_queryset(self) -> QuerySet[Document]:
        key = self.key()
        return documents_on(key.tenant, key)

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The registered documents that open for nobody once this key is disabled, newest first: of whom, last read by whom."""
        page = self.paginate_queryset(self.get_queryset()) or []
        rows = HangingDocumentSerializer(page, many=True, context={"readers": last_readers(page)})
        return self.get_paginated_response(rows.data)


class DisableKeyView(KeyEndView):
    @extend_schema(request=None, responses=KeyDetailSerializer)
    def post(self, request: Request, key_id: uuid.UUID) -> Response:
        """Let an archived key open nothing, until it is enabled again. `documents/` says beforehand what that closes."""
        key = self.key()
        disable_key(key.tenant, key, actor=person(request))
        return self.answer()


class EnableKeyView(KeyEndView):
    @extend_schema(request=None, responses=KeyDetailSerializer)
    def post(self, request: Request, key_id: uuid.UUID) -> Response:
        """Let a disabled key open again what it sealed."""
        key = self.key()
        enable_key(key.tenant, key, actor=person(request))
        return self.answer()


class DestroyKeyView(KeyEndView):
    @extend_schema(request=DestructionRequestSerializer, responses={202: DestructionSerializer})
    def post(self, request: Request, key_id: uuid.UUID) -> Response:
        """Ask for a disabled key to be destroyed. A second administrator approves; then the days of grace begin."""
        key = self.key()
        asked = DestructionRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = ends.ask_destruction(key.tenant, key, actor=person(request), **asked.validated_data)
        return Response(DestructionSerializer(made).data, status=202)


class ApproveDestructionView(KeyEndView):
    @extend_schema(request=ApprovalSerializer, responses=DestructionSerializer)
    def post(self, request: Request, key_id: uuid.UUID) -> Response:
        """Approve what somebody else asked for. Takes a role that one has held for 24 hours."""
        key = self.key()
        asked = ApprovalSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        shown = ends.destruction_as_shown(key, str(asked.validated_data["destruction"]))
        done = ends.approve_destruction(shown, actor=person(request))
        return Response(DestructionSerializer(done).data)


class CancelDestructionView(KeyEndView):
    @extend_schema(request=None, responses=DestructionSerializer)
    def post(self, request: Request, key_id: uuid.UUID) -> Response:
        """Take it back, until the moment it is carried out. The key stays disabled."""
        done = ends.cancel_destruction(self.destruction(), actor=person(request))
        return Response(DestructionSerializer(done).data)


class CertificateView(KeyEndView):
    requires = membership.READ_KEYS

    @extend_schema(responses={(200, "application/json"): OpenApiTypes.OBJECT})
    def get(self, request: Request, key_id: uuid.UUID) -> HttpResponse:
        """The signed certificate of a destroyed key, as `rightskeep admin keys verify-certificate` checks it."""
        found = destruction_of(self.key())
        if found is None or found.finished_at is None:
            raise Http404
        return HttpResponse(found.certificate, content_type="application/json")
