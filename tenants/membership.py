"""What a role lets a person do in their own organisation: one table, asked by pages and interfaces alike."""

import uuid
from typing import Final

from tenants.identity import Caller
from tenants.models import RoleAssignment, User

Role = RoleAssignment.Role

ADMINISTER: Final = "administer"
TRACK_ALL: Final = "track_all"
MANAGE_TEMPLATES: Final = "manage_templates"
MANAGE_KEYS: Final = "manage_keys"
READ_KEYS: Final = "read_keys"
READ_TEMPLATES: Final = "read_templates"
READ_PEOPLE: Final = "read_people"
READ_LOGS: Final = "read_logs"
PROTECT_FOR_OTHERS: Final = "protect_for_others"

_MATRIX: Final[dict[str, frozenset[str]]] = {
    Role.GLOBAL_ADMIN: frozenset(
        {
            ADMINISTER, TRACK_ALL, MANAGE_TEMPLATES, READ_TEMPLATES, MANAGE_KEYS, READ_KEYS, READ_PEOPLE, READ_LOGS,
            PROTECT_FOR_OTHERS,
        }
    ),
    Role.TEMPLATE_ADMIN: frozenset({MANAGE_TEMPLATES, READ_TEMPLATES, READ_PEOPLE}),
    Role.KEY_ADMIN: frozenset({MANAGE_KEYS, READ_KEYS}),
    Role.SUPPORT: frozenset({READ_PEOPLE}),
    Role.AUDITOR: frozenset({READ_LOGS, READ_PEOPLE, TRACK_ALL, READ_KEYS, READ_TEMPLATES}),
}  # fmt: skip


def roles_of(user: User) -> frozenset[str]:
    """The roles `user` holds in their home organisation; read anew for each request object."""
    if user.tenant_id is None:
        return frozenset()
    known: frozenset[str] | None = getattr(user, "_roles", None)
    if known is None:
        held = RoleAssignment.objects.filter(user=user, tenant_id=user.tenant_id)
        known = frozenset(held.values_list("role", flat=True))
        user._roles = known  # type: ignore[attr-defined]  # lives as long as this instance, that is one request
    return known


def may(user: User, action: str) -> bool:
    """Whether one of the person's roles allows `action` in their home organisation."""
    return any(action in _MATRIX[role] for role in roles_of(user))


def holds(caller: Caller, tenant_id: uuid.UUID, action: str) -> bool:
    """As `may`, for the caller of an interface and the organization that is concerned, asked in the database."""
    if caller.is_service or caller.tenant_id != tenant_id:
        return False
    roles = [role for role, actions in _MATRIX.items() if action in actions]
    return RoleAssignment.objects.filter(user_id=caller.id, tenant_id=tenant_id, role__in=roles).exists()
