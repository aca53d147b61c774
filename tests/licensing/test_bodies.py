"""Bodies without a length, at the door of the process: read whole, refused when too long, always answered in shape."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.signals import request_started
from django.db import close_old_connections
from django.test import RequestFactory

from audit.models import ClientLog
from licensing.gate import MAX_BODY
from portal.wsgi import application
from tests.conftest import Device, World

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _connection_stays_open() -> Iterator[None]:
    """As Django's test client has it: the request runs inside the test's transaction."""
    request_started.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)


def send_in_chunks(path: str, body: bytes, token: str) -> tuple[int, Any]:
    """Status and JSON of a POST as granian hands one over that was sent with `Transfer-Encoding: chunked`."""
    environ = RequestFactory().post(path).environ
    del environ["CONTENT_LENGTH"]
    environ |= {
        "HTTP_HOST": "127.0.0.1",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "CONTENT_TYPE": "application/json",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
    }
    seen: list[str] = []
    answer = b"".join(application(environ, lambda status, headers: seen.append(status)))
    return int(seen[0].split()[0]), json.loads(answer)


def test_a_body_in_chunks_is_read_whole(world: World, device: Callable[[str], Device]) -> None:
    bob = device("bob")
    body = b"line\n" * 100_000
    assert send_in_chunks("/my/v2/clientlogs/debug", body, bob.token) == (200, {})
    assert ClientLog.objects.get().body.encode() == body
    alice = device("alice")
    status, made = send_in_chunks("/api/v1/groups/", b'{"name": "Board"}', alice.token)
    assert (status, made["name"]) == (201, "Board")


def test_a_body_in_chunks_has_the_same_limit(world: World, device: Callable[[str], Device]) -> None:
    alice = device("alice")
    for size in (MAX_BODY + 1, MAX_BODY + 2 * 1024 * 1024):
        status, answer = send_in_chunks("/my/v2/publishinglicenses", b" " * size, alice.token)
        assert (status, answer.keys()) == (400, {"Code", "Message"}) and "32 MiB" in answer["Message"]
    status, answer = send_in_chunks("/api/v1/groups/", b" " * size, alice.token)
    assert (status, answer.keys()) == (400, {"code", "message"})
