"""What an organization's directory states of its groups, put into effect by the rules of `tenants.groups`."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models import AdminEvent
from tenants import groups
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.models import Group, GroupMember, GroupNesting, Tenant, User
from tenants.notices import tell_administrators

# A directory tries again and again: its administrators are told, and the log says so, once in this while.
_TELL_EVERY: Final = timedelta(days=1)
REFUSED: Final = "SyncRefused"


@dataclass(frozen=True, slots=True)
class Members:
    """Who is directly in a group, by id."""

    people: frozenset[uuid.UUID]
    groups: frozenset[uuid.UUID]

    @property
    def ids(self) -> frozenset[uuid.UUID]:
        return self.people | self.groups


def find_synced_group(tenant: Tenant, group_id: uuid.UUID, *, lock: bool = False) -> Group | None:
    """A group that the directory keeps; the others are not its business."""
    found = Group.objects.for_tenant(tenant).select_related("tenant").filter(id=group_id, from_directory=True)
    return (found.select_for_update(of=("self",)) if lock else found).first()


def members_of(group: Group) -> Members:
    """Who is directly in `group` now."""
    return Members(
        frozenset(GroupMember.objects.filter(group=group).values_list("user_id", flat=True)),
        frozenset(GroupNesting.objects.filter(parent=group).values_list("child_id", flat=True)),
    )


def add_members(group: Group, ids: Iterable[uuid.UUID], *, actor: Actor) -> None:
    """Put people and groups of the organization into `group`. Raises `ChangeRefusedError`."""
    wanted = set(ids)
    if not wanted:
        return
    people = list(User.objects.for_tenant(group.tenant).filter(id__in=wanted))
    inner = list(Group.objects.for_tenant(group.tenant).filter(id__in=wanted))
    if len(people) + len(inner) < len(wanted):
        raise ChangeRefusedError("no_such_member", _("A member is not known here under its id."))
    present = _present(group, wanted)
    new_people = [person for person in people if person.id not in present]
    new_groups = [found for found in inner if found.id not in present]
    with transaction.atomic():
        if new_people:
            groups.add_people(group, new_people, actor=actor)
        for found in new_groups:
            groups.nest(group, found, actor=actor)


def remove_members(group: Group, ids: Iterable[uuid.UUID], *, actor: Actor) -> None:
    """Take people and groups out of `group`; an id that is not in it is no error."""
    gone = set(ids)
    with transaction.atomic():
        people = list(User.objects.for_tenant(group.tenant).filter(id__in=gone, memberships__group=group))
        if people:
            groups.remove_people(group, people, actor=actor)
        for inner in Group.objects.for_tenant(group.tenant).filter(id__in=gone, nested_in__parent=group):
            groups.unnest(group, inner, actor=actor)


def replace_members(group: Group, ids: Iterable[uuid.UUID], *, actor: Actor) -> None:
    """Make exactly `ids` the members of `group`. Raises `ChangeRefusedError`."""
    wanted, present = set(ids), members_of(group).ids
    with transaction.atomic():
        remove_members(group, present - wanted, actor=actor)
        add_members(group, wanted - present, actor=actor)


def note_refusal(group: Group, *, actor: Actor) -> None:
    """Say in the admin log, and tell the administrators, that the directory tried to fill a group that carries power."""
    recent = AdminEvent.objects.filter(
        tenant_id=group.tenant_id,
        action=REFUSED,
        target_id=str(group.id),
        time__gte=timezone.now() - _TELL_EVERY,
    )
    if recent.exists():
        return
    with transaction.atomic():
        log_change(group.tenant, actor, REFUSED, target=group.name, target_id=group.id)
        tell_administrators(
            group.tenant,
            subject=_("Your directory tried to change %(group)s"),
            text=_(
                "%(actor)s tried to add members to the group %(group)s. Being in this group brings a role or a power, so "
                "its members are added in Rightskeep by a global administrator, and the directory was refused."
            ),
            values={"group": group.name, "actor": actor.name},
        )


def _present(group: Group, ids: set[uuid.UUID]) -> set[uuid.UUID]:
    return set(
        GroupMember.objects.filter(group=group, user_id__in=ids).values_list("user_id", flat=True)
    ) | set(GroupNesting.objects.filter(parent=group, child_id__in=ids).values_list("child_id", flat=True))
