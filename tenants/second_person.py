"""The second of two people: somebody else, who has held the role by themselves for longer than the waiting time
(product.md section 6), so that nobody makes an accomplice and has them approve at once."""

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.changes import ChangeRefusedError
from tenants.membership import allowed_to
from tenants.models import RoleAssignment, User
from tenants.same_person import is_one_person

# How long the second person must have held the role, where the organization does not say otherwise.
WAITING: Final = timedelta(hours=24)


def long_holders(
    tenant_id: uuid.UUID, roles: Collection[str], *, waiting: timedelta = WAITING
) -> QuerySet[RoleAssignment]:
    """The active people of the organization who have held one of `roles` by themselves for `waiting`.

    Since when somebody is in a group is not known, so a group's role does not count.
    """
    return RoleAssignment.objects.filter(
        tenant_id=tenant_id, user__is_active=True, role__in=roles, since__lte=timezone.now() - waiting
    )


def long_holders_of(tenant_id: uuid.UUID, action: str) -> QuerySet[RoleAssignment]:
    """Those whose role allows `action`."""
    roles = [role for role in RoleAssignment.Role.values if action in allowed_to(role)]
    return long_holders(tenant_id, roles)


def check_second(tenant_id: uuid.UUID, actor: User, *, action: str, first: uuid.UUID) -> None:
    """Raises `ChangeRefusedError` unless `actor` may approve in the organization what `first` asked for.

    `action` is what the role has to allow.
    """
    if is_one_person(actor.id, first):
        raise ChangeRefusedError("same_person", _("Somebody else has to approve: not who asked."))
    if not long_holders_of(tenant_id, action).filter(user_id=actor.id).exists():
        raise ChangeRefusedError(
            "too_new", _("Who approves has held the role, by themselves, for at least 24 hours.")
        )
