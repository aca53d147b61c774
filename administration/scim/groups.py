"""`/Groups`: the groups that the directory keeps. Groups made in the portal are not its business and not shown to it."""

import uuid
from collections import defaultdict
from typing import Any

from django.db import transaction
from scim2_models import Context

from administration.scim.endpoints import Endpoint, base_url, check_version, listed
from administration.scim.errors import ScimError, not_found
from administration.scim.exchange import Query
from administration.scim.filters import groups_matching
from administration.scim.patching import GroupChange, group_changes, member_ids
from administration.scim.resources import POLICY
from administration.scim.resources import Group as GroupShape
from tenants.changes import ChangeRefusedError
from tenants.directory_groups import (
    add_members,
    find_synced_group,
    members_of,
    note_refusal,
    remove_members,
    replace_members,
)
from tenants.groups import change_group, create_group, delete_group
from tenants.models import Group, GroupMember, GroupNesting


class Groups(Endpoint):
    name, plural = "Group", "Groups"

    def find(self, query: Query) -> dict[str, Any]:
        found = Group.objects.for_tenant(self.tenant).filter(
            groups_matching(query.filter), from_directory=True
        )
        page = (
            list(found.order_by("name")[query.start - 1 : query.start - 1 + query.count])
            if query.count
            else []
        )
        known = query.start - 1 + len(page)
        total = known if page and len(page) < query.count else found.count()
        return listed(self._resources(page, query), total, query)

    def get(self, found_id: uuid.UUID, query: Query) -> dict[str, Any]:
        return self._resources([self._group(found_id)], query)[0]

    def add(self, body: dict[str, Any], query: Query) -> dict[str, Any]:
        name, external_id, members = _described(body, Context.RESOURCE_CREATION_REQUEST)
        with transaction.atomic():
            group = create_group(self.tenant, name, actor=self.actor, external_id=external_id)
            add_members(group, members, actor=self.actor)
        return self.get(group.id, query)

    def put(self, found_id: uuid.UUID, body: dict[str, Any], query: Query, if_match: str) -> dict[str, Any]:
        name, external_id, members = _described(body, Context.RESOURCE_REPLACEMENT_REQUEST)

        def replace(group: Group) -> None:
            change_group(group, actor=self.actor, name=name, external_id=external_id)
            replace_members(group, members, actor=self.actor)

        self._change(found_id, if_match, replace)
        return self.get(found_id, query)

    def patch(self, found_id: uuid.UUID, body: dict[str, Any], query: Query, if_match: str) -> dict[str, Any]:
        changes = group_changes(body)

        def step_by_step(group: Group) -> None:
            for change in changes:
                self._apply(group, change)

        self._change(found_id, if_match, step_by_step)
        return self.get(found_id, query)

    def remove(self, found_id: uuid.UUID, if_match: str) -> None:
        self._change(found_id, if_match, lambda group: delete_group(group, actor=self.actor))

    def _change(self, found_id: uuid.UUID, if_match: str, change: Any) -> None:
        """All of `change` or nothing; a refusal for the sake of power is noted where administrators see it."""
        group = self._group(found_id)
        try:
            with transaction.atomic():
                group = self._group(found_id, lock=True)
                check_version(if_match, group.changed_at)
                change(group)
        except ChangeRefusedError as error:
            if error.code == "carries_power":
                note_refusal(group, actor=self.actor)
            raise

    def _apply(self, group: Group, change: GroupChange) -> None:
        if change.attribute == "displayName":
            change_group(group, actor=self.actor, name=change.text)
        elif change.attribute == "externalId":
            change_group(group, actor=self.actor, external_id=_external_id(change.text))
        elif change.op == "add":
            add_members(group, change.ids or (), actor=self.actor)
        elif change.op == "replace":
            replace_members(group, change.ids or (), actor=self.actor)
        else:
            remove_members(
                group, members_of(group).ids if change.ids is None else change.ids, actor=self.actor
            )

    def _group(self, found_id: uuid.UUID, *, lock: bool = False) -> Group:
        group = find_synced_group(self.tenant, found_id, lock=lock)
        if group is None:
            raise not_found()
        return group

    def _resources(self, groups: list[Group], query: Query) -> list[dict[str, Any]]:
        members = self._members(groups) if query.wants("members") else {}
        return [
            self.shaped(
                GroupShape,
                {
                    "id": str(group.id),
                    "displayName": group.name,
                    "externalId": group.external_id or None,
                    "members": members.get(group.id),
                    "meta": self.meta(group.id, group.created_at, group.changed_at),
                },
                query,
            )
            for group in groups
        ]

    def _members(self, groups: list[Group]) -> dict[uuid.UUID, list[dict[str, str]]]:
        ids, base, found = [group.id for group in groups], base_url(self.tenant), defaultdict(list)
        people = GroupMember.objects.filter(group_id__in=ids).order_by("id")
        for group_id, user_id in people.values_list("group_id", "user_id"):
            found[group_id].append({"value": str(user_id), "$ref": f"{base}/Users/{user_id}", "type": "User"})
        inner = GroupNesting.objects.filter(parent_id__in=ids).order_by("id")
        for group_id, child_id in inner.values_list("parent_id", "child_id"):
            found[group_id].append(
                {"value": str(child_id), "$ref": f"{base}/Groups/{child_id}", "type": "Group"}
            )
        return found


def _described(body: dict[str, Any], context: Context) -> tuple[str, str, tuple[uuid.UUID, ...]]:
    shape = GroupShape.model_validate(body, scim_ctx=context, scim_policy=POLICY)
    if not shape.display_name:
        raise ScimError(400, "A group has a displayName.", "invalidValue")
    members = member_ids([{"value": member.value} for member in shape.members or []])
    return shape.display_name, _external_id(shape.external_id or ""), members


def _external_id(text: str) -> str:
    if len(text) > 254:
        raise ScimError(400, "externalId has at most 254 characters.", "invalidValue")
    return text
