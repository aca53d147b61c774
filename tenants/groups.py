"""Groups: who is in them, which groups are inside which, and which of them carry power.

A group that carries power (administrative roles, super users, who may protect) is filled by appointment: a directory can
take people out of it, and cannot put anybody in (product.md section 3). That holds for every group inside such a group,
too, because whoever is in the inner one is in the outer one.
"""

import uuid
from collections.abc import Iterable
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.domain_names import canonical_address
from tenants.identity import uuid_parameter
from tenants.models import (
    Group,
    GroupMember,
    GroupNesting,
    RoleAssignment,
    SuperUserAppointment,
    Tenant,
    User,
)

MAX_NAME: Final = 100

_OUTER = """
WITH RECURSIVE around(id) AS (
  SELECT CAST(%(group)s AS {type})
  UNION
  SELECT n.parent_id FROM tenants_groupnesting n JOIN around a ON n.child_id = a.id
)
SELECT id FROM around
"""
_INSIDE = """
WITH RECURSIVE inside(id) AS (
  SELECT CAST(%(group)s AS {type})
  UNION
  SELECT n.child_id FROM tenants_groupnesting n JOIN inside i ON n.parent_id = i.id
)
"""
_INNER = f"{_INSIDE} SELECT id FROM inside"  # noqa: S608  (constants only)
_REACH = f"""{_INSIDE}
SELECT count(*), count(DISTINCT user_id) FROM (
  SELECT m.user_id FROM tenants_groupmember m JOIN inside i ON m.group_id = i.id LIMIT %(rows)s
) AS reached
"""  # noqa: S608  (constants only)


def groups_around(group_id: uuid.UUID) -> set[uuid.UUID]:
    """The group itself and every group it is in, however deep."""
    return _walk(_OUTER, group_id)


def groups_inside(group_id: uuid.UUID) -> set[uuid.UUID]:
    """The group itself and every group in it, however deep."""
    return _walk(_INNER, group_id)


def reach_of(group: Group, *, rows: int) -> tuple[int, bool]:
    """How many people are in the group or in one inside it, counted over at most so many memberships; and whether those
    were all."""
    with connection.cursor() as cursor:
        cursor.execute(_typed(_REACH), {"group": uuid_parameter(group.id), "rows": rows + 1})
        found, people = cursor.fetchone()
    return people, found <= rows


def powers_of(group: Group) -> frozenset[str]:
    """What being in `group` brings beyond access: some of "roles", "super_users", "onboarding"."""
    around = groups_around(group.id)
    found = set()
    if RoleAssignment.objects.for_tenant(group.tenant).filter(group_id__in=around).exists():
        found.add("roles")
    if SuperUserAppointment.objects.for_tenant(group.tenant).filter(group_id__in=around).exists():
        found.add("super_users")
    if Tenant.objects.filter(id=group.tenant_id, onboarding_group_id__in=around).exists():
        found.add("onboarding")
    return frozenset(found)


def carries_power(group: Group) -> bool:
    """Whether being in `group` makes an administrator, a super user or somebody who may protect."""
    return bool(powers_of(group))


def groups_with_power(tenant: Tenant) -> set[uuid.UUID]:
    """Every group of the organization that carries power, by itself or by a group around it."""
    roles = RoleAssignment.objects.for_tenant(tenant).exclude(group=None).values_list("group_id", flat=True)
    powers = SuperUserAppointment.objects.for_tenant(tenant).exclude(group=None)
    named = {*roles, *powers.values_list("group_id", flat=True), tenant.onboarding_group_id} - {None}
    return {inner for group_id in named if group_id for inner in groups_inside(group_id)}


def find_group(tenant: Tenant, group_id: uuid.UUID) -> Group | None:
    return Group.objects.for_tenant(tenant).select_related("tenant").filter(id=group_id).first()


def group_names(tenant: Tenant, *, limit: int) -> list[str]:
    """The first names of groups in their order, to be offered while somebody types."""
    return list(Group.objects.for_tenant(tenant).order_by("name").values_list("name", flat=True)[:limit])


def create_group(tenant: Tenant, name: str, *, actor: Actor, mail: str = "", external_id: str = "") -> Group:
    """A new, empty group. Raises `ChangeRefusedError`."""
    name, mail = _clean_name(name), _clean_mail(tenant, mail)
    try:
        with transaction.atomic():
            group = Group.objects.create(
                tenant=tenant,
                name=name,
                mail=mail,
                external_id=external_id,
                from_directory=actor.by_directory,
            )
            after = {"name": name, "mail": mail}
            log_change(tenant, actor, "AddGroup", target=name, target_id=group.id, after=after)
    except IntegrityError as error:
        raise _taken(tenant, name, mail, None) from error
    return group


