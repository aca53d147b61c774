"""Is this process alive, and can it do its work? For load balancers and for people who are woken at night."""

import logging
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import KombuError

from keys.custody import oidc_signing_key
from keys.errors import KeyCustodyError
from portal.celery import app
from tenants.freshness import FactCache

log = logging.getLogger(__name__)
BROKER_SECONDS = 2
_BROKER_FOLDERS = ("data_folder_in", "control_folder")
# Anybody may ask: however often they do, database and broker are asked once in this cache's life.
_answers: FactCache = FactCache(1)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is looked at."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when database, broker and key store answer, else 503; the names of the parts, never a reason or an address."""
    parts = readiness()
    ready = all(parts.values())
    words = {name: "ok" if works else "down" for name, works in parts.items()}
    return JsonResponse({"status": "ok" if ready else "unavailable", **words}, status=200 if ready else 503)


def readiness() -> dict[str, bool]:
    """Which parts answer. Good news may be five seconds old, bad news is always fresh."""
    parts: dict[str, bool] | None = _answers.get("parts")
    if parts is None:
        parts = {name: _works(name, check) for name, check in _CHECKS.items()}
        if all(parts.values()):
            _answers["parts"] = parts
    return parts


def _works(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except (DatabaseError, KombuError, KeyCustodyError, OSError) as error:
        log.warning("not ready", extra={"part": name, "reason": type(error).__name__})
        return False
    return True


def _check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _check_broker() -> None:
    if not settings.BROKER_URL:
        folders = [Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS[name])) for name in _BROKER_FOLDERS]
        if not all(folder.is_dir() for folder in folders):
            raise FileNotFoundError
        return
    with app.connection_for_write(connect_timeout=BROKER_SECONDS) as broker:
        broker.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)


def _check_keys() -> None:
    """Opens the one key that every installation has; this needs the right key-encryption key."""
    oidc_signing_key()


_CHECKS: dict[str, Callable[[], None]] = {
    "database": _check_database,
    "broker": _check_broker,
    "keys": _check_keys,
}
