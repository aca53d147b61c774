"""The admin API's view of people: find, invite, change, suspend, addresses, leaving."""

import uuid
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api import serializers as shapes
from administration.api.access import ApiView, organization, person, require
from administration.api.once import created_once
from administration.api.paging import Pages
from tenants import invitations, membership, people
from tenants.changes import Actor
from tenants.models import Group, Invitation, User
from tenants.people_search import PeopleFilter, people_matching

_LANGUAGES = [code for code, _name in settings.LANGUAGES]


class ByAddress(Pages):
    ordering: Any = ("email", "id")


class PeopleQuerySerializer(serializers.Serializer[Any]):
    q = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    state = serializers.ChoiceField(["active", "suspended"], required=False)
    role = serializers.CharField(required=False, max_length=20)
    group = serializers.UUIDField(required=False)
    licensed = serializers.ChoiceField(["yes", "no"], required=False)
    directory = serializers.ChoiceField(["yes", "no"], required=False)


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """Someone who was asked to join; the link is in the mail and nowhere else."""

    class Meta:
        model = Invitation
        fields = ("id", "email", "name", "language", "invited_by", "created_at", "expires_at")


class InviteRequestSerializer(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)
    name = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    language = serializers.ChoiceField(_LANGUAGES, required=False, default="")
    groups = serializers.ListField(
        child=serializers.UUIDField(), required=False, default=list, max_length=100
    )


class ChangePersonRequestSerializer(serializers.Serializer[Any]):
    """What is left out stays as it is."""

    name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    language = serializers.ChoiceField(_LANGUAGES, required=False)
    licensed = serializers.BooleanField(required=False)
    suspended = serializers.BooleanField(required=False)


class AddressRequestSerializer(serializers.Serializer[Any]):
    """`main` asks to make the address, which must count already, the main one."""

    email = serializers.EmailField(max_length=254)
    main = serializers.BooleanField(required=False, default=False)


class PeopleView(ApiView, generics.ListAPIView[User]):
    serializer_class = shapes.PersonSerializer
    pagination_class = ByAddress
    requires = membership.READ_PEOPLE

    def get_queryset(self) -> QuerySet[User]:
        asked = PeopleQuerySerializer(data=self.request.GET)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        wanted = PeopleFilter(
            text=given["q"].strip(),
            state=given.get("state", ""),
            role=given.get("role", ""),
            group_id=given.get("group"),
            licensed=given.get("licensed", ""),
            directory=given.get("directory", ""),
        )
        found = people_matching(organization(self.request), wanted)
        return found.prefetch_related("emailaddress_set", "stated_addresses", "roles")

    @extend_schema(
        parameters=[
            PeopleQuerySerializer,
            OpenApiParameter("q", str, description="part of a name or address"),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The people of the organization."""
        return self.list(request, *args, **kwargs)

    @extend_schema(request=InviteRequestSerializer, responses={201: InvitationSerializer})
    @created_once
    def post(self, request: Request) -> Response:
        """Ask somebody to join, by mail. Asked again for the same address, the older link ends."""
        require(request, membership.ADMINISTER)
        asked = InviteRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given, tenant = asked.validated_data, organization(request)
        groups = list(Group.objects.for_tenant(tenant).filter(id__in=given["groups"]))
        if len(groups) != len(set(given["groups"])):
            raise Http404
        made = invitations.invite(
            tenant,
            given["email"],
            actor=Actor.of(person(request)),
            name=given["name"],
            language=given["language"],
            groups=groups,
        )
        return Response(InvitationSerializer(made).data, status=201)


class InvitationsView(ApiView, generics.ListAPIView[Invitation]):
    """Who was asked to join and has not done so yet."""

    serializer_class = InvitationSerializer
    pagination_class = ByAddress
    requires = membership.ADMINISTER

    def get_queryset(self) -> QuerySet[Invitation]:
        return Invitation.objects.for_tenant(organization(self.request)).filter(accepted_at=None)


class InvitationView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(responses={204: None})
    def delete(self, request: Request, invitation_id: uuid.UUID) -> Response:
        """Withdraw an invitation: its link ends now."""
        waiting = Invitation.objects.for_tenant(organization(request)).select_related("tenant")
        found = waiting.filter(id=invitation_id, accepted_at=None).first()
        if found is None:
            raise Http404
        invitations.withdraw(found, actor=Actor.of(person(request)))
        return Response(status=204)


class PersonView(ApiView):
    requires = membership.READ_PEOPLE

    @extend_schema(responses=shapes.PersonSerializer)
    def get(self, request: Request, person_id: uuid.UUID) -> Response:
        """One person with addresses and roles."""
        return Response(shapes.PersonSerializer(_find(request, person_id)).data)

    @extend_schema(request=ChangePersonRequestSerializer, responses=shapes.PersonSerializer)
    def patch(self, request: Request, person_id: uuid.UUID) -> Response:
        """Change name, language or license; suspend or resume."""
        require(request, membership.ADMINISTER)
        found = _find(request, person_id)
        asked = ChangePersonRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given, actor = dict(asked.validated_data), Actor.of(person(request))
        suspended = given.pop("suspended", None)
        people.change_person(found, actor=actor, **given)
        if suspended is not None:
            (people.suspend if suspended else people.resume)(found, actor=actor)
        return Response(shapes.PersonSerializer(found).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, person_id: uuid.UUID) -> Response:
        """Remove somebody from the organization, with their groups, roles and the addresses in its domains."""
        require(request, membership.ADMINISTER)
        people.remove_person(_find(request, person_id), actor=Actor.of(person(request)))
        return Response(status=204)


class AddressesView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(request=AddressRequestSerializer, responses=shapes.PersonSerializer)
    def post(self, request: Request, person_id: uuid.UUID) -> Response:
        """Store one more address, or make one that counts the main address. Unproven, it matches nothing."""
        found, actor, asked = _find(request, person_id), Actor.of(person(request)), self._asked(request)
        change = people.make_main if asked["main"] else people.add_address
        change(found, asked["email"], actor=actor)
        return Response(shapes.PersonSerializer(found).data)

    @extend_schema(request=AddressRequestSerializer, responses={200: shapes.PersonSerializer})
    def delete(self, request: Request, person_id: uuid.UUID) -> Response:
        """Forget one of the further addresses."""
        found = _find(request, person_id)
        people.remove_address(found, self._asked(request)["email"], actor=Actor.of(person(request)))
        return Response(shapes.PersonSerializer(found).data)

    def _asked(self, request: Request) -> dict[str, Any]:
        asked = AddressRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given: dict[str, Any] = asked.validated_data
        return given


def _find(request: Request, person_id: uuid.UUID) -> User:
    found = people.find_person(organization(request), person_id)
    if found is None:
        raise Http404
    return found