def change_group(
    group: Group,
    *,
    actor: Actor,
    name: str | None = None,
    mail: str | None = None,
    external_id: str | None = None,
) -> None:
    """Rename a group or give it another address; what is None stays. Raises `ChangeRefusedError`."""
    wanted = {
        "name": group.name if name is None else _clean_name(name),
        "mail": group.mail if mail is None else _clean_mail(group.tenant, mail),
        "external_id": group.external_id if external_id is None else external_id,
    }
    before = {
        field: getattr(group, field) for field, value in wanted.items() if getattr(group, field) != value
    }
    if not before:
        return
    _check_hand(group, actor)
    try:
        with transaction.atomic():
            Group.objects.filter(id=group.id).update(**wanted, changed_at=timezone.now())
            after = {field: wanted[field] for field in before}
            log_change(
                group.tenant,
                actor,
                "ChangeGroup",
                target=wanted["name"],
                target_id=group.id,
                before=before,
                after=after,
            )
    except IntegrityError as error:
        raise _taken(group.tenant, wanted["name"], wanted["mail"], group.id) from error
    for field, value in wanted.items():
        setattr(group, field, value)


def keep_by_hand(group: Group, *, actor: Actor) -> None:
    """Take a group over from the directory: from now on it is changed here."""
    if not group.from_directory:
        return
    with transaction.atomic():
        Group.objects.filter(id=group.id).update(from_directory=False, changed_at=timezone.now())
        log_change(
            group.tenant,
            actor,
            "TakeOverGroup",
            target=group.name,
            target_id=group.id,
            before={"from_directory": True},
            after={"from_directory": False},
        )
    group.from_directory = False


def delete_group(group: Group, *, actor: Actor) -> None:
    """Delete a group; its people stay. Raises `ChangeRefusedError` while something depends on it."""
    _check_hand(group, actor)
    with transaction.atomic():
        locked = (
            Group.objects.select_for_update(of=("self",)).select_related("tenant").filter(id=group.id).first()
        )
        if locked is None:
            return
        _check_unused(locked)
        before = {
            "name": locked.name,
            "mail": locked.mail,
            "people": locked.members.count(),
            "groups": locked.nested.count(),
        }
        log_change(
            locked.tenant, actor, "DeleteGroup", target=locked.name, target_id=locked.id, before=before
        )
        try:
            locked.delete()
        except ProtectedError as error:
            # What names a group from above (the scope of a template) is not known here; the relation itself protects it.
            raise ChangeRefusedError(
                "group_in_use",
                _("A template is shown to this group. Take the group out of the template first."),
            ) from error


def add_people(group: Group, people: Iterable[User], *, actor: Actor) -> int:
    """Put members of the organization into `group`; returns how many were not in it. Raises `ChangeRefusedError`."""
    people = list(people)
    _check_may_fill(group, actor)
    if any(person.tenant_id != group.tenant_id for person in people):
        raise ChangeRefusedError("not_a_member", _("Only people of your organization can be in its groups."))
    with transaction.atomic():
        _lock(group)
        present = set(
            GroupMember.objects.filter(group=group, user__in=people).values_list("user_id", flat=True)
        )
        new = {person.id: person for person in people if person.id not in present}
        if new:
            GroupMember.objects.bulk_create(
                [GroupMember(group=group, user=person) for person in new.values()], batch_size=500
            )
            _log_members(group, actor, "AddToGroup", after={"people": _named(new.values())})
    return len(new)


def remove_people(group: Group, people: Iterable[User], *, actor: Actor) -> int:
    """Take people out of `group`; returns how many were in it. Raises `ChangeRefusedError`."""
    _check_hand(group, actor)
    with transaction.atomic():
        _lock(group)
        members = GroupMember.objects.filter(group=group, user__in=list(people)).select_related("user")
        gone = [member.user for member in members]
        if gone:
            members.delete()
            _log_members(group, actor, "RemoveFromGroup", before={"people": _named(gone)})
    return len(gone)


def nest(outer: Group, inner: Group, *, actor: Actor) -> bool:
    """Put `inner` into `outer`; whether it was not there yet. Raises `ChangeRefusedError`, also where it would close a circle."""
    if inner.tenant_id != outer.tenant_id:
        raise ChangeRefusedError("no_such_group", _("There is no such group in your organization."))
    _check_may_fill(outer, actor)
    with transaction.atomic():
        # Two nestings at the same moment could close a circle together: an organization makes them one after another.
        Tenant.objects.select_for_update().get(id=outer.tenant_id)
        if inner.id in groups_around(outer.id):
            raise ChangeRefusedError(
                "circle",
                _(
                    "%(outer)s is in %(inner)s already, so %(inner)s cannot be put into it: that would be a circle."
                )
                if inner.id != outer.id
                else _("A group cannot be put into itself."),
                outer=outer.name,
                inner=inner.name,
            )
        _link, made = GroupNesting.objects.get_or_create(parent=outer, child=inner)
        if made:
            _touch(outer)
            _log_members(outer, actor, "AddToGroup", after={"groups": [inner.name]})
    return made


