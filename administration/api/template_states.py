"""The admin API: publish, archive and back, copy, order, versions of a template."""

import uuid
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, person
from administration.api.once import created_once
from administration.api.templates import (
    CHANGED,
    IF_MATCH,
    RulesSerializer,
    TemplateAnswerSerializer,
    answer,
    found,
    seen,
)
from policies import states
from policies.content import content_of_version, to_json
from policies.differences import compare
from policies.editing import copy_template, find_version, restore_version
from policies.models import TemplateVersion
from tenants import membership
from tenants.changes import Actor


class RevisionRequestSerializer(serializers.Serializer[Any]):
    revision = serializers.IntegerField(required=False)


class MoveRequestSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField(min_value=0)


class VersionSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    published_at = serializers.DateTimeField(source="modified_at")
    published_by = serializers.CharField()


class VersionsSerializer(serializers.Serializer[Any]):
    results = VersionSerializer(many=True)


class ChangeSerializer(serializers.Serializer[Any]):
    """`before` and `after` are null where the field is not there."""

    field = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class VersionAnswerSerializer(VersionSerializer):
    """A version with its rules, and how they differ from the version before."""

    rules = RulesSerializer()
    difference = ChangeSerializer(many=True)


class PublishView(ApiView):
    requires = membership.MANAGE_TEMPLATES

    @extend_schema(parameters=[IF_MATCH], request=RevisionRequestSerializer, responses=CHANGED)
    def post(self, request: Request, template_id: uuid.UUID) -> Response:
        """Make the draft the next version. It decides at once, also about what was protected long ago."""
        asked = RevisionRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        template = found(request, template_id)
        actor = Actor.of(person(request))
        return answer(
            request, states.publish(template, actor=actor, seen=seen(request, asked.validated_data))
        )


class ArchiveView(ApiView):
    requires = membership.MANAGE_TEMPLATES

    @extend_schema(request=None, responses=TemplateAnswerSerializer)
    def post(self, request: Request, template_id: uuid.UUID) -> Response:
        """Offer it to nobody any more. What it protects still opens."""
        return answer(request, states.archive(found(request, template_id), actor=Actor.of(person(request))))


class UnarchiveView(ApiView):
    requires = membership.MANAGE_TEMPLATES

    @extend_schema(request=None, responses=TemplateAnswerSerializer)
    def post(self, request: Request, template_id: uuid.UUID) -> Response:
        """Offer an archived template again."""
        return answer(request, states.unarchive(found(request, template_id), actor=Actor.of(person(request))))


class CopyView(ApiView):
    requires = membership.MANAGE_TEMPLATES

    @extend_schema(request=None, responses={201: TemplateAnswerSerializer})
    @created_once
    def post(self, request: Request, template_id: uuid.UUID) -> Response:
        """Make a draft with the same rules."""
        copied = copy_template(found(request, template_id), actor=Actor.of(person(request)))
        return answer(request, copied, status=201)


class MoveView(ApiView):
    requires = membership.MANAGE_TEMPLATES

    @extend_schema(request=MoveRequestSerializer, responses=TemplateAnswerSerializer)
    def post(self, request: Request, template_id: uuid.UUID) -> Response:
        """Put the template at a position of the list, from 0; devices show them in this order."""
        template = found(request, template_id)
        asked = MoveRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        states.move_template(template, asked.validated_data["position"], actor=Actor.of(person(request)))
        return answer(request, found(request, template_id))


class VersionsView(ApiView):
    requires = membership.READ_TEMPLATES

    @extend_schema(operation_id="templates_versions_list", responses=VersionsSerializer)
    def get(self, request: Request, template_id: uuid.UUID) -> Response:
        """The versions that were published, newest first."""
        versions = found(request, template_id).versions.order_by("-number")
        return Response(VersionsSerializer({"results": versions}).data)


class VersionView(ApiView):
    requires = membership.READ_TEMPLATES

    @extend_schema(responses=VersionAnswerSerializer)
    def get(self, request: Request, template_id: uuid.UUID, number: int) -> Response:
        """One version with its rules, and what it changed."""
        template = found(request, template_id)
        version = find_version(template, number)
        if version is None:
            raise Http404
        before = find_version(template, number - 1)
        rules = content_of_version(version)
        changes = compare(content_of_version(before) if before else None, rules)
        data = VersionSerializer(version).data
        difference = ChangeSerializer(changes, many=True).data
        return Response({**data, "rules": to_json(rules), "difference": difference})


class RestoreVersionView(ApiView):
    requires = membership.MANAGE_TEMPLATES

    @extend_schema(parameters=[IF_MATCH], request=RevisionRequestSerializer, responses=CHANGED)
    def post(self, request: Request, template_id: uuid.UUID, number: int) -> Response:
        """Make the rules of an earlier version the draft."""
        asked = RevisionRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        template, actor = found(request, template_id), Actor.of(person(request))
        try:
            restored = restore_version(
                template, number, actor=actor, seen=seen(request, asked.validated_data)
            )
        except TemplateVersion.DoesNotExist as error:
            raise Http404 from error
        return answer(request, restored)
