"""The admin API's view of templates: read them, write drafts, delete them. `template_states` publishes and archives."""

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person, require
from administration.api.once import created_once
from administration.api.paging import Pages
from licensing.calls import preferred_languages
from policies.content import Content, content_of, content_of_version, to_json
from policies.editing import create_template, discard_draft, find_template, save_draft
from policies.models import PolicyTemplate
from policies.reading import read_content
from rms.rights import LEVELS
from tenants import membership
from tenants.changes import Actor
from tracking.template_use import delete_template

IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `revision` the change is made on, in quotes; the same as the member `revision`. When it is another "
    "one now, the answer is 409 `changed_meanwhile` with the difference.",
)


class InListOrder(Pages):
    ordering: Any = ("position", "id")


class NameSerializer(serializers.Serializer[Any]):
    language = serializers.CharField(max_length=10)
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(max_length=500, allow_blank=True, default="")


class GrantSerializer(serializers.Serializer[Any]):
    principal = serializers.CharField()
    rights = serializers.ListField(child=serializers.CharField())


class RulesSerializer(serializers.Serializer[Any]):
    """`expiry` is never, date or days; `offline_days` null: as long as the organization allows, 0: never."""

    default_language = serializers.CharField()
    names = NameSerializer(many=True)
    grants = GrantSerializer(many=True)
    expiry = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)
    expires_after_days = serializers.IntegerField(allow_null=True)
    offline_days = serializers.IntegerField(allow_null=True)
    visible_to_all = serializers.BooleanField()
    scope = serializers.ListField(child=serializers.CharField())


class TemplateSerializer(serializers.ModelSerializer[PolicyTemplate]):
    """Name and description come in the language of the request; the other members as published, or for a template that never
    was, as drafted. `revision` is what a change names in `If-Match`.
    """

    version = serializers.IntegerField(source="current.number", default=None)
    modified_at = serializers.DateTimeField(source="current.modified_at", default=None)
    has_draft = serializers.SerializerMethodField()

    class Meta:
        model = PolicyTemplate
        fields = (
            "id",
            "state",
            "position",
            "revision",
            "version",
            "modified_at",
            "has_draft",
            "changed_at",
            "changed_by",
        )

    def get_has_draft(self, template: PolicyTemplate) -> bool:
        return template.draft is not None

    def to_representation(self, template: PolicyTemplate) -> dict[str, Any]:
        shown = content_of_version(template.current) if template.current else content_of(template)
        text = shown.text_for(self.context.get("languages", ())) if shown else None
        named = {"name": text.name if text else "", "description": text.description if text else ""}
        return {**super().to_representation(template), **named, **(to_json(shown) if shown else {})}


class TemplateRowSerializer(RulesSerializer):
    """One template of the list: its facts and its rules, as published or, where it never was, as drafted."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    state = serializers.ChoiceField(choices=PolicyTemplate.State.choices)
    position = serializers.IntegerField()
    revision = serializers.IntegerField()
    version = serializers.IntegerField(allow_null=True)
    modified_at = serializers.DateTimeField(allow_null=True)
    has_draft = serializers.BooleanField()
    changed_at = serializers.DateTimeField()
    changed_by = serializers.CharField()


class TemplateAnswerSerializer(TemplateRowSerializer):
    """As in the list, and under `draft` the rules that wait to be published."""

    draft = RulesSerializer(allow_null=True)


class GrantRequestSerializer(serializers.Serializer[Any]):
    """Rights one by one, or a level; a principal as in `Users` of a publishing request."""

    principal = serializers.CharField(max_length=300)
    rights = serializers.ListField(
        child=serializers.CharField(max_length=256), max_length=100, required=False
    )
    level = serializers.ChoiceField(choices=list(LEVELS), required=False)


class RulesRequestSerializer(serializers.Serializer[Any]):
    """All rules of a template; what is left out is as on a new one. `scope`: addresses, `group:<name or id>`."""

    default_language = serializers.CharField(max_length=10, required=False)
    names = NameSerializer(many=True)
    grants = GrantRequestSerializer(many=True, default=list)
    expiry = serializers.CharField(max_length=10, default="never")
    expires_at = serializers.DateTimeField(allow_null=True, default=None)
    expires_after_days = serializers.IntegerField(allow_null=True, default=None)
    offline_days = serializers.IntegerField(allow_null=True, default=None)
    visible_to_all = serializers.BooleanField(default=True)
    scope = serializers.ListField(child=serializers.CharField(max_length=300), default=list)


class RulesChangeRequestSerializer(RulesRequestSerializer):
    revision = serializers.IntegerField(required=False)


class DifferingFieldSerializer(serializers.Serializer[Any]):
    """A field as in the difference of versions; null where it is not there."""

    field = serializers.CharField()
    theirs = serializers.JSONField(allow_null=True)
    yours = serializers.JSONField(allow_null=True)


class ChangedMeanwhileSerializer(serializers.Serializer[Any]):
    """Somebody else was quicker, and nothing was changed. `revision` is the one to go on with."""

    code = serializers.CharField()
    message = serializers.CharField()
    revision = serializers.IntegerField(required=False)
    difference = DifferingFieldSerializer(many=True, required=False)


class FieldErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField()
    message = serializers.CharField()


class BadRulesSerializer(serializers.Serializer[Any]):
    """Everything that is wrong with the rules, by field: `names.de.name`, `grants.0.principal`, `expires_at` …"""

    code = serializers.CharField()
    message = serializers.CharField()
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]  # a member, not the property


CHANGED = {200: TemplateAnswerSerializer, 400: BadRulesSerializer, 409: ChangedMeanwhileSerializer}


class TemplatesView(ApiView, generics.ListAPIView[PolicyTemplate]):
    serializer_class = TemplateSerializer
    pagination_class = InListOrder
    requires = membership.READ_TEMPLATES

    def get_queryset(self) -> QuerySet[PolicyTemplate]:
        return PolicyTemplate.objects.for_tenant(organization(self.request)).with_current()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "languages": languages(self.request)}

    @extend_schema(responses=TemplateRowSerializer(many=True))
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All templates of the organization in their order, drafts and archived ones too."""
        return self.list(request, *args, **kwargs)

    @extend_schema(
        request=RulesRequestSerializer, responses={201: TemplateAnswerSerializer, 400: BadRulesSerializer}
    )
    @created_once
    def post(self, request: Request) -> Response:
        """Make a template, as a draft."""
        require(request, membership.MANAGE_TEMPLATES)
        made = create_template(
            organization(request),
            asked_content(request, RulesRequestSerializer)[0],
            actor=Actor.of(person(request)),
        )
        return answer(request, made, status=201)


class TemplateView(ApiView):
    requires = membership.READ_TEMPLATES

    @extend_schema(operation_id="templates_retrieve", responses=TemplateAnswerSerializer)
    def get(self, request: Request, template_id: uuid.UUID) -> Response:
        """One template with its rules, and those that wait to be published."""
        return answer(request, found(request, template_id))

    @extend_schema(parameters=[IF_MATCH], request=RulesChangeRequestSerializer, responses=CHANGED)
    def put(self, request: Request, template_id: uuid.UUID) -> Response:
        """Write all rules as a draft; nothing changes for anybody until it is published."""
        require(request, membership.MANAGE_TEMPLATES)
        template = found(request, template_id)
        content, asked = asked_content(request, RulesChangeRequestSerializer)
        saved = save_draft(template, content, actor=Actor.of(person(request)), seen=seen(request, asked))
        return answer(request, saved)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, template_id: uuid.UUID) -> Response:
        """Delete a template on which nothing hangs; archive others."""
        require(request, membership.MANAGE_TEMPLATES)
        delete_template(found(request, template_id), actor=Actor.of(person(request)))
        return Response(status=204)


class DraftView(ApiView):
    requires = membership.MANAGE_TEMPLATES

    @extend_schema(
        parameters=[IF_MATCH], responses={200: TemplateAnswerSerializer, 409: ChangedMeanwhileSerializer}
    )
    def delete(self, request: Request, template_id: uuid.UUID) -> Response:
        """Discard the changes that were not published."""
        template = found(request, template_id)
        return answer(
            request, discard_draft(template, actor=Actor.of(person(request)), seen=seen(request, {}))
        )


def languages(request: Request) -> tuple[str, ...]:
    return preferred_languages(request.META.get("HTTP_ACCEPT_LANGUAGE", ""))


def found(request: Request, template_id: uuid.UUID) -> PolicyTemplate:
    template = find_template(organization(request), template_id)
    if template is None:
        raise Http404
    return template


def asked_content(request: Request, shape: type[RulesRequestSerializer]) -> tuple[Content, dict[str, Any]]:
    """The rules a request sends, and all of its members. Raises 400."""
    asked = shape(data=request.data)
    asked.is_valid(raise_exception=True)
    return read_content(asked.validated_data, organization(request)), asked.validated_data


def seen(request: Request, asked: dict[str, Any]) -> int | None:
    """The revision the caller saw, from `If-Match` or the body; None when they do not say. Raises 400."""
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        revision: int | None = asked.get("revision")
        return revision
    try:
        return int(header.strip().removeprefix("W/").strip('"'))
    except ValueError as error:
        raise ValidationError("If-Match holds the revision of the template, in quotes.") from error


def answer(request: Request, template: PolicyTemplate, *, status: int = 200) -> Response:
    """One template as an answer, with its revision as entity tag."""
    data = TemplateSerializer(template, context={"languages": languages(request)}).data
    return Response(
        {**data, "draft": template.draft}, status=status, headers={"ETag": f'"{template.revision}"'}
    )
