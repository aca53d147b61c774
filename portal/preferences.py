"""How a person wants to see the pages: light or dark, language, time zone. Browser first, account where there is one."""

import zoneinfo
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from tenants.models import User
from tenants.preferences import set_preferences

THEME_COOKIE: Final = "rightskeep-theme"
ZONE_COOKIE: Final = "rightskeep-zone"
THEMES: Final = ("light", "dark")
_YEAR: Final = int(timedelta(days=365).total_seconds())


def theme_of(request: HttpRequest) -> str:
    """The scheme chosen in this browser; empty when it follows the system."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Take over what was chosen and go back to the page it was chosen on."""
    response = HttpResponseRedirect(_way_back(request))
    if "theme" in request.POST:
        theme = request.POST["theme"]
        if theme in THEMES:
            _remember(response, THEME_COOKIE, theme)
        else:
            response.delete_cookie(THEME_COOKIE)
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES):
        remember_language(response, language)
        if isinstance(request.user, User):
            set_preferences(request.user, language=language)
    return response


def remember_language(response: HttpResponse, language: str) -> None:
    """Keep the language in this browser, also for the pages before sign-in."""
    _remember(response, settings.LANGUAGE_COOKIE_NAME, language)


def zone_choices() -> list[tuple[str, str]]:
    """All time zones by name, the way people know them."""
    places = sorted(
        name
        for name in zoneinfo.available_timezones()
        if "/" in name and not name.startswith(("Etc/", "SystemV/"))
    )
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in places)]


def _remember(response: HttpResponse, name: str, value: str) -> None:
    options: dict[str, Any] = {"max_age": _YEAR, "samesite": "Lax", "secure": settings.HTTPS}
    response.set_cookie(name, value, **options)


def _way_back(request: HttpRequest) -> str:
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        return target
    return reverse("home")
