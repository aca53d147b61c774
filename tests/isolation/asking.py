"""Asking for every page and every call as one persona, each in a transaction that is taken back."""

from collections.abc import Iterator
from typing import Any, Final

from django.db import transaction
from django.test import Client

from portal.access import PROVEN_AT
from portal.guests import _UNTIL as GUEST_UNTIL
from tenants.models import User
from tests.isolation.cast import Cast, is_allowed
from tests.portal.conftest import BACKEND

API_ROOT: Final = "api/v1/"
Pages = dict[str, tuple[str | None, str | None]]
Calls = dict[str, dict[str, str]]


def wrong_pages(cast: Cast, persona: str, pages: Pages) -> Iterator[str]:
    """Where a page lets this persona in and should not, or the other way round."""
    client = Client(raise_request_exception=False)
    person = cast.person(persona)
    if person is not None:
        client.force_login(person, backend=BACKEND)
        session = client.session
        # Long ago, so that dangerous pages go no further than to ask for a proof; roles are looked at before.
        session[PROVEN_AT], session[GUEST_UNTIL] = 0, 2**40
        session.save()
    for route, line in pages.items():
        for method, who in zip(("get", "post"), line, strict=True):
            with transaction.atomic():
                answer = getattr(client, method)(cast.path(route), cast.form(route, method))
                transaction.set_rollback(True)
            if who is None:
                if answer.status_code not in (302, 403, 405):
                    yield f"{method} {route}: {answer.status_code}, and has no line"
            elif is_let_in(answer, route, person) != is_allowed(persona, who):
                target = answer.headers.get("Location", "")
                yield f"{method} {route} answers {persona} with {answer.status_code} {target}"


def is_let_in(answer: Any, route: str, person: User | None) -> bool:
    """Refusals: forbidden, not found, and away to signing in, or home for those whom the page is not for."""
    if answer.status_code == 302:
        away = answer.headers["Location"]
        # Guests read first and join organizations later.
        outside = person is not None and person.tenant_id is None and "<str:token>" not in route
        return not (
            away.startswith("/accounts/login/") or (away == "/" and outside and route != "preferences/")
        )
    if answer.status_code == 404:  # nobody invited, no day over, no import key made
        return any(part in route for part in ("<str:token>", "proof", "import.pem", "certificate"))
    return answer.status_code not in (401, 403, 405) and answer.status_code < 500


def wrong_calls(cast: Cast, persona: str, api: Calls) -> Iterator[str]:
    """The same for the methods of the API."""
    token = cast.token(persona)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client = Client(raise_request_exception=False)
    for route, line in api.items():
        for method, who in line.items():
            sent = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
            with transaction.atomic():
                answer = getattr(client, method)(cast.path(f"{API_ROOT}{route}"), headers=headers, **sent)
                transaction.set_rollback(True)
            # Nobody has a program called "other", no day is over yet, no archive and no import key was made; but looking is
            # allowed.
            is_there = not any(
                part in route for part in ("program", "proof", "export/file", "import-key", "certificate")
            )
            refused = answer.status_code in (401, 403) or (answer.status_code == 404 and is_there)
            if refused == is_allowed(persona, who) or answer.status_code >= 500:
                yield f"{method} {route} answers {persona} with {answer.status_code}"
