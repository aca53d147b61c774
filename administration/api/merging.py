"""Merging two accounts of one person, by machine."""

import uuid
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person
from administration.merging import merge_people, preview
from tenants import membership
from tenants.changes import Actor
from tenants.models import User
from tenants.people import find_person


class MergeRequestSerializer(serializers.Serializer[Any]):
    """`other` is the account that is closed; `dry_run` says what would happen and changes nothing."""

    other = serializers.UUIDField()
    dry_run = serializers.BooleanField(required=False, default=False)


class MergeSerializer(serializers.Serializer[Any]):
    """What moved to the account that stays, and what did not. `documents` counts those that are its own from now on."""

    into = serializers.CharField()
    closed = serializers.CharField()
    documents = serializers.IntegerField()
    moved = serializers.ListField(child=serializers.CharField())
    proven_again = serializers.ListField(child=serializers.CharField())
    groups = serializers.ListField(child=serializers.CharField())
    left_groups = serializers.ListField(child=serializers.CharField())
    roles = serializers.ListField(child=serializers.CharField())
    appointments = serializers.IntegerField()
    sessions = serializers.IntegerField()
    programs = serializers.IntegerField()
    dry_run = serializers.BooleanField()


class MergeView(ApiView):
    requires = membership.ADMINISTER
    creates = True

    @extend_schema(request=MergeRequestSerializer, responses=MergeSerializer)
    def post(self, request: Request, person_id: uuid.UUID) -> Response:
        """Close another account of the same person; this one stands for it from now on. Cannot be undone."""
        keep, actor = _find(request, person_id), Actor.of(person(request))
        asked = MergeRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        gone, dry_run = _find(request, asked.validated_data["other"]), asked.validated_data["dry_run"]
        found = preview(keep, gone, actor=actor)
        if found.refusal is not None:
            raise found.refusal
        assert found.consequences is not None
        facts = {name: getattr(found.consequences, name) for name in found.consequences.__slots__}
        facts |= {"into": keep.email, "closed": gone.email, "documents": found.documents, "dry_run": dry_run}
        if not dry_run:
            merge_people(keep, gone, actor=actor)
        return Response(MergeSerializer(facts).data)


def _find(request: Request, person_id: uuid.UUID) -> User:
    found = find_person(organization(request), person_id)
    if found is None:
        raise Http404
    return found
