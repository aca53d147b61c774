"""Where one is signed in: browser, network address, last seen; signing out there."""

import re
import time
from typing import Any, Final

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from portal.access import PersonRequest, person_page
from tenants.sessions import end_session, end_sessions_of, sessions_of

_SEEN_AT: Final = "seen_at"
_SEEN_SECONDS: Final = 300
# The first that fits: browsers name each other in this line.
_BROWSERS: Final = (
    ("Edge", r"Edg(?:e|A|iOS)?/"), ("Opera", r"OPR/|Opera"), ("Samsung Internet", r"SamsungBrowser"),
    ("Firefox", r"Firefox/|FxiOS/"), ("Chrome", r"Chrome/|CriOS/"), ("Safari", r"Safari/"), ("curl", r"^curl/"),
)  # fmt: skip
_SYSTEMS: Final = (
    ("Android", r"Android"), ("iOS", r"iPhone|iPad|iPod"), ("Windows", r"Windows"), ("macOS", r"Mac OS X|Macintosh"),
    ("ChromeOS", r"CrOS"), ("Linux", r"Linux|X11"),
)  # fmt: skip


@require_http_methods(["GET", "POST"])
@person_page
def sessions(request: PersonRequest) -> HttpResponse:
    """List them; sign one out, or all others."""
    if request.method == "POST":
        return _end(request)
    rows = [
        {
            "session": session,
            "browser": browser_name(session.user_agent),
            "here": session.session_key == request.session.session_key,
        }
        for session in sessions_of(request.user)
    ]
    return render(request, "portal/sessions.html", {"rows": rows})


def _end(request: PersonRequest) -> HttpResponse:
    wanted = request.POST.get("session", "")
    if wanted == "others":
        count = end_sessions_of(request.user, except_key=request.session.session_key)
        text = ngettext(
            "%(count)s other browser has been signed out.",
            "%(count)s other browsers have been signed out.",
            count,
        )
        messages.success(request, text % {"count": count})
    elif wanted.isdecimal() and len(wanted) < 18 and end_session(request.user, int(wanted)):
        messages.success(request, _("The browser has been signed out."))
    else:
        raise Http404
    return redirect("sessions")


def browser_name(user_agent: str) -> str:
    """What a person would call the browser: "Firefox, Linux"; empty when it cannot be told."""
    found = [
        next((name for name, pattern in known if re.search(pattern, user_agent)), "")
        for known in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(name for name in found if name)


@receiver(user_logged_in)
def note_first_seen(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    request.session[_SEEN_AT] = time.time()


class SeenMiddleware:
    """Notes every five minutes that a session is in use, and from where; never on every page."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and time.time() - request.session.get(_SEEN_AT, 0) > _SEEN_SECONDS:
            UserSession.objects.create_from_request(request)
            request.session[_SEEN_AT] = time.time()
        response: HttpResponse = self.get_response(request)
        return response
