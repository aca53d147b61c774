"""What is left of an incident in writing: the record of what was done when, and the text for the people concerned."""

from typing import Any, Final

from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from administration.incidents import steps_of
from audit.models import AdminEvent
from keys.incidents import TITLES
from keys.models import KeyIncident
from tenants.membership import READ_LOGS, may
from tenants.models import User
from tracking.models import Document

_MOST_ROWS: Final = 5000
# What was done to keys, for everybody who may see keys; and what else was done about it, for who may read the logs.
_OF_KEYS: Final = (
    "RollKey", "ActivateKey", "WithdrawKey", "ImportKey", "HoldKey", "RestoreKey", "RecoverKeys", "ResealDocuments", "DocumentsResealed",
    "DisableKey", "EnableKey", "AskKeyDestruction", "ApproveKeyDestruction", "CancelKeyDestruction", "DestroyKey",
)  # fmt: skip
_BESIDES: Final = (
    "EndAllAccess", "EndProgram", "RotateServiceSecret", "DeleteService", "DisableSuperUsers", "RemoveSuperUser",
    "RevokeAccess", "RestoreAccess",
)  # fmt: skip
_MESSAGES: Final[dict[str, Promise]] = {
    KeyIncident.Kind.LEAKED: _(
        "A key of %(organization)s that protects documents may have become known to others. It protected %(documents)s documents until %(time)s. Whoever has the key and a copy of such a document can read it. A new key protects everything from now on, and you can go on working. Do not pass such documents on, and tell us if one of them got into the wrong hands."
    ),
    KeyIncident.Kind.MISUSED: _(
        "Somebody used the key of %(organization)s that protects documents without being entitled to; the key itself did not get out. %(documents)s documents are protected with it. Sign in anew on your devices, change your password if you used it elsewhere, and tell us of openings you cannot explain."
    ),
    KeyIncident.Kind.WEAK: _(
        "The key of %(organization)s that protects documents is replaced by a stronger one. %(documents)s documents were protected with the old one; they stay readable. Nobody has to do anything."
    ),
}


def message_of(incident: KeyIncident) -> str:
    """The text to send to the people concerned, with the numbers of now, in the language of the reader."""
    documents = Document.objects.for_tenant(incident.tenant).filter(key=incident.key).count()
    known = incident.key.archived_at or timezone.now()
    return str(_MESSAGES[incident.kind]) % {
        "organization": incident.tenant.name,
        "documents": documents,
        "time": f"{known:%Y-%m-%d %H:%M} UTC",
    }


def events_of(incident: KeyIncident, *, reader: User) -> list[AdminEvent]:
    """The rows of the admin log that belong to it and that `reader` may see, oldest first; of an exercise only its own."""
    own = Q(target_id=str(incident.id))
    actions = (*_OF_KEYS, *_BESIDES) if may(reader, READ_LOGS) else _OF_KEYS
    about = own if incident.drill else own | Q(action__in=actions)
    events = AdminEvent.objects.for_tenant(incident.tenant_id).filter(about, time__gte=incident.opened_at)
    if incident.closed_at is not None:
        # The row of the closing itself is written an instant after.
        events = events.filter(own | Q(time__lte=incident.closed_at))
    return list(events.order_by("id")[:_MOST_ROWS])


def written(incident: KeyIncident, *, reader: User) -> str:
    """The record as text, in the language of the reader; times are UTC."""
    facts: list[tuple[str, Any]] = [
        (gettext("Exercise") if incident.drill else gettext("Incident"), incident.get_kind_display()),
        (gettext("Organization"), incident.tenant.name),
        (gettext("Key"), incident.key.fingerprint),
        (gettext("Reason"), incident.reason),
        (gettext("Opened"), f"{_time(incident.opened_at)}  {incident.opened_by}"),
        (gettext("Closed"), f"{_time(incident.closed_at)}  {incident.closed_by}"),
    ]
    lines = [f"{name}: {value}" for name, value in facts]
    lines += ["", gettext("Steps")]
    for step in steps_of(incident):
        numbers = ", ".join(f"{name} {number}" for name, number in step.facts.items())
        lines.append(
            f"  {_time(step.at):20}  {step.state:9}  {TITLES[step.name]}  {step.by}  {numbers}".rstrip()
        )
    lines += ["", gettext("Admin log")]
    lines += [
        f"  {_time(event.time):20}  {event.action}  {event.actor}  {event.target}"
        for event in events_of(incident, reader=reader)
    ]
    return "\n".join(lines) + "\n"


def _time(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else "–"
