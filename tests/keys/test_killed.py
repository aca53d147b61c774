"""Real worker processes: killed with SIGKILL at every commit and every use of the key store, and two of them at once."""

import pytest
from django.db import connection

from tests.keys.processes import worker
from tests.keys.tokens import library

pytestmark = pytest.mark.django_db(transaction=True)


def test_killed_at_every_point() -> None:
    """At each instant there is one active key and every document opens; afterwards beat finishes what was begun, and
    the log tells it once. On SQLite at every third point, since all of it happens on PostgreSQL."""
    stride = 1 if connection.vendor == "postgresql" else 3
    found = worker("killed_worker", "kill", str(stride))
    assert found["died"] > 24 // stride
    assert found["documents"] == 3 * (found["died"] + 1)


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time")
def test_two_workers_at_once() -> None:
    """Every tenant is rolled, by its policy once at most, and every publication meanwhile succeeds."""
    found = worker("killed_worker", "contend", "30")
    assert (found["rolled"], found["most"]) == (30, 1)
    assert found["documents"] >= 30


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time")
def test_other_jobs_killed_at_every_point_and_two_workers_at_once() -> None:
    """Destroying, sealing anew, disabling, importing, holding, exporting, changing the key-encryption key: `tests.keys.jobs`
    says what has to be so at once and in the end. Two workers destroy and seal anew: all is done and told of once."""
    found = worker("killed_jobs", "software", "5")
    assert len(found["died"]) == 7 and min(found["died"].values()) >= 4 and sum(found["died"].values()) >= 50
    destroyed, sealed = (sum(found["contended"][name]) for name in ("destroyed", "sealed"))
    assert (destroyed, sealed) == (5, 15)


@pytest.mark.postgresql
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="on one database is enough")
@pytest.mark.skipif(not library(), reason="SoftHSM is not installed")
def test_killed_before_and_after_every_call_into_the_token() -> None:
    """In the end the token holds what the database knows, and no key besides."""
    found = worker("killed_jobs", "pkcs11", "0")
    assert len(found["died"]) == 3 and min(found["died"].values()) >= 8
