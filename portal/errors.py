"""Pages for when something is wrong: what happened, why, what to do; nothing about what other organizations have.

Under `/api/v1` the answer is that interface's `{"code", "message"}` instead: here arrives what happened outside its
views, or what they let through.
"""

import sys
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token

_API: Final = "/api/v1/"
_PROBLEMS: Final = {
    400: ("bad_request", "This request cannot be read."),
    403: ("forbidden", "You may not do this."),
    404: ("not_found", "There is nothing here under this name."),
    500: ("server_error", "The service has a problem. Try again in a moment."),
    503: ("service_unavailable", "The service has a problem. Try again in a moment."),
}


@requires_csrf_token
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: the browser sent something no page of ours sends."""
    return _problem(request, 400) or render(request, "errors/400.html", status=400)


@requires_csrf_token
def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: signed in, but the role does not reach this page."""
    return _problem(request, 403) or render(request, "errors/403.html", status=403)


@requires_csrf_token
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: no such page, or one that belongs to somebody else; both read the same."""
    return _problem(request, 404) or render(request, "errors/404.html", status=404)


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 because the form's proof of origin is missing or too old."""
    return render(request, "errors/csrf.html", status=403)


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """429 of the sign-in library's own limits, which are per minute."""
    response = render(request, "errors/429.html", {"minutes": 1}, status=429)
    response.headers["Retry-After"] = "60"
    return response


def broken(request: HttpRequest) -> HttpResponse:
    """500: drawn without context, that is without the database, which may be what is broken."""
    unreachable = isinstance(sys.exception(), (OperationalError, InterfaceError))
    problem = _problem(request, 503 if unreachable else 500)
    return problem or HttpResponse(render_to_string("errors/500.html"), status=500)


def _problem(request: HttpRequest, status: int) -> HttpResponse | None:
    if not f"{request.path_info}/".startswith(_API):
        return None
    code, message = _PROBLEMS[status]
    return JsonResponse({"code": code, "message": message}, status=status)