def unnest(outer: Group, inner: Group, *, actor: Actor) -> bool:
    """Take `inner` out of `outer`; whether it was in it."""
    _check_hand(outer, actor)
    with transaction.atomic():
        gone, _rows = GroupNesting.objects.filter(parent=outer, child=inner).delete()
        if gone:
            _touch(outer)
            _log_members(outer, actor, "RemoveFromGroup", before={"groups": [inner.name]})
    return bool(gone)


def may_change_by_hand(group: Group) -> bool:
    """A group of the directory is changed there, unless it carries power: then only here can anybody be put in."""
    return not group.from_directory or carries_power(group)


def _check_hand(group: Group, actor: Actor) -> None:
    if not actor.by_directory and not may_change_by_hand(group):
        raise ChangeRefusedError(
            "kept_by_directory",
            _("%(group)s is kept by your directory. Change it there, or take the group over first."),
            group=group.name,
        )


def _check_may_fill(group: Group, actor: Actor) -> None:
    if actor.by_directory and carries_power(group):
        raise ChangeRefusedError(
            "carries_power",
            _("Being in %(group)s brings a role or a power, so only a global administrator can add to it."),
            group=group.name,
        )
    if group.tenant.needs_approval and "super_users" in powers_of(group):
        raise ChangeRefusedError(
            "needs_approval",
            _("Being in %(group)s makes somebody a super user, and that needs a second administrator here. End the appointment of the group first, and appoint it anew."),
            group=group.name,
        )  # fmt: skip
    _check_hand(group, actor)


def _check_unused(group: Group) -> None:
    named = {
        "roles": RoleAssignment.objects.for_tenant(group.tenant).filter(group=group).exists(),
        "super_users": SuperUserAppointment.objects.for_tenant(group.tenant).filter(group=group).exists(),
        "onboarding": group.tenant.onboarding_group_id == group.id,
    }
    sentences = {
        "roles": _("%(group)s holds a role. Take the role away first."),
        "super_users": _("%(group)s is appointed as super users. End the appointment first."),
        "onboarding": _("%(group)s decides who may protect. Choose another group or everyone first."),
    }
    for power, used in named.items():
        if used:
            raise ChangeRefusedError("group_in_use", sentences[power], group=group.name)


def _clean_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise ChangeRefusedError("bad_name", _("The name of a group has 1 to 100 characters."))
    return name


def _clean_mail(tenant: Tenant, mail: str) -> str:
    """A group's address is only a name in grants, and never matches a person; one that belongs to a person is refused."""
    mail = canonical_address(mail)
    if not mail:
        return ""
    try:
        validate_email(mail)
    except ValidationError as error:
        raise ChangeRefusedError("bad_address", _("This is not a mail address.")) from error
    if User.objects.for_tenant(tenant).filter(emailaddress__email=mail).exists():
        raise ChangeRefusedError(
            "address_taken", _("%(address)s is the address of a person. Choose another one."), address=mail
        )
    return mail


def _taken(tenant: Tenant, name: str, mail: str, own_id: uuid.UUID | None) -> ChangeRefusedError:
    others = Group.objects.for_tenant(tenant)
    if own_id is not None:
        others = others.exclude(id=own_id)
    if mail and others.filter(mail=mail).exists():
        return ChangeRefusedError(
            "address_taken", _("Another group has the address %(address)s."), address=mail
        )
    return ChangeRefusedError("name_taken", _("There is already a group called %(name)s."), name=name)


def _lock(group: Group) -> None:
    Group.objects.select_for_update(of=("self",)).get(id=group.id)
    _touch(group)


def _touch(group: Group) -> None:
    Group.objects.filter(id=group.id).update(changed_at=timezone.now())


def _named(people: Iterable[User]) -> list[str]:
    """For the log: all addresses of a few, and beyond fifty how many more."""
    addresses = sorted(person.email for person in people)
    return addresses if len(addresses) <= 50 else [*addresses[:50], f"… {len(addresses) - 50}"]


def _log_members(
    group: Group,
    actor: Actor,
    action: str,
    *,
    before: dict[str, list[str]] | None = None,
    after: dict[str, list[str]] | None = None,
) -> None:
    log_change(group.tenant, actor, action, target=group.name, target_id=group.id, before=before, after=after)


def _typed(statement: str) -> str:
    return statement.format(type="uuid" if connection.features.has_native_uuid_field else "char(32)")


def _walk(statement: str, group_id: uuid.UUID) -> set[uuid.UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_typed(statement), {"group": uuid_parameter(group_id)})
        return {value if isinstance(value, uuid.UUID) else uuid.UUID(value) for (value,) in cursor.fetchall()}
