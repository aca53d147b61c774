"""The admin API: templates as files, out of the organization and into it."""

import uuid
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person
from administration.api.once import created_once
from administration.api.templates import languages
from policies.exchange.exporting import export_templates
from policies.exchange.files import CONTENT_TYPES, FORMATS, JSON
from policies.exchange.identities import NOBODY, Resolution
from policies.exchange.importing import import_templates
from policies.exchange.planning import Outcome, PlannedTemplate, plan_import
from policies.models import PolicyTemplate
from tenants import membership
from tenants.changes import Actor

_MAX_TEXT = 10 * 2**20  # characters; the limit in bytes is the reader's


class TemplatesImportRequestSerializer(serializers.Serializer[Any]):
    """`file`: the text of the file. `mapping`: for names of the file that are not known here, whom to take instead, written as
    in a grant, or `nobody`. `copies`: make templates of their own even of those that are there already.
    """

    file = serializers.CharField(max_length=_MAX_TEXT, trim_whitespace=False)
    dry_run = serializers.BooleanField(default=False)
    mapping = serializers.DictField(child=serializers.CharField(max_length=300), default=dict)
    copies = serializers.BooleanField(default=False)


class FiledNameSerializer(serializers.Serializer[Any]):
    """Whom a name of the file means here: `entry` is empty when it is nobody (`how`: left_out, unknown)."""

    name = serializers.CharField()
    kind = serializers.CharField()
    how = serializers.CharField()
    entry = serializers.CharField()
    problem = serializers.CharField()


class PlannedTemplateSerializer(serializers.Serializer[Any]):
    """`outcome`: new; draft of the template with this id; same, nothing to do; copy, because that one has another draft."""

    source_id = serializers.UUIDField()
    name = serializers.CharField()
    outcome = serializers.ChoiceField(choices=[str(outcome) for outcome in Outcome])
    state = serializers.ChoiceField(choices=PolicyTemplate.State.choices)
    template = serializers.UUIDField(allow_null=True)
    names_taken = serializers.ListField(child=serializers.CharField())
    who = FiledNameSerializer(many=True)


class TemplatesImportAnswerSerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=FORMATS)
    organization = serializers.CharField()
    imported = serializers.BooleanField()
    unknown = FiledNameSerializer(many=True)
    templates = PlannedTemplateSerializer(many=True)


class ExportView(ApiView):
    requires = membership.READ_TEMPLATES

    @extend_schema(
        parameters=[
            OpenApiParameter("as", str, enum=FORMATS, default=JSON),
            OpenApiParameter("id", uuid.UUID, many=True, description="only these; all when left out"),
        ],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "application/xml"): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request) -> Any:
        """Templates as a file that another organization or installation can import."""
        form = request.GET.get("as", JSON)
        if form not in FORMATS:
            raise ValidationError({"as": f"One of {', '.join(FORMATS)}."})
        try:
            only = [uuid.UUID(text) for text in request.GET.getlist("id")]
        except ValueError as error:
            raise ValidationError({"id": "This is not an identifier."}) from error
        actor = Actor.of(person(request))
        data = export_templates(organization(request), form, actor=actor, only=only or None)
        response = HttpResponse(data, content_type=CONTENT_TYPES[form])
        response.headers["Content-Disposition"] = f'attachment; filename="templates.{form}"'
        return response


class ImportView(ApiView):
    requires = membership.MANAGE_TEMPLATES

    @extend_schema(
        request=TemplatesImportRequestSerializer,
        responses={200: TemplatesImportAnswerSerializer, 201: TemplatesImportAnswerSerializer},
    )
    @created_once
    def post(self, request: Request) -> Response:
        """Import a file whole, or (`dry_run`) say what that would do. Templates arrive archived, in the order of the file."""
        asked = TemplatesImportRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given, tenant = asked.validated_data, organization(request)
        data, mapping, copies = given["file"].encode(), given["mapping"], given["copies"]
        if given["dry_run"]:
            plan = plan_import(tenant, data, mapping=mapping, copies=copies)
            found = [(planned, planned.existing) for planned in plan.templates]
        else:
            done = import_templates(
                tenant, data, actor=Actor.of(person(request)), mapping=mapping, copies=copies
            )
            plan, found = done.plan, [(each.planned, each.template) for each in done.templates]
        answer = {
            "format": plan.form,
            "organization": plan.file.organization,
            "imported": not given["dry_run"],
            "unknown": [named(each) for each in plan.unknown],
            "templates": [_planned(planned, template, request) for planned, template in found],
        }
        return Response(answer, status=200 if given["dry_run"] else 201)


def named(resolution: Resolution) -> dict[str, str]:
    """One name of the file, as `FiledNameSerializer` describes it."""
    return {
        "name": resolution.who.label,
        "kind": resolution.who.kind,
        "how": resolution.how,
        "entry": resolution.entry or (NOBODY if resolution.how == "left_out" else ""),
        "problem": resolution.problem,
    }


def _planned(planned: PlannedTemplate, template: PolicyTemplate | None, request: Request) -> dict[str, Any]:
    return {
        "source_id": planned.filed.id,
        "name": planned.wanted.text_for(languages(request)).name,
        "outcome": planned.outcome,
        "state": planned.state,
        "template": template.id if template and planned.outcome is not Outcome.COPY else None,
        "names_taken": list(planned.clashes),
        "who": [named(each) for each in planned.resolutions],
    }
