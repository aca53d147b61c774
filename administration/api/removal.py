"""Taking the organization's data along, and deleting the organization."""

from typing import Any

from django.conf import settings
from django.http import FileResponse, Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person
from administration.api.errors import Conflict
from administration.export import export_of, has_failed, open_export, request_export
from administration.models import Removal
from administration.removal import RemovalError, cancel_removal, pending_of, request_removal
from tenants import membership
from tenants.models import Tenant


class RemovalSerializer(serializers.ModelSerializer[Removal]):
    class Meta:
        model = Removal
        fields = ("id", "reason", "requested_by", "requested_at", "due_at", "started_at")


class RemovalStateSerializer(serializers.Serializer[Any]):
    """`pending` is the deletion that was asked for and not taken back, null when there is none."""

    grace_days = serializers.IntegerField()
    pending = RemovalSerializer(allow_null=True)


class RemovalRequestSerializer(serializers.Serializer[Any]):
    """`name` is the organization's, exactly, so that none is deleted by a slip."""

    name = serializers.CharField(max_length=100)
    reason = serializers.CharField(max_length=500)


class ExportSerializer(serializers.Serializer[Any]):
    """`state`: none, being_made, ready or failed. The archive is at `organization/export/file/`."""

    state = serializers.ChoiceField(["none", "being_made", "ready", "failed"])
    requested_by = serializers.CharField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    size = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField(allow_null=True)


class RemovalView(ApiView):
    requires = membership.ADMINISTER
    creates = True

    @extend_schema(responses=RemovalStateSerializer)
    def get(self, request: Request) -> Response:
        """Whether the organization is going to be deleted, and when."""
        return Response(_state(organization(request)))

    @extend_schema(request=RemovalRequestSerializer, responses={201: RemovalStateSerializer})
    def post(self, request: Request) -> Response:
        """Ask for the deletion of the organization. It can be taken back until it is due; all administrators get a mail."""
        asked = RemovalRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        tenant = organization(request)
        if asked.validated_data["name"] != tenant.name:
            raise ValidationError("This is not the name of your organization.")
        try:
            request_removal(tenant, reason=asked.validated_data["reason"], actor=person(request))
        except RemovalError as error:
            raise Conflict(str(error)) from error
        return Response(_state(tenant), status=201)

    @extend_schema(responses={200: RemovalStateSerializer})
    def delete(self, request: Request) -> Response:
        """Take the deletion back, as long as it has not begun."""
        tenant = organization(request)
        try:
            cancel_removal(tenant, actor=person(request))
        except RemovalError as error:
            raise Conflict(str(error)) from error
        return Response(_state(tenant))


class ExportView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(responses=ExportSerializer)
    def get(self, request: Request) -> Response:
        """The organization's archive: people, groups, templates, documents and logs, never a key."""
        return Response(_export(organization(request)))

    @extend_schema(request=None, responses=ExportSerializer)
    def post(self, request: Request) -> Response:
        """Have an archive made; a finished one is replaced."""
        tenant = organization(request)
        request_export(tenant, actor=person(request))
        return Response(_export(tenant))


class ExportFileView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request) -> Any:
        """The finished archive, a ZIP file."""
        export = export_of(organization(request))
        if export is None or export.finished_at is None:
            raise Http404
        return FileResponse(
            open_export(export, actor=person(request)), as_attachment=True, filename="organization.zip"
        )


def _state(tenant: Tenant) -> Any:
    facts = {"grace_days": settings.REMOVAL_GRACE_DAYS, "pending": pending_of(tenant)}
    return RemovalStateSerializer(facts).data


def _export(tenant: Tenant) -> Any:
    export = export_of(tenant)
    if export is None:
        state = "none"
    elif export.finished_at is not None:
        state = "ready"
    else:
        state = "failed" if has_failed(export) else "being_made"
    names = ("requested_by", "finished_at", "size", "sha256")
    facts = {name: getattr(export, name, None) if state == "ready" else None for name in names}
    return ExportSerializer({"state": state, **facts}).data
