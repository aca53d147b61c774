"""Whatever goes wrong under /api/v1, before, in or behind its views, is answered in its one shape."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError

from tests.conftest import Device, World

pytestmark = pytest.mark.django_db


def check(response: Any, status: int) -> None:
    assert response.status_code == status, response.content
    problem = response.json()
    assert problem.keys() == {"code", "message"} and problem["code"] and problem["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/api/v1", 404), ("get", "/api/v1/", 404), ("get", "/api/v1/nothing/", 404),
        ("get", "/api/v1/documents/nonsense/", 404), ("delete", "/api/v1/whoami/", 405), ("post", "/api/v1/schema/", 405),
        ("get", "/api/v1/documents/?q=%00", 400), ("get", "/api/v1/documents/?" + "a&" * 1001, 400),
        ("get", "/api/v1/documents/?cursor=cD1u", 404), ("get", "/api/v1/logs/admin/?cursor=cD1ub25zZW5zZQ==", 404),
    ],
)  # fmt: skip
def test_every_refusal_has_the_shape(
    world: World, device: Callable[[str], Device], method: str, path: str, status: int
) -> None:
    alice = device("alice")
    response = getattr(alice.client, method)(path, headers=alice._headers({}))
    check(response, status)
    assert response.headers["Content-Length"] == str(len(response.content))


def test_refusals_of_the_framework_have_the_shape(
    world: World, device: Callable[[str], Device], settings: Any
) -> None:
    alice = device("alice")
    check(alice.get("/api/v1/whoami/", host="evil.example"), 400)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    check(alice.post("/api/v1/groups/", {"name": "longer than that"}), 400)


@pytest.mark.parametrize("cookie", ["", "x" * 32])
def test_database_down(world: World, device: Callable[[str], Device], cookie: str, settings: Any) -> None:
    alice = device("alice")
    alice.client.cookies[settings.SESSION_COOKIE_NAME] = cookie

    def broken(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("connection refused")

    with mock.patch("django.db.backends.utils.CursorWrapper.execute", broken):
        response = alice.get("/api/v1/people/")
    check(response, 503)
    assert b"refused" not in response.content
