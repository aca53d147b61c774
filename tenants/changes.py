"""What every change of people and groups has in common: who makes it, how it is logged, how it is refused."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

from audit.recording import record_admin
from tenants.models import Tenant, User


class ChangeRefusedError(Exception):
    """A change is not made; the text says why, in the language of the reader. `code` is for programs."""

    def __init__(self, code: str, text: Promise | str, **values: object) -> None:
        super().__init__(code)
        self.code, self._text, self._values = code, text, values

    def __str__(self) -> str:
        return str(self._text) % self._values if self._values else str(self._text)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change: a person, or (`by_directory`) the organization's directory under the name of its token."""

    name: str
    id: uuid.UUID | None = None
    by_directory: bool = False

    @classmethod
    def of(cls, user: User) -> "Actor":
        return cls(user.email, user.id)


def log_change(
    tenant: Tenant,
    actor: Actor,
    action: str,
    *,
    target: str,
    target_id: object,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """One row in the tenant's admin log; to be called in the transaction of the change."""
    record_admin(
        tenant_id=tenant.id,
        actor=actor.name,
        actor_id=actor.id,
        action=action,
        target=target,
        target_id=target_id,
        before=before,
        after=after,
    )
