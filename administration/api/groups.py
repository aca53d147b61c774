"""The admin API's view of groups and of who is in them."""

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person, require
from administration.api.once import created_once
from administration.api.paging import Pages
from administration.api.people import ByAddress
from tenants import groups, membership
from tenants.changes import Actor
from tenants.models import Group, User
from tenants.people import find_person


class GroupsByName(Pages):
    ordering: Any = ("name", "id")


class GroupSerializer(serializers.ModelSerializer[Group]):
    class Meta:
        model = Group
        fields = ("id", "name", "mail", "from_directory", "created_at")


class GroupDetailSerializer(GroupSerializer):
    """`powers`: what being in the group brings beyond access; `groups`: the groups directly in it."""

    powers = serializers.SerializerMethodField()
    groups = serializers.SerializerMethodField()

    class Meta(GroupSerializer.Meta):
        fields = (*GroupSerializer.Meta.fields, "powers", "groups")  # type: ignore[assignment]  # longer than the base's

    def get_powers(self, group: Group) -> list[str]:
        return sorted(groups.powers_of(group))

    def get_groups(self, group: Group) -> list[str]:
        return [str(link.child_id) for link in group.nested.order_by("child__name")]


class GroupRequestSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    mail = serializers.EmailField(max_length=254, required=False, allow_blank=True)


class MemberSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "email", "name")


class MembersRequestSerializer(serializers.Serializer[Any]):
    """Exactly one of the two."""

    person = serializers.UUIDField(required=False)
    group = serializers.UUIDField(required=False)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if len(given) != 1:
            raise serializers.ValidationError("Name either a person or a group.")
        return given


class GroupsView(ApiView, generics.ListAPIView[Group]):
    serializer_class = GroupSerializer
    pagination_class = GroupsByName
    requires = membership.READ_PEOPLE

    def get_queryset(self) -> QuerySet[Group]:
        found = Group.objects.for_tenant(organization(self.request))
        text = self.request.GET.get("q", "").strip().replace("\x00", "")
        return found.filter(name__icontains=text) if text else found

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The groups of the organization; `q` searches their names."""
        return self.list(request, *args, **kwargs)

    @extend_schema(request=GroupRequestSerializer, responses={201: GroupDetailSerializer})
    @created_once
    def post(self, request: Request) -> Response:
        """Make an empty group."""
        require(request, membership.ADMINISTER)
        asked = GroupRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = groups.create_group(
            organization(request), actor=Actor.of(person(request)), **asked.validated_data
        )
        return Response(GroupDetailSerializer(made).data, status=201)


class GroupView(ApiView):
    requires = membership.READ_PEOPLE

    @extend_schema(responses=GroupDetailSerializer)
    def get(self, request: Request, group_id: uuid.UUID) -> Response:
        """One group."""
        return Response(GroupDetailSerializer(_find(request, group_id)).data)

    @extend_schema(request=GroupRequestSerializer, responses=GroupDetailSerializer)
    def patch(self, request: Request, group_id: uuid.UUID) -> Response:
        """Rename a group or give it another address; what is left out stays."""
        require(request, membership.ADMINISTER)
        found = _find(request, group_id)
        asked = GroupRequestSerializer(data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        groups.change_group(found, actor=Actor.of(person(request)), **asked.validated_data)
        return Response(GroupDetailSerializer(found).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, group_id: uuid.UUID) -> Response:
        """Delete a group; its people stay."""
        require(request, membership.ADMINISTER)
        groups.delete_group(_find(request, group_id), actor=Actor.of(person(request)))
        return Response(status=204)


class TakeOverView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(request=None, responses=GroupDetailSerializer)
    def post(self, request: Request, group_id: uuid.UUID) -> Response:
        """Take a group over from the directory: from now on it is changed here."""
        found = _find(request, group_id)
        groups.keep_by_hand(found, actor=Actor.of(person(request)))
        return Response(GroupDetailSerializer(found).data)


class MembersView(ApiView, generics.ListAPIView[User]):
    serializer_class = MemberSerializer
    pagination_class = ByAddress
    requires = membership.READ_PEOPLE

    def get_queryset(self) -> QuerySet[User]:
        found = _find(self.request, self.kwargs["group_id"])
        return User.objects.for_tenant(found.tenant).filter(memberships__group=found)

    @extend_schema(operation_id="groups_members_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The people directly in a group."""
        return self.list(request, *args, **kwargs)

    @extend_schema(request=MembersRequestSerializer, responses=GroupDetailSerializer)
    def post(self, request: Request, group_id: uuid.UUID) -> Response:
        """Put a person or a group in; both may be in already."""
        return self._change(request, group_id, adds=True)

    @extend_schema(request=MembersRequestSerializer, responses={200: GroupDetailSerializer})
    def delete(self, request: Request, group_id: uuid.UUID) -> Response:
        """Take a person or a group out."""
        return self._change(request, group_id, adds=False)

    def _change(self, request: Request, group_id: uuid.UUID, *, adds: bool) -> Response:
        require(request, membership.ADMINISTER)
        found, actor = _find(request, group_id), Actor.of(person(request))
        asked = MembersRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        if "group" in given:
            (groups.nest if adds else groups.unnest)(found, _find(request, given["group"]), actor=actor)
        else:
            member = find_person(organization(request), given["person"])
            if member is None:
                raise Http404
            (groups.add_people if adds else groups.remove_people)(found, [member], actor=actor)
        return Response(GroupDetailSerializer(found).data)


def _find(request: Request, group_id: uuid.UUID) -> Group:
    found = groups.find_group(organization(request), group_id)
    if found is None:
        raise Http404
    return found
