"""Export of keys: the admin API's view."""

import uuid
from typing import Any

from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person, require
from administration.api.paging import Pages
from administration.handover import download_package
from keys import export as exports
from keys.models import KeyExport
from tenants import membership
from tenants.models import Tenant


class NewestFirst(Pages):
    ordering: Any = ("-requested_at", "id")


class KeyExportSerializer(serializers.ModelSerializer[KeyExport]):
    """`recipient_fingerprint`: SHA-256 of the recipient's modulus. `keys`: the fingerprints of the keys handed over.

    `expires_at`: until then it can be approved or, once approved, downloaded.
    """

    state = serializers.SerializerMethodField()

    class Meta:
        model = KeyExport
        fields = (
            "id", "state", "reason", "recipient_fingerprint", "keys", "requested_by", "requested_at", "approved_by",
            "approved_at", "expires_at", "ended_by", "ended_at", "downloads", "downloaded_at",
        )  # fmt: skip

    @extend_schema_field(serializers.ChoiceField(["waiting", "approved", "expired", "rejected", "cancelled"]))
    def get_state(self, export: KeyExport) -> str:
        return exports.state_of(export)


class ExportRequestSerializer(serializers.Serializer[Any]):
    """`recipient_key` is a public RSA key of at least 3072 bits, in PEM."""

    reason = serializers.CharField(max_length=exports.LONGEST_REASON)
    recipient_key = serializers.CharField(max_length=exports.MAX_PEM)


class WaitSerializer(serializers.Serializer[Any]):
    """How long whoever approves has held the role. A shorter time counts from `next_at` on."""

    hours = serializers.IntegerField()
    next_hours = serializers.IntegerField(read_only=True, allow_null=True)
    next_at = serializers.DateTimeField(read_only=True, allow_null=True)


class KeyExportsView(ApiView, generics.ListAPIView[KeyExport]):
    """The exports of keys that were asked for, newest first."""

    serializer_class = KeyExportSerializer
    pagination_class = NewestFirst
    requires = membership.READ_KEYS
    creates = True

    def get_queryset(self) -> Any:
        return exports.exports_of(organization(self.request))

    @extend_schema(request=ExportRequestSerializer, responses={201: KeyExportSerializer})
    def post(self, request: Request) -> Response:
        """Ask for all private keys that can be handed over, sealed for a recipient. Another person has to approve it; all
        administrators get a mail."""
        require(request, membership.MANAGE_KEYS)
        asked = ExportRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = exports.request_export(
            organization(request),
            asked.validated_data["recipient_key"].encode(),
            reason=asked.validated_data["reason"],
            actor=person(request),
        )
        return Response(KeyExportSerializer(made).data, status=201)


class KeyExportView(ApiView):
    requires = membership.READ_KEYS

    @extend_schema(responses=KeyExportSerializer)
    def get(self, request: Request, export_id: uuid.UUID) -> Response:
        """One export."""
        return Response(KeyExportSerializer(_found(request, export_id)).data)


class ApproveExportView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=None, responses=KeyExportSerializer)
    def post(self, request: Request, export_id: uuid.UUID) -> Response:
        """Approve it as the second person. The package can be downloaded for three days then."""
        export = _found(request, export_id)
        exports.approve_export(export, actor=person(request))
        return Response(KeyExportSerializer(export).data)


class EndExportView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=None, responses=KeyExportSerializer)
    def post(self, request: Request, export_id: uuid.UUID) -> Response:
        """Reject what waits, or cancel. Nothing can be downloaded any more."""
        export = _found(request, export_id)
        exports.end_export(export, actor=person(request))
        return Response(KeyExportSerializer(export).data)


class ExportPackageView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=None, responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, export_id: uuid.UUID) -> HttpResponse:
        """The package of an approved export. Each download is logged, and all administrators get a mail."""
        package = download_package(_found(request, export_id), actor=person(request))
        headers = {"Content-Disposition": 'attachment; filename="keys.zip"', "Cache-Control": "no-store"}
        return HttpResponse(package, content_type="application/zip", headers=headers)


class ExportWaitView(ApiView):
    requires = membership.READ_KEYS

    @extend_schema(responses=WaitSerializer)
    def get(self, request: Request) -> Response:
        """How long whoever approves has held the role."""
        return _wait(organization(request))

    @extend_schema(request=WaitSerializer, responses=WaitSerializer)
    def put(self, request: Request) -> Response:
        """Decide it: 1 to 720 hours. A shorter time counts only when the present one has passed."""
        require(request, membership.MANAGE_KEYS)
        asked = WaitSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        exports.set_wait(organization(request), asked.validated_data["hours"], actor=person(request))
        return _wait(organization(request))


def _found(request: Request, export_id: uuid.UUID) -> KeyExport:
    export = exports.exports_of(organization(request)).filter(id=export_id).first()
    if export is None:
        raise Http404
    return export


def _wait(tenant: Tenant) -> Response:
    planned = exports.planned_wait(tenant)
    answer = {
        "hours": exports.wait_of(tenant),
        "next_hours": planned[0] if planned else None,
        "next_at": planned[1] if planned else None,
    }
    return Response(WaitSerializer(answer).data)
