"""Real worker processes: killed with SIGKILL at every point of a roll, and two of them at once."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

pytestmark = pytest.mark.django_db(transaction=True)


def worker(*arguments: str) -> Any:
    """Run `killed_worker` on the test's database and return what it found out."""
    database = connection.settings_dict
    if connection.vendor == "postgresql":
        who = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT'] or 5432}"
        url = f"postgres://{who}/{database['NAME']}"
    else:
        url = f"sqlite:///{database['NAME']}"
    connection.close()
    run = subprocess.run(
        [sys.executable, "-m", "tests.keys.killed_worker", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, "RIGHTSKEEP_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "portal.settings"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


def test_killed_at_every_point() -> None:
    """At each instant there is one active key and every document opens; afterwards beat finishes what was begun, and
    the log tells it once. On SQLite at every fourth point, since all of it happens on PostgreSQL."""
    stride = 1 if connection.vendor == "postgresql" else 4
    found = worker("kill", str(stride))
    assert found["died"] > 40 // stride
    assert found["documents"] == 3 * (found["died"] + 1)


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time")
def test_two_workers_at_once() -> None:
    """Every tenant is rolled, by its policy once at most, and every publication meanwhile succeeds."""
    found = worker("contend", "30")
    assert (found["rolled"], found["most"]) == (30, 1)
    assert found["documents"] >= 30
