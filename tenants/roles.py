"""Giving administrative roles and taking them away. What a role allows: `tenants.membership`."""

from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.models import Group, RoleAssignment, Tenant, User
from tenants.notices import tell_administrators

Role = RoleAssignment.Role


def give_role(
    tenant: Tenant, role: str, *, actor: Actor, user: User | None = None, group: Group | None = None
) -> RoleAssignment:
    """Give `role` to a member or to everybody in a group; what is held already stays as it is.

    Raises `ChangeRefusedError`.
    """
    holder = _holder(tenant, user, group)
    if role not in Role.values:
        raise ChangeRefusedError("no_such_role", _("There is no such role."))
    with transaction.atomic():
        hold_roles(tenant)
        if (
            user is not None
            and not User.objects.for_tenant(tenant).filter(id=user.id, is_active=True).exists()
        ):
            raise ChangeRefusedError(
                "not_active", _("%(who)s is suspended and cannot get a role."), who=holder
            )
        try:
            with transaction.atomic():
                given = RoleAssignment.objects.create(tenant=tenant, user=user, group=group, role=role)
        except IntegrityError:
            return RoleAssignment.objects.for_tenant(tenant).get(user=user, group=group, role=role)
        log_change(tenant, actor, "AddRole", target=holder, target_id=given.id, after={"role": role})
        _tell(tenant, actor, role, holder, given=True)
    return given


def take_role(assignment: RoleAssignment, *, actor: Actor) -> None:
    """Take a role away; nothing when it is gone already.

    Raises `ChangeRefusedError` when nobody would be left to administer the organization.
    """
    with transaction.atomic():
        tenant = hold_roles(assignment.tenant)
        found = (
            RoleAssignment.objects.for_tenant(tenant)
            .select_related("user", "group")
            .filter(id=assignment.id)
            .first()
        )
        if found is None:
            return
        if found.user is not None and found.role == Role.GLOBAL_ADMIN and is_last_global_admin(found.user):
            raise ChangeRefusedError(
                "last_administrator",
                _("%(who)s is the last global administrator. Give the role to somebody else first."),
                who=found.user.email,
            )
        holder = str(found.user or found.group)
        log_change(
            tenant, actor, "RemoveRole", target=holder, target_id=found.id, before={"role": found.role}
        )
        _tell(tenant, actor, found.role, holder, given=False)
        found.delete()


def hold_roles(tenant: Tenant) -> Tenant:
    """Lock the roles of an organization until the transaction ends, so that two changes cannot undo its last admin."""
    return Tenant.objects.select_for_update(of=("self",)).get(id=tenant.id)


def is_last_global_admin(user: User) -> bool:
    """Whether `user` is the only active person who holds the role of global administrator by themselves.

    A role by way of a group does not count: the group may be emptied. Before a change that relies on the answer, call
    `hold_roles` in the same transaction.
    """
    if user.tenant_id is None:
        return False
    holders = set(
        RoleAssignment.objects.filter(
            tenant_id=user.tenant_id, role=Role.GLOBAL_ADMIN, user__is_active=True
        ).values_list("user_id", flat=True)
    )
    return holders == {user.id}


def holders_of(tenant: Tenant) -> Iterable[RoleAssignment]:
    """Who holds what, in the order of the roles, then by time."""
    order = {role: place for place, role in enumerate(Role.values)}
    found = RoleAssignment.objects.for_tenant(tenant).select_related("user", "group")
    return sorted(found, key=lambda one: (order[one.role], one.since, one.id))


def _holder(tenant: Tenant, user: User | None, group: Group | None) -> str:
    """The name of the one of two that is given. Raises `ChangeRefusedError` for a stranger."""
    assert (user is None) != (group is None)
    if user is not None and user.tenant_id == tenant.id:
        return user.email
    if group is not None and group.tenant_id == tenant.id:
        return group.name
    raise ChangeRefusedError("not_a_member", _("A role goes to people and groups of your own organization."))


def _tell(tenant: Tenant, actor: Actor, role: str, holder: str, *, given: bool) -> None:
    tell_administrators(
        tenant,
        subject=_("%(organization)s: a role was given") if given else _("%(organization)s: a role was taken"),
        text=_(
            "%(actor)s gave %(who)s the role “%(role)s” in %(organization)s.\n\n%(service)s/settings/roles/"
        )
        if given
        else _(
            "%(actor)s took the role “%(role)s” from %(who)s in %(organization)s.\n\n%(service)s/settings/roles/"
        ),
        values={"actor": actor.name, "who": holder, "role": Role(role).label},
    )
