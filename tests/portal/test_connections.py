"""The first request after the database was started anew."""

import psycopg
import pytest
from django.core.signals import request_started
from django.db import connection
from django.test import Client

from portal.connections import drop_ended_connections

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has no server that ends connections"
    ),
]


def end_from_outside() -> int:
    """End the connection of this thread as a restart does; returns the process that served it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (served_by,) = cursor.fetchone()
    with psycopg.connect(**{**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [served_by])
    return int(served_by)


def test_a_request_after_a_restart_is_answered(client: Client) -> None:
    end_from_outside()
    assert client.get("/readyz").json()["database"] == "ok"


def test_it_would_fail_otherwise(client: Client) -> None:
    request_started.disconnect(drop_ended_connections)
    try:
        end_from_outside()
        assert client.get("/readyz").json()["database"] == "down"
    finally:
        request_started.connect(drop_ended_connections)
        connection.close()


def test_a_connection_that_works_is_kept(client: Client) -> None:
    connection.ensure_connection()
    before = connection.connection
    with connection.cursor() as cursor:
        # What the server says without being asked, without going away.
        cursor.execute("LISTEN something")
        cursor.execute("NOTIFY something")
    assert client.get("/readyz").status_code == 200
    assert connection.connection is before
