"""Incidents of a key: what happened, what is to be done about it, in order, and what was done by whom.

An exercise (`drill`) is the same with nothing changed. What each step does, and how far it is, spans the other apps:
`administration.incidents`.
"""

from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from keys.models import IncidentStep, KeyIncident, KeyVersion
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.models import RoleAssignment, Tenant, User
from tenants.notices import tell_administrators

ROLL: Final = "roll"
END_ACCESS: Final = "end_access"
HOLD: Final = "hold"
READ_LOG: Final = "read_log"
REVOKE: Final = "revoke"
RESEAL: Final = "reseal"
DESTROY: Final = "destroy"
TELL: Final = "tell"
LONGEST_REASON: Final = 500

Kind = KeyIncident.Kind
# The incident table: for each kind the steps in their order. The record is written by closing.
PLAYBOOK: Final[dict[str, tuple[str, ...]]] = {
    Kind.LEAKED: (ROLL, END_ACCESS, READ_LOG, REVOKE, RESEAL, HOLD, DESTROY, TELL),
    Kind.MISUSED: (END_ACCESS, HOLD, READ_LOG, REVOKE, TELL),
    Kind.WEAK: (ROLL, RESEAL, DESTROY, TELL),
}
TITLES: Final[dict[str, Promise]] = {
    ROLL: _("Roll the key"),
    END_ACCESS: _("End what devices, services and super users hold"),
    HOLD: _("Hold the key you brought"),
    READ_LOG: _("Look at the log of the key's uses"),
    REVOKE: _("Revoke affected documents"),
    RESEAL: _("Seal registered documents to the active key"),
    DESTROY: _("Disable and destroy the old key"),
    TELL: _("Tell people"),
}
USED: Final = (KeyVersion.State.ACTIVE, KeyVersion.State.ARCHIVED, KeyVersion.State.DISABLED)


def incidents_of(tenant: Tenant) -> "QuerySet[KeyIncident]":
    """All incidents and exercises with their keys, the newest first."""
    found = KeyIncident.objects.for_tenant(tenant).select_related("key", "tenant")
    return found.order_by("-opened_at", "id")


def steps_for(incident: KeyIncident) -> tuple[str, ...]:
    """What is to be done, in order. Only a key that was brought can be held."""
    steps = PLAYBOOK[incident.kind]
    if incident.key.origin == KeyVersion.Origin.BROUGHT:
        return steps
    return tuple(step for step in steps if step != HOLD)


def open_incident(
    tenant: Tenant, key: KeyVersion, kind: str, *, reason: str, actor: User, drill: bool = False
) -> KeyIncident:
    """Begin, and tell all global and key administrators. Raises `ChangeRefusedError`."""
    reason = " ".join(reason.split())
    if not reason or len(reason) > LONGEST_REASON:
        raise ChangeRefusedError("bad_reason", _("Give a reason of at most 500 characters."))
    if key.state not in USED:
        raise ChangeRefusedError("key_not_used", _("Choose a key that is active, archived or disabled."))
    try:
        with transaction.atomic():
            made = KeyIncident.objects.create(
                tenant=tenant, key=key, kind=kind, drill=drill, reason=reason, opened_by=actor.email
            )
            _log(made, actor, "OpenKeyIncident", {"kind": kind, "drill": drill, "reason": reason})
            _tell(
                made,
                _(
                    "%(actor)s opened an incident of the key %(key)s: %(kind)s.\n\nReason: %(reason)s\n\nWhat to do, step by step: %(service)s/keys/incidents/%(id)s/"
                ),
                actor,
            )
    except IntegrityError as error:
        raise ChangeRefusedError(
            "incident_open", _("Such an incident of this key is open already. Go on there, or close it.")
        ) from error
    return made


def record_step(incident: KeyIncident, name: str, *, actor: User, facts: dict[str, int]) -> IncidentStep:
    """Note that a step was taken, with the numbers of that moment. Raises `ChangeRefusedError` for a closed incident."""
    with transaction.atomic():
        _lock_open(incident)
        made = IncidentStep.objects.create(
            tenant_id=incident.tenant_id, incident=incident, name=name, taken_by=actor.email, facts=facts
        )
        _log(incident, actor, "TakeIncidentStep", {"step": name, "drill": incident.drill, **facts})
    return made


def close_incident(incident: KeyIncident, *, actor: User, left: list[str]) -> KeyIncident:
    """End it; `left` names the steps that were not taken. Raises `ChangeRefusedError` when it is closed already."""
    with transaction.atomic():
        locked = _lock_open(incident)
        locked.closed_at, locked.closed_by = timezone.now(), actor.email
        locked.save(update_fields=["closed_at", "closed_by"])
        _log(locked, actor, "CloseKeyIncident", {"drill": locked.drill, "left": left})
        _tell(
            locked,
            _(
                "%(actor)s closed the incident of the key %(key)s: %(kind)s.\n\nReason: %(reason)s\n\nWhat was done when: %(service)s/keys/incidents/%(id)s/"
            ),
            actor,
        )
    return locked


def _lock_open(incident: KeyIncident) -> KeyIncident:
    found = KeyIncident.objects.select_related("key", "tenant").select_for_update(of=("self",))
    locked = found.get(id=incident.id, tenant_id=incident.tenant_id)
    if locked.closed_at is not None:
        raise ChangeRefusedError("incident_closed", _("This incident is closed."))
    return locked


def _log(incident: KeyIncident, actor: User, action: str, after: dict[str, object]) -> None:
    log_change(
        incident.tenant,
        Actor.of(actor),
        action,
        target=incident.key.fingerprint,
        target_id=incident.id,
        after=after,
    )


def _tell(incident: KeyIncident, text: Promise, actor: User) -> None:
    tell_administrators(
        incident.tenant,
        subject=_("%(organization)s: exercise for an incident of a key")
        if incident.drill
        else _("%(organization)s: incident of a key"),
        text=text,
        values={
            "actor": actor.email,
            "key": incident.key.fingerprint[:16],
            "kind": Kind(incident.kind).label,
            "reason": incident.reason,
            "id": incident.id,
        },
        also=(RoleAssignment.Role.KEY_ADMIN,),
    )
