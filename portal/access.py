"""Who may see a page: signed in, in an organization, with a role."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tenants.membership import may
from tenants.models import Tenant, User

P = ParamSpec("P")


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
