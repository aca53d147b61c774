"""The receipt for a removed organization: a JSON Web Signature (RS256) by the key that also signs identity tokens, so
that anybody can check it with the installation's published keys (`/.well-known/jwks.json`)."""

import datetime as dt
from typing import Any, Final

import jwt
from allauth.core.internal import jwkkit
from django.conf import settings

from administration.models import Removal
from keys.custody import oidc_signing_key

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
    jwk, private_key = jwkkit.load_jwk_from_pem(oidc_signing_key())
    return jwt.encode(facts, private_key, algorithm="RS256", headers={"kid": jwk["kid"], "typ": TYPE})


def verify(text: str) -> dict[str, Any]:
    """The facts of a receipt this installation signed. Raises `ReceiptError`."""
    jwk, _ = jwkkit.load_jwk_from_pem(oidc_signing_key())
    token = "".join(text.split())
    try:
        if jwt.get_unverified_header(token).get("typ") != TYPE:
            raise ReceiptError("This is not a receipt for a removed organization.")
        facts: dict[str, Any] = jwt.decode(token, jwt.PyJWK(jwk).key, algorithms=["RS256"])
    except jwt.InvalidSignatureError as error:
        raise ReceiptError("The receipt was altered, or signed by another installation.") from error
    except jwt.PyJWTError as error:
        raise ReceiptError("This is not a receipt: it cannot be read.") from error
    return facts


def _text(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds") if moment else None
