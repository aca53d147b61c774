"""What has to be so before the processes start: settings, database, static files, keys, demo organizations.

A process of its own, so that the supervisor stays small. Prints the demo sign-ins, if it made any, on stdout;
a reason not to start is one sentence on stderr and exit code 1.
"""

import argparse
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

# Any number, the same in every process that prepares the same PostgreSQL database.
PREPARATION_LOCK = 0x52534B50


def main() -> None:
    """Prepare everything, or say in one sentence why not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-demo", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    try:
        django.setup()
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    _reach_database()
    try:
        _make_directories()
        with _alone():
            _prepare_database()
            _open_key_store()
            sign_ins = "" if options.no_demo else _seed_demo()
    except (DatabaseError, OSError) as error:
        sys.exit(f"The database or the data directory cannot be prepared: {_one_line(error)}")
    _collect_static()
    print(sign_ins, end="")


def _reach_database() -> None:
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        settings = connection.settings_dict
        place = (
            f"{settings['NAME']} on {settings['HOST'] or 'the local socket'}"
            if settings["USER"]
            else settings["NAME"]
        )
        sys.exit(f"The database {place} cannot be reached: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    """The first line says what is wrong; the others are hints of the database library."""
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def _make_directories() -> None:
    from django.conf import settings

    places = [settings.DATA_DIR / "files"]
    options = getattr(settings, "CELERY_BROKER_TRANSPORT_OPTIONS", {})
    places += [Path(path) for name, path in options.items() if "folder" in name]
    places += [Path(settings.EMAIL_FILE_PATH)] if hasattr(settings, "EMAIL_FILE_PATH") else []
    for place in places:
        place.mkdir(parents=True, exist_ok=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Two hosts that start on one PostgreSQL database prepare it one after the other; SQLite has one host."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PREPARATION_LOCK])
    try:
        yield
    finally:
        # Also given back when this process dies: the lock belongs to the connection.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [PREPARATION_LOCK])


def _prepare_database() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    call_command("createcachetable", verbosity=0)


def _seed_demo() -> str:
    from django.conf import settings
    from django.core.management import call_command

    from tenants.models import Tenant

    if settings.PRODUCTION or Tenant.objects.exists():
        return ""
    report = io.StringIO()
    call_command("seed_demo", stdout=report)
    return report.getvalue()


def _open_key_store() -> None:
    from keys.custody import oidc_signing_key
    from keys.errors import KeyCustodyError

    try:
        oidc_signing_key()
    except KeyCustodyError as error:
        sys.exit(str(error))


def _collect_static() -> None:
    from django.core.management import call_command

    try:
        call_command("collectstatic", verbosity=0, interactive=False)
    except OSError as error:
        sys.exit(f"The static files cannot be laid out: {error}.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
