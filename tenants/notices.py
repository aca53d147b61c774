"""What the administrators of an organization are told by mail, in the transaction of what it is about."""

from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils.functional import Promise

from tenants.models import GroupMember, GroupNesting, RoleAssignment, Tenant, User
from tenants.outbox import tell


def administrators_of(tenant: Tenant, *, also: tuple[str, ...] = ()) -> list[User]:
    """The active global administrators, by themselves or by a group, in the order of their addresses.

    `also` names further roles whose holders are meant.
    """
    roles = (RoleAssignment.Role.GLOBAL_ADMIN, *also)
    assignments = RoleAssignment.objects.for_tenant(tenant).filter(role__in=roles)
    people = assignments.filter(user__isnull=False).values("user_id")
    groups = _with_nested(set(assignments.filter(group__isnull=False).values_list("group", flat=True)))
    by_group = GroupMember.objects.filter(group_id__in=groups).values("user_id")
    found = User.objects.for_tenant(tenant).filter(Q(id__in=people) | Q(id__in=by_group), is_active=True)
    return list(found.order_by("email"))


def tell_administrators(
    tenant: Tenant,
    *,
    subject: Promise,
    text: Promise,
    values: dict[str, object],
    also: tuple[str, ...] = (),
) -> list[User]:
    """One mail to each administrator, in their language; `%(organization)s` and `%(service)s` are known to every text.

    `also` names roles whose holders are told, too. Returns who was told.
    """
    people = administrators_of(tenant, also=also)
    known: dict[str, object] = {"organization": tenant.name, "service": settings.PUBLIC_URL}
    tell(people, subject=subject, text=text, values=known | values)
    return people


def _with_nested(groups: set[Any]) -> set[Any]:
    """The groups and every group inside them, each visited once."""
    found, new = set(groups), set(groups)
    while new:
        inside = GroupNesting.objects.filter(parent_id__in=new).values_list("child_id", flat=True)
        new = set(inside) - found
        found |= new
    return found
