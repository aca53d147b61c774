"""What each step of a key's incident does, what it would do in numbers, and how far it is.

How far is read from what is so (the key's state, the register, the log), and only where nothing says so from the step that
somebody took. An incident gives nobody a power: each step wants the power it wants elsewhere.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from administration import incident_end
from administration.lockout import end_access, held_access
from audit.models import AdminEvent, AppendOnlyQuerySet, UsageEvent
from keys import incidents as steps
from keys.importing import hold_key
from keys.incidents import close_incident, record_step, steps_for
from keys.models import IncidentStep, KeyIncident, KeyVersion
from keys.rollover import ALLOWED_BITS, start_roll
from keys.schedule import policy_row, read_policy
from tenants import membership
from tenants.changes import ChangeRefusedError
from tenants.models import User
from tracking.disabling import destruction_of, losses_of
from tracking.models import Document, DocumentQuerySet
from tracking.resealing import hanging_on, may_be_got_off, request_resealing, resealing_of
from tracking.revocation import revoke

TODO: Final = "todo"
WAITING: Final = "waiting"  # for another step
UNDER_WAY: Final = "under_way"
DONE: Final = "done"
STATES: Final = (TODO, WAITING, UNDER_WAY, DONE)
# Revoked by one request; the rest by the next.
MOST_REVOKED: Final = 500
USES_SINCE: Final = timedelta(days=90)
POWERS: Final[dict[str, str]] = {
    steps.END_ACCESS: membership.ADMINISTER,
    steps.READ_LOG: membership.READ_LOGS,
    steps.REVOKE: membership.REVOKE_ALL,
}
_State = KeyVersion.State


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen for a step: the size of the new key, the documents to be revoked, or how the old key ends."""

    bits: int | None = None
    content_ids: tuple[uuid.UUID, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    move: str = ""
    reason: str = ""
    grace_days: int | None = None
    destruction: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How far one step is: `at` when and `by` whom it was begun or done, as far as known, with its numbers.

    `move` is what taking it does now, where that depends (`administration.incident_end`), `destruction` what was asked for.
    """

    name: str
    state: str
    at: datetime | None = None
    by: str = ""
    facts: dict[str, int] = field(default_factory=dict)
    move: str = ""
    destruction: uuid.UUID | None = None

    @property
    def power(self) -> str:
        return POWERS.get(self.name, membership.MANAGE_KEYS)


def steps_of(incident: KeyIncident) -> list[Step]:
    """The steps in order, each as far as it is now; of an exercise, which were gone through."""
    taken = {step.name: step for step in incident.steps.order_by("taken_at")}  # the last of each name
    return [_step(incident, name, taken.get(name)) for name in steps_for(incident)]


def would_do(incident: KeyIncident, name: str, *, actor: User, choice: Choice = Choice()) -> dict[str, int]:
    """What a step would do now, in numbers. Changes nothing. Raises `PermissionDenied`, `ChangeRefusedError`."""
    _check(incident, name, actor)
    return _NUMBERS[name](incident, actor, choice)


def take_step(incident: KeyIncident, name: str, *, actor: User, choice: Choice = Choice()) -> dict[str, int]:
    """Take a step and note it, or in an exercise only note what it would have done. Returns its numbers.

    Raises `PermissionDenied` for somebody without the step's power, `ChangeRefusedError` and `KeyCustodyError` where the
    step cannot be taken.
    """
    _check(incident, name, actor)
    if incident.closed_at is not None:
        raise ChangeRefusedError("incident_closed", _("This incident is closed."))
    facts = _NUMBERS[name](incident, actor, choice)
    if not incident.drill:
        _ACTIONS[name](incident, actor, choice)
    record_step(incident, name, actor=actor, facts=facts)
    return facts


def close(incident: KeyIncident, *, actor: User) -> KeyIncident:
    """End the incident; what was not done is noted with it. Raises `ChangeRefusedError`."""
    left = [step.name for step in steps_of(incident) if step.state != DONE]
    return close_incident(incident, actor=actor, left=left)


def suggested_bits(incident: KeyIncident) -> int:
    """The size of the new key: as by policy, but larger than one that is too weak, where there is a larger one."""
    if incident.kind != KeyIncident.Kind.WEAK:
        return read_policy(policy_row(incident.tenant)).bits
    return next((bits for bits in ALLOWED_BITS if bits > incident.key.bits), ALLOWED_BITS[-1])


def uses_by_person(incident: KeyIncident) -> list[tuple[str, str, int, int]]:
    """Who used the key in the last 90 days, the busiest first: person, address, openings and other uses, refusals."""
    rows = _uses(incident).values_list("user_id", "c_ip")
    counted = rows.annotate(uses=Count("id"), refused=Count("id", filter=~Q(result="Success")))
    return list(counted.order_by("-uses")[:50])


def _check(incident: KeyIncident, name: str, actor: User) -> None:
    if name not in steps_for(incident):
        raise ChangeRefusedError("no_such_step", _("There is no such step in this incident."))
    if not membership.may(actor, POWERS.get(name, membership.MANAGE_KEYS)):
        raise PermissionDenied


def _step(incident: KeyIncident, name: str, taken: IncidentStep | None) -> Step:
    if not incident.drill and name in _FACTS:
        return _FACTS[name](incident, taken)
    if taken is None:
        return Step(name, TODO)
    return Step(name, DONE, taken.taken_at, taken.taken_by, taken.facts)


def _roll_state(incident: KeyIncident, taken: IncidentStep | None) -> Step:
    key = incident.key
    versions = KeyVersion.objects.for_tenant(incident.tenant)
    if key.state != _State.ACTIVE:
        successor = versions.filter(activated_at=key.archived_at).first()
        facts = {"bits": successor.bits} if successor else {}
        return Step(steps.ROLL, DONE, key.archived_at, _maker(successor), facts)
    pending = versions.filter(state=_State.PENDING).first()
    if pending is not None:
        return Step(steps.ROLL, UNDER_WAY, pending.created_at, _maker(pending), {"bits": pending.bits})
    return Step(steps.ROLL, TODO)


def _reseal_state(incident: KeyIncident, taken: IncidentStep | None) -> Step:
    key = incident.key
    left = {"left": hanging_on([key.id])[key.id]}
    asked = resealing_of(incident.tenant, key)
    if asked is not None:
        facts = {"documents": asked.documents, **left}
        if asked.finished_at is not None:
            return Step(steps.RESEAL, DONE, asked.finished_at, asked.requested_by, facts)
        return Step(steps.RESEAL, UNDER_WAY, asked.requested_at, asked.requested_by, facts)
    if may_be_got_off(key):
        return Step(steps.RESEAL, TODO if left["left"] else DONE, facts=left)
    waits = key.state == _State.ACTIVE or left["left"]  # for the roll, or for the key to be brought again
    return Step(steps.RESEAL, WAITING if waits else DONE, facts=left)


def _hold_state(incident: KeyIncident, taken: IncidentStep | None) -> Step:
    key = incident.key
    if key.held_at is None:
        asked = resealing_of(incident.tenant, key)  # which holding would stop
        return Step(steps.HOLD, WAITING if asked is not None and asked.finished_at is None else TODO)
    return Step(steps.HOLD, DONE, key.held_at, _logged(incident, "HoldKey", key.id))


def _destroy_state(incident: KeyIncident, taken: IncidentStep | None) -> Step:
    key = incident.key
    left, move = {"left": hanging_on([key.id])[key.id]}, incident_end.next_move(key)
    asked = destruction_of(key)
    if asked is not None:
        done = key.state == _State.DESTROYED
        return Step(
            steps.DESTROY,
            DONE if done else UNDER_WAY,
            asked.started_at or asked.asked_at,
            asked.asked_by,
            left,
            move,
            asked.id,
        )
    if key.state == _State.DISABLED:
        by = _logged(incident, "DisableKey", key.id)
        return Step(steps.DESTROY, UNDER_WAY, key.disabled_at, by, left, move)
    waits = key.state == _State.ACTIVE or left["left"]
    return Step(steps.DESTROY, WAITING if waits else TODO, facts=left, move=move)


def _revoke_state(incident: KeyIncident, taken: IncidentStep | None) -> Step:
    revoked = Document.objects.for_tenant(incident.tenant).filter(revoked_at__gte=incident.opened_at)
    last = revoked.order_by("-revoked_at").only("revoked_at", "revoked_by").first()
    if last is None:
        return Step(steps.REVOKE, TODO)
    return Step(steps.REVOKE, DONE, last.revoked_at, last.revoked_by, {"documents": revoked.count()})


_FACTS: Final[dict[str, Callable[[KeyIncident, IncidentStep | None], Step]]] = {
    steps.ROLL: _roll_state,
    steps.RESEAL: _reseal_state,
    steps.HOLD: _hold_state,
    steps.DESTROY: _destroy_state,
    steps.REVOKE: _revoke_state,
}


def _maker(key: KeyVersion | None) -> str:
    """Who made a key, by the log."""
    if key is None:
        return ""
    made = AdminEvent.objects.for_tenant(key.tenant_id).filter(
        action__in=("RollKey", "ImportKey"), target_id=str(key.id)
    )
    return made.order_by("-id").values_list("actor", flat=True).first() or ""


def _logged(incident: KeyIncident, action: str, target_id: object) -> str:
    events = AdminEvent.objects.for_tenant(incident.tenant_id).filter(action=action, target_id=str(target_id))
    return events.order_by("-id").values_list("actor", flat=True).first() or ""


def _uses(incident: KeyIncident) -> "AppendOnlyQuerySet[UsageEvent]":
    since = timezone.now() - USES_SINCE
    uses = UsageEvent.objects.for_tenant(incident.tenant_id)
    return uses.filter(key_id=incident.key_id, time__gte=since).order_by()


def _chosen(incident: KeyIncident, choice: Choice) -> DocumentQuerySet:
    """Documents that are named, or were protected with the key in the time that is named, and are not revoked yet."""
    documents = Document.objects.for_tenant(incident.tenant).filter(revoked_at=None)
    if choice.content_ids:
        return documents.filter(content_id__in=choice.content_ids)
    if choice.since is None and choice.until is None:
        raise ChangeRefusedError(
            "nothing_chosen", _("Name documents, or the time in which they were protected.")
        )
    documents = documents.filter(key=incident.key)
    if choice.since is not None:
        documents = documents.filter(published_at__gte=choice.since)
    return documents.filter(published_at__lt=choice.until) if choice.until is not None else documents


def _on_key(incident: KeyIncident, actor: User, choice: Choice) -> dict[str, int]:
    return {"documents": Document.objects.for_tenant(incident.tenant).filter(key=incident.key).count()}


def _roll_numbers(incident: KeyIncident, actor: User, choice: Choice) -> dict[str, int]:
    bits = choice.bits or suggested_bits(incident)
    if bits not in ALLOWED_BITS:
        raise ChangeRefusedError("bad_size", _("Keys of this size are not made."))
    return {"bits": bits, **_on_key(incident, actor, choice)}


def _use_numbers(incident: KeyIncident, actor: User, choice: Choice) -> dict[str, int]:
    return _uses(incident).aggregate(
        uses=Count("id"),
        refused=Count("id", filter=~Q(result="Success")),
        people=Count("user_id", distinct=True),
        addresses=Count("c_ip", distinct=True),
    )


def _revoke_numbers(incident: KeyIncident, actor: User, choice: Choice) -> dict[str, int]:
    found = _chosen(incident, choice).count()
    return {"documents": min(found, MOST_REVOKED), "later": max(0, found - MOST_REVOKED)}


def _left_numbers(incident: KeyIncident, actor: User, choice: Choice) -> dict[str, int]:
    return {"left": hanging_on([incident.key_id])[incident.key_id]}


def _loss_numbers(incident: KeyIncident, actor: User, choice: Choice) -> dict[str, int]:
    losses = losses_of(incident.tenant, incident.key)
    return {"left": losses.documents, "issuers": losses.issuers, "unregistered": losses.unregistered}


def _tell_numbers(incident: KeyIncident, actor: User, choice: Choice) -> dict[str, int]:
    people = User.objects.for_tenant(incident.tenant).filter(is_active=True).count()
    return {"people": people, **_on_key(incident, actor, choice)}


Numbers = Callable[[KeyIncident, User, Choice], dict[str, int]]
_NUMBERS: Final[dict[str, Numbers]] = {
    steps.ROLL: _roll_numbers,
    steps.END_ACCESS: lambda incident, actor, choice: held_access(incident.tenant, besides=actor),
    steps.HOLD: _on_key,
    steps.READ_LOG: _use_numbers,
    steps.REVOKE: _revoke_numbers,
    steps.RESEAL: _left_numbers,
    steps.DESTROY: _loss_numbers,
    steps.TELL: _tell_numbers,
}


def _roll(incident: KeyIncident, actor: User, choice: Choice) -> None:
    if incident.key.state != _State.ACTIVE:
        raise ChangeRefusedError("rolled_already", _("This key is not the active one any more."))
    start_roll(incident.tenant, actor=actor, bits=choice.bits or suggested_bits(incident))


def _revoke(incident: KeyIncident, actor: User, choice: Choice) -> None:
    for document in _chosen(incident, choice).order_by("published_at", "id")[:MOST_REVOKED]:
        revoke(document, actor=actor, reason=incident.reason)


def _destroy(incident: KeyIncident, actor: User, choice: Choice) -> None:
    incident_end.make_move(
        incident,
        actor=actor,
        move=choice.move,
        reason=choice.reason,
        grace_days=choice.grace_days,
        destruction=choice.destruction,
    )


def _nothing(incident: KeyIncident, actor: User, choice: Choice) -> None:
    """People do it; that they did is noted."""


_ACTIONS: Final[dict[str, Callable[[KeyIncident, User, Choice], object]]] = {
    steps.ROLL: _roll,
    steps.END_ACCESS: lambda incident, actor, choice: end_access(incident.tenant, actor=actor),
    steps.HOLD: lambda incident, actor, choice: hold_key(incident.key, actor=actor),
    steps.READ_LOG: _nothing,
    steps.REVOKE: _revoke,
    steps.RESEAL: lambda incident, actor, choice: request_resealing(
        incident.tenant, incident.key, actor=actor
    ),
    steps.DESTROY: _destroy,
    steps.TELL: _nothing,
}
