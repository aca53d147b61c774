"""Who may see a page: signed in, in an organization, with a role; where it is dangerous, signed in just now."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from tenants.membership import may
from tenants.models import Tenant, User

P = ParamSpec("P")
# When this session's person last proved who they are, by whatever means; seconds since the epoch.
PROVEN_AT: Final = "proven_at"
FRESH_SECONDS: Final = 5 * 60
# Reading what a dangerous page says, and typing a name into it, may take longer than the freshness that showed it.
FRESH_SECONDS_TO_ACT: Final = 15 * 60


class PersonRequest(HttpRequest):
    """A request of somebody who signed in."""

    user: User  # the decorators below turn anonymous visitors away


class MemberRequest(PersonRequest):
    """A request of somebody who belongs to an organization."""

    tenant: Tenant


PersonView = Callable[Concatenate[PersonRequest, P], HttpResponse]
MemberView = Callable[Concatenate[MemberRequest, P], HttpResponse]


def person_page(view: PersonView[P]) -> Callable[..., HttpResponse]:
    """For anybody who signed in."""
    return login_required(view)


def member_page(*actions: str) -> Callable[[MemberView[P]], Callable[..., HttpResponse]]:
    """For members of an organization; where `actions` are named, for those whose role allows one of them."""

    def decorate(view: MemberView[P]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def inner(request: Any, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if request.user.tenant is None:
                return redirect("home")
            if actions and not any(may(request.user, action) for action in actions):
                raise PermissionDenied
            request.tenant = request.user.tenant
            return view(request, *args, **kwargs)

        return login_required(inner)

    return decorate


def fresh_sign_in(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For dangerous pages: whoever proved themselves more than five minutes ago does so again, then comes back.

    Put it below `member_page`, so that roles are asked first. A form that was shown is accepted for fifteen minutes.
    """

    @wraps(view)
    def inner(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        allowed = FRESH_SECONDS if request.method in ("GET", "HEAD") else FRESH_SECONDS_TO_ACT
        if is_fresh(request, within=allowed):
            return view(request, *args, **kwargs)
        # Only pages are come back to: what was posted is not repeated behind anybody's back.
        return redirect(f"{reverse('sign_in_again')}?{urlencode({'next': request.get_full_path()})}")

    return inner


def note_proof(request: HttpRequest, proven_at: float | None) -> None:
    """This session's person proved who they are at that moment, or (None) nobody knows when."""
    if proven_at is None:
        request.session.pop(PROVEN_AT, None)
    else:
        request.session[PROVEN_AT] = min(time.time(), proven_at)


def is_fresh(request: HttpRequest, *, within: float = FRESH_SECONDS) -> bool:
    """Whether this session's person proved who they are in the last `within` seconds."""
    proven_at = request.session.get(PROVEN_AT)
    return isinstance(proven_at, (int, float)) and 0 <= time.time() - proven_at < within
