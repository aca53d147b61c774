"""What a role lets a person do in their own organisation: one table, asked by pages and interfaces alike."""

import uuid
from typing import Final

from django.db import connection
from django.db.models import Q

from tenants.identity import Caller, groups_within, standing_of, uuid_parameter
from tenants.models import RoleAssignment, SuperUserAppointment, User

Role = RoleAssignment.Role

ADMINISTER: Final = "administer"
TRACK_ALL: Final = "track_all"
REVOKE_ALL: Final = "revoke_all"
MANAGE_TEMPLATES: Final = "manage_templates"
MANAGE_KEYS: Final = "manage_keys"
READ_KEYS: Final = "read_keys"
READ_TEMPLATES: Final = "read_templates"
READ_PEOPLE: Final = "read_people"
READ_LOGS: Final = "read_logs"
PROTECT_FOR_OTHERS: Final = "protect_for_others"
MANAGE_PEOPLE: Final = "manage_people"
MANAGE_SIGN_IN: Final = "manage_sign_in"
RESET_FACTORS: Final = "reset_factors"
READ_SETTINGS: Final = "read_settings"

_MATRIX: Final[dict[str, frozenset[str]]] = {
    Role.GLOBAL_ADMIN: frozenset(
        {
            ADMINISTER, TRACK_ALL, MANAGE_TEMPLATES, READ_TEMPLATES, MANAGE_KEYS, READ_KEYS, READ_PEOPLE, READ_LOGS,
            PROTECT_FOR_OTHERS, REVOKE_ALL, MANAGE_PEOPLE, MANAGE_SIGN_IN, RESET_FACTORS, READ_SETTINGS,
        }
    ),
    Role.TEMPLATE_ADMIN: frozenset({MANAGE_TEMPLATES, READ_TEMPLATES, READ_PEOPLE}),
    Role.KEY_ADMIN: frozenset({MANAGE_KEYS, READ_KEYS}),
    Role.SUPPORT: frozenset({READ_PEOPLE, RESET_FACTORS}),
    Role.AUDITOR: frozenset({READ_SETTINGS, READ_LOGS, READ_PEOPLE, TRACK_ALL, READ_KEYS, READ_TEMPLATES}),
}  # fmt: skip


# A role held directly or by a group, nested groups included; each group is visited once, so cycles are harmless.
_ROLES = """
{within}
SELECT DISTINCT role FROM tenants_roleassignment
  WHERE tenant_id = %(tenant)s AND (user_id = %(person)s OR group_id IN (SELECT id FROM within))
"""


def roles_of(user: User) -> frozenset[str]:
    """The roles `user` holds in their home organization, directly or by a group; read anew for each request object."""
    if user.tenant_id is None:
        return frozenset()
    known: frozenset[str] | None = getattr(user, "_roles", None)
    if known is None:
        known = user._roles = _read_roles(user.id, user.tenant_id)  # type: ignore[attr-defined]  # as long as this instance, that is one request
    return known


def holds_role(person_id: uuid.UUID, tenant_id: uuid.UUID) -> bool:
    """Whether the person holds any role in the organization, directly or by a group, asked in the database."""
    return bool(_read_roles(person_id, tenant_id))


def may(user: User, action: str) -> bool:
    """Whether one of the person's roles allows `action` in their home organization."""
    return any(action in _MATRIX[role] for role in roles_of(user))


def allowed_to(role: str) -> frozenset[str]:
    """What a role lets its holder do; nothing for a role nobody knows."""
    return _MATRIX.get(role, frozenset())


def may_reset(actor: User, person: User) -> bool:
    """Whether `actor` may reset how `person` signs in: support may for everybody who holds neither role nor power.

    Whoever resets a sign-in can take the account over, and with it everything the account may do.
    """
    if actor.tenant_id is None or actor.tenant_id != person.tenant_id or not may(actor, RESET_FACTORS):
        return False
    return may(actor, ADMINISTER) or not (_read_roles(person.id, actor.tenant_id) or _is_appointed(person))


def _is_appointed(person: User) -> bool:
    """Whether an appointment as super user names the person or a group around them, also while the feature is off."""
    assert person.tenant_id is not None  # asked for members only
    groups = standing_of(Caller.of(person), person.tenant_id).groups
    named = SuperUserAppointment.objects.filter(tenant_id=person.tenant_id)
    return named.filter(Q(user_id=person.id) | Q(group_id__in=groups)).exists()


def holds(caller: Caller, tenant_id: uuid.UUID, action: str) -> bool:
    """As `may`, for the caller of an interface and the organization that is concerned, asked in the database."""
    if caller.is_service or caller.tenant_id != tenant_id:
        return False
    return any(action in _MATRIX[role] for role in _read_roles(caller.id, tenant_id))


def _read_roles(person_id: uuid.UUID, tenant_id: uuid.UUID) -> frozenset[str]:
    parameters = {"person": uuid_parameter(person_id), "tenant": uuid_parameter(tenant_id)}
    with connection.cursor() as cursor:
        cursor.execute(_ROLES.format(within=groups_within()), parameters)
        return frozenset(role for (role,) in cursor.fetchall())
