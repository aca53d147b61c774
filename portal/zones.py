"""Times and words as the person wants them, on every page."""

import zoneinfo
from collections.abc import Callable
from urllib.parse import unquote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from portal.preferences import ZONE_COOKIE


class PersonZoneMiddleware:
    """Activates the person's time zone (else the browser's), and their language where the browser chose none.

    Requests without a session, that is every device call, are let through without a look at the database.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        zone = unquote(request.COOKIES.get(ZONE_COOKIE, ""))
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            zone = request.user.time_zone or zone
            if request.user.language and settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
                translation.activate(request.user.language)
                request.LANGUAGE_CODE = translation.get_language() or settings.LANGUAGE_CODE
        with timezone.override(known_zone(zone)):
            return self.get_response(request)


def known_zone(name: str) -> zoneinfo.ZoneInfo:
    """The zone of that name; UTC for a name nobody knows."""
    try:
        return zoneinfo.ZoneInfo(name or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return zoneinfo.ZoneInfo("UTC")
