"""The receipt for a removed organization, a signed statement of the installation (`statements`)."""

import datetime as dt
from typing import Any, Final

import jwt
from django.conf import settings

from administration import statements
from administration.models import Removal

TYPE: Final = "removal-receipt+jwt"


class ReceiptError(Exception):
    """A text is not a receipt of this installation; says why."""


def facts_of(removal: Removal) -> dict[str, Any]:
    """What the receipt states. Times are UTC, ISO 8601; `removed` counts rows by kind."""
    return {
        "iss": settings.PUBLIC_URL,
        "organization": {
            "id": str(removal.organization_id),
            "name": removal.name,
            "short_name": removal.slug,
        },
        "removal": str(removal.id),
        "requested_by": removal.requested_by,
        "reason": removal.reason,
        "requested_at": _text(removal.requested_at),
        "due_at": _text(removal.due_at),
        "started_at": _text(removal.started_at),
        "finished_at": _text(removal.finished_at),
        "removed": dict(sorted(removal.counters.items())),
    }


def sign(facts: dict[str, Any]) -> str:
    """The receipt in compact form."""
    return statements.sign(facts, TYPE)


def verify(text: str) -> dict[str, Any]:
    """The facts of a receipt this installation signed. Raises `ReceiptError`."""
    token = "".join(text.split())
    try:
        if jwt.get_unverified_header(token).get("typ") != TYPE:
            raise ReceiptError("This is not a receipt for a removed organization.")
        facts: dict[str, Any] = jwt.decode(token, statements.public_key(), algorithms=["RS256"])
    except jwt.InvalidSignatureError as error:
        raise ReceiptError("The receipt was altered, or signed by another installation.") from error
    except jwt.PyJWTError as error:
        raise ReceiptError("This is not a receipt: it cannot be read.") from error
    return facts


def _text(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds") if moment else None
