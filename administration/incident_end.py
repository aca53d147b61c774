"""The step of an incident in which the old key goes: what comes next in it, and doing that.

Disabled, asked for, approved by a second person, and then destroyed by itself when the days of grace are over. Each is done
by the function that the key's own pages call, so that everything they ask for is asked for here, too.
"""

import uuid
from collections.abc import Callable
from typing import Final

from django.utils.translation import gettext_lazy as _

from keys.models import KeyIncident, KeyVersion
from tenants.changes import ChangeRefusedError
from tenants.membership import MANAGE_KEYS
from tenants.models import User
from tenants.second_person import check_second
from tracking.destruction import (
    approve_destruction,
    ask_destruction,
    cancel_destruction,
    destruction_as_shown,
)
from tracking.disabling import destruction_of, disable_key
from tracking.models import Destruction

DISABLE: Final = "disable"
ASK: Final = "ask"
APPROVE: Final = "approve"
CANCEL: Final = "cancel"
MOVES: Final = (DISABLE, ASK, APPROVE, CANCEL)
_State = KeyVersion.State


def next_move(key: KeyVersion) -> str:
    """What brings the end of a key further; empty when it has to be rolled first, or goes on by itself, or is over."""
    if key.state == _State.ARCHIVED:
        return DISABLE
    if key.state != _State.DISABLED:
        return ""
    asked = destruction_of(key)
    if asked is None:
        return ASK
    return "" if asked.approved_at else APPROVE


def can_cancel(key: KeyVersion) -> bool:
    """Whether somebody wants to destroy the key and it is not too late to take that back."""
    asked = destruction_of(key)
    return asked is not None and asked.started_at is None


def why_not(key: KeyVersion, actor: User) -> ChangeRefusedError | None:
    """What keeps `actor` from approving what somebody asked for; None when nothing does, or nothing waits for approval."""
    asked = destruction_of(key)
    if asked is None or asked.approved_at:
        return None
    try:
        check_second(key.tenant_id, actor, action=MANAGE_KEYS, first=asked.asked_by_id)
    except ChangeRefusedError as refusal:
        return refusal
    return None


def make_move(
    incident: KeyIncident,
    *,
    actor: User,
    move: str = "",
    reason: str = "",
    grace_days: int | None = None,
    destruction: uuid.UUID | None = None,
) -> None:
    """Do what comes next, or take a destruction back. `move` is what the actor was shown; empty: whatever comes next.
    `destruction` is the one that they were shown, where they approve one.

    Without a `reason` the incident's own is given. Raises `ChangeRefusedError`.
    """
    key = KeyVersion.objects.for_tenant(incident.tenant).get(id=incident.key_id)
    following = next_move(key)
    move = move or following
    if not move:
        raise ChangeRefusedError(
            "nothing_to_do",
            _(
                "There is nothing to be done here now. An active key is rolled first; what is approved is carried out by itself."
            ),
        )
    if move not in (following, CANCEL):
        raise ChangeRefusedError(
            "step_moved", _("Somebody has gone on with this step meanwhile. Look at it again.")
        )

    def ask() -> object:
        grace = {} if grace_days is None else {"grace_days": grace_days}
        return ask_destruction(key.tenant, key, reason=reason or incident.reason, actor=actor, **grace)

    moves: dict[str, Callable[[], object]] = {
        DISABLE: lambda: disable_key(key.tenant, key, actor=actor),
        ASK: ask,
        APPROVE: lambda: approve_destruction(destruction_as_shown(key, str(destruction)), actor=actor),
        CANCEL: lambda: cancel_destruction(_asked(key), actor=actor),
    }
    moves[move]()


def _asked(key: KeyVersion) -> Destruction:
    found = destruction_of(key)
    if found is None:
        raise ChangeRefusedError("not_asked", _("Nobody wants to destroy this key any more."))
    return found
