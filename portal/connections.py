"""Database connections that ended while nobody used them, as after a restart of the database, are noticed without asking it.

A connection lives as long as its thread. A query before each request would find out whether it still does, at a third of the
statements of a use license; here only the socket is looked at, on which an idle server says nothing unless it goes away.
"""

import select
from typing import Any

from django.core.signals import request_started
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import OperationalError


def drop_ended_connections(**_signal: Any) -> None:
    """Close what the server closed, so that the request that begins connects anew instead of failing."""
    for wrapper in connections.all(initialized_only=True):
        if wrapper.connection is not None and wrapper.vendor == "postgresql" and not wrapper.in_atomic_block:
            _drop_if_ended(wrapper)


def _drop_if_ended(wrapper: BaseDatabaseWrapper) -> None:
    libpq = wrapper.connection.pgconn
    try:
        while _has_something_to_say(libpq.socket):
            libpq.consume_input()
    except OperationalError:
        wrapper.close()


def _has_something_to_say(socket: int) -> bool:
    """Readable, or closed; at once."""
    waiting = select.poll()
    waiting.register(socket, select.POLLIN)
    return bool(waiting.poll(0))


request_started.connect(drop_ended_connections)
