"""Guessing made slow, without locking out whom the guessing is about.

Guesses at an account wait longer and longer; a browser that has signed in to that account before carries a signed
cookie and is counted by itself, so strangers' guesses never slow it (OWASP: device cookies). Each network address has
a limit besides.
"""

import math
import secrets
from datetime import timedelta
from typing import Any, Final

from allauth.account.signals import user_logged_in
from allauth.core.internal.ratelimit import truncate_ip
from django.conf import settings
from django.core import signing
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from licensing.calls import client_address
from tenants.domain_names import canonical_address
from tenants.models import User
from tenants.throttle import Guess, TooManyTriesError, guess, take
from tenants.tokens import hash_token

COOKIE: Final = "__Host-known" if settings.HTTPS else "rightskeep-known"
_SALT: Final = "known-browser"
_AGE: Final = timedelta(days=400)
_MAX_ADDRESSES: Final = 12
GUESSES_OF_NETWORK: Final = 60
_NETWORK_SECONDS: Final = 600


def network_of(request: HttpRequest) -> str:
    """Where a request comes from; of IPv6 the network, since a single customer has all of it."""
    meta = request.META
    address = client_address(str(meta.get("REMOTE_ADDR", "")), str(meta.get("HTTP_X_FORWARDED_FOR", "")))
    return str(truncate_ip(address))


def tries_for(
    request: HttpRequest, what: str, address: str, *, limit: int, limit_of_network: int, seconds: int
) -> None:
    """Use up one try of `what` for `address`, and one of the network's. Raises `TooManyTriesError`."""
    take(f"{what}:network:{network_of(request)}", limit=limit_of_network, seconds=seconds)
    take(f"{what}:{_counted_as(request, address)}", limit=limit, seconds=seconds)


def guess_for(request: HttpRequest, what: str, address: str, *, now: float | None = None) -> Guess:
    """Count a guess at a secret of the account with `address`. Raises `TooManyTriesError`."""
    take(
        f"{what}:network:{network_of(request)}",
        limit=GUESSES_OF_NETWORK,
        seconds=_NETWORK_SECONDS,
        now=now,
    )
    return guess(f"{what}:{_counted_as(request, address)}", now=now)


def too_many(request: HttpRequest, error: TooManyTriesError) -> HttpResponse:
    """429 with a sentence, and when to try again."""
    context = {"minutes": math.ceil(error.seconds / 60), "seconds": error.seconds}
    response = render(request, "errors/429.html", context, status=429)
    response.headers["Retry-After"] = str(error.seconds)
    return response


def _counted_as(request: HttpRequest, address: str) -> str:
    """This browser, when it has been in this account before; else the account, for all strangers together."""
    address = canonical_address(address)
    mark = _marks(request).get(_short(address))
    return f"browser:{mark}" if mark else f"account:{address}"


def _marks(request: HttpRequest) -> dict[str, str]:
    try:
        found = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=_AGE)
    except signing.BadSignature:
        return {}
    return found if isinstance(found, dict) else {}


def _short(address: str) -> str:
    return hash_token(f"{_SALT}:{address}")[:16]


@receiver(user_logged_in)
def remember_browser(
    sender: Any, request: HttpRequest, user: User, response: HttpResponse, **kwargs: Any
) -> None:
    """Sign the browser as one that belongs here. The cookie signs nobody in; it only gives guesses of their own."""
    held = (user.email, *(row.email for row in user.emailaddress_set.all()))
    addresses = {canonical_address(address) for address in held}
    mark = secrets.token_hex(8)
    marks = {**_marks(request), **{_short(address): mark for address in sorted(addresses)[:_MAX_ADDRESSES]}}
    kept = dict(list(marks.items())[-_MAX_ADDRESSES:])
    response.set_cookie(
        COOKIE,
        signing.dumps(kept, salt=_SALT),
        max_age=int(_AGE.total_seconds()),
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )
