"""Why somebody is in a group: the way from the group, through groups inside it, to one that names the person."""

import uuid
from collections import deque
from collections.abc import Iterable

from tenants.models import Group, GroupMember, GroupNesting, Tenant


def paths_to(
    person_id: uuid.UUID, groups: Iterable[uuid.UUID], tenant: Tenant
) -> dict[uuid.UUID, tuple[str, ...]]:
    """For each of `groups` that contains the person, names from that group inwards, a shortest way. Three queries."""
    wanted = set(groups)
    if not wanted:
        return {}
    direct = set(
        GroupMember.objects.filter(user_id=person_id, group__tenant=tenant).values_list("group_id", flat=True)
    )
    inner: dict[uuid.UUID, list[uuid.UUID]] = {}
    for parent, child in GroupNesting.objects.filter(parent__tenant=tenant).values_list(
        "parent_id", "child_id"
    ):
        inner.setdefault(parent, []).append(child)
    ways = {group: way for group in wanted if (way := _shortest(group, inner, direct))}
    passed = {each for way in ways.values() for each in way}
    names = dict(Group.objects.for_tenant(tenant).filter(id__in=passed).values_list("id", "name"))
    return {group: tuple(names[each] for each in way if each in names) for group, way in ways.items()}


def _shortest(
    start: uuid.UUID, inner: dict[uuid.UUID, list[uuid.UUID]], direct: set[uuid.UUID]
) -> list[uuid.UUID]:
    came_from: dict[uuid.UUID, uuid.UUID | None] = {start: None}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        if here in direct:
            way: list[uuid.UUID] = []
            step: uuid.UUID | None = here
            while step is not None:
                way.append(step)
                step = came_from[step]
            return way[::-1]
        for child in inner.get(here, ()):
            if child not in came_from:
                came_from[child] = here
                waiting.append(child)
    return []
