"""The admin API's view of documents: list, detail, openings, revocation, seal."""

import base64
import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api import serializers as shapes
from administration.api.access import OWN_DOCUMENTS, ApiView, caller, organization, person
from administration.api.paging import Pages
from administration.reissuing import reissue_license
from administration.seal import seal_document
from audit.models import UsageEvent
from licensing.calls import call_from
from licensing.wire import decode_license, encode_license
from tenants import membership
from tracking.models import Document, DocumentQuerySet
from tracking.registry import activity_counts, openings_of
from tracking.revocation import access_until, may_revoke, restore, revoke


class NewestPublished(Pages):
    ordering: Any = ("-published_at", "id")


class NewestEvent(Pages):
    ordering: Any = "-id"


class DocumentApiView(ApiView):
    """Base: whoever publishes follows their own documents, those who oversee the organization follow all."""

    scopes = OWN_DOCUMENTS

    def documents(self) -> DocumentQuerySet:
        who, tenant = person(self.request), organization(self.request)
        sees_all = membership.may(who, membership.TRACK_ALL)
        return Document.objects.for_tenant(tenant).trackable_by(who, as_admin=sees_all)

    def document(self) -> Document:
        found = self.documents().select_related("tenant").filter(content_id=self.kwargs["content_id"]).first()
        if found is None:
            raise Http404
        return found

    def revocable(self) -> Document:
        """As `document`, refused to those who only look."""
        found = self.document()
        if not may_revoke(found, person(self.request)):
            raise PermissionDenied("Your roles do not allow this.")
        return found

    def answer(self, document: Document) -> Response:
        context = {"counts": activity_counts([document]), "access_until": access_until(document)}
        return Response(shapes.RevokedDocumentSerializer(document, context=context).data)


class DocumentsView(DocumentApiView, generics.ListAPIView[Document]):
    serializer_class = shapes.DocumentSerializer
    pagination_class = NewestPublished

    def get_queryset(self) -> QuerySet[Document]:
        return self.documents().matching(self.request.GET.get("q", "").strip())

    @extend_schema(
        parameters=[OpenApiParameter("q", str, description="part of a file name or of an address")]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Protected documents, newest first: one's own, or all of the organization for those who oversee it."""
        page = self.paginate_queryset(self.get_queryset()) or []
        rows = shapes.DocumentSerializer(page, many=True, context={"counts": activity_counts(page)})
        return self.get_paginated_response(rows.data)


class DocumentView(DocumentApiView):
    @extend_schema(responses=shapes.RevokedDocumentSerializer)
    def get(self, request: Request, content_id: uuid.UUID) -> Response:
        """One document, with how long use licenses already handed out may still be kept."""
        return self.answer(self.document())


class OpeningsView(DocumentApiView, generics.ListAPIView[UsageEvent]):
    """Every attempt to open the document, newest first."""

    serializer_class = shapes.OpeningSerializer
    pagination_class = NewestEvent

    def get_queryset(self) -> QuerySet[UsageEvent]:
        return openings_of(self.document())


class RevokeView(DocumentApiView):
    @extend_schema(request=shapes.RevokeRequestSerializer, responses=shapes.RevokedDocumentSerializer)
    def post(self, request: Request, content_id: uuid.UUID) -> Response:
        """Refuse every further opening. Use licenses already handed out last until `access_until`."""
        asked = shapes.RevokeRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return self.answer(
            revoke(self.revocable(), actor=person(request), reason=asked.validated_data["reason"])
        )


class RestoreView(DocumentApiView):
    @extend_schema(request=None, responses=shapes.RevokedDocumentSerializer)
    def post(self, request: Request, content_id: uuid.UUID) -> Response:
        """Undo a revocation."""
        return self.answer(restore(self.revocable(), actor=person(request)))


class ResealView(ApiView):
    scopes = OWN_DOCUMENTS

    @extend_schema(request=shapes.ReissueRequestSerializer, responses=shapes.ReissueAnswerSerializer)
    def post(self, request: Request, content_id: uuid.UUID) -> Response:
        """Issue the license of a protected file anew under the active key, and sign its integrity record anew.

        The content key, the policy, the people and the times stay. Under that key already: `Resealed` is false, and there
        is nothing to do.
        """
        asked = shapes.ReissueRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = reissue_license(
            call_from(request.META, caller(request), "SignDigest"),
            content_id=content_id,
            license=decode_license(asked.validated_data["SerializedPublishingLicense"]),
            record=asked.validated_data["Record"],
        )
        return Response(
            {
                "Resealed": made.license is not None,
                "KeyFingerprint": made.fingerprint,
                "SerializedPublishingLicense": encode_license(made.license) if made.license else None,
                "Record": base64.b64encode(made.record).decode("ascii") if made.record else None,
            }
        )


class SealView(ApiView):
    scopes = OWN_DOCUMENTS

    @extend_schema(request=shapes.SealRequestSerializer, responses=shapes.SealAnswerSerializer)
    def post(self, request: Request, content_id: uuid.UUID) -> Response:
        """Sign the integrity record of a protected file (its tree hash and length; never its content)."""
        asked = shapes.SealRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        record = seal_document(
            call_from(request.META, caller(request), "SignDigest"),
            content_id=content_id,
            license=decode_license(values["SerializedPublishingLicense"]),
            root=values["Root"],
            length=values["Length"],
        )
        return Response({"Record": base64.b64encode(record).decode("ascii")})
