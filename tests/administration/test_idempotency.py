"""`Idempotency-Key`: what is sent twice is created once, also at the same time, and no secret is kept."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from administration.api.access import ApiView
from administration.idempotency import forget_old
from administration.models import IdempotencyRecord
from tests.conftest import World, make_token


class CountingView(ApiView):
    """Creates a number each time it really works."""

    creates = True
    made: list[Any]
    held = threading.Event()
    entered = threading.Event()
    wait = False

    def post(self, request: Request) -> Response:
        if request.data.get("bad"):
            raise ValidationError("This is not possible.")
        if self.wait:
            self.entered.set()
            assert self.held.wait(120)
        self.made.append(request.data)
        return Response({"number": len(self.made)}, status=201)


class SecretView(CountingView):
    reveals_secret = True

    def post(self, request: Request) -> Response:
        self.made.append(request.data)
        return Response({"secret": "only-once"}, status=201)


@pytest.fixture
def made() -> list[Any]:
    CountingView.made = []
    return CountingView.made


def send(view: type[ApiView], token: str, body: Any, key: str | None = "k1", **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key is not None else {})
    request = APIRequestFactory().post(
        "/api/v1/numbers/", json.dumps(body), content_type="application/json", headers=headers
    )
    response = view.as_view(**options)(request)
    response.render()
    return response


@pytest.fixture
def alice(world: World) -> str:
    return make_token(world.person("alice"))


@pytest.mark.django_db
def test_a_repeated_request_gets_the_first_answer(alice: str, made: list[Any]) -> None:
    first, again = (send(CountingView, alice, {"name": "a"}) for _ in range(2))
    assert (first.status_code, first.data) == (again.status_code, again.data) == (201, {"number": 1})
    assert "Idempotency-Replayed" not in first.headers and again.headers["Idempotency-Replayed"] == "true"
    assert send(CountingView, alice, {"name": "a"}, None).data == {"number": 2}
    assert send(CountingView, alice, {"name": "a"}, "k2").data == {"number": 3}


@pytest.mark.django_db
def test_a_key_belongs_to_one_request_and_one_person(world: World, alice: str, made: list[Any]) -> None:
    send(CountingView, alice, {"name": "a"})
    other = send(CountingView, alice, {"name": "b"})
    assert (other.status_code, other.data["code"]) == (422, "idempotency_key_reused")
    assert send(CountingView, make_token(world.person("mallory")), {"name": "a"}).data == {"number": 2}


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "ü"])
def test_a_key_that_is_none(alice: str, made: list[Any], key: str) -> None:
    assert send(CountingView, alice, {}, key).status_code == 400
    assert made == []


@pytest.mark.django_db
def test_a_refused_request_leaves_its_key_free(alice: str, made: list[Any]) -> None:
    assert send(CountingView, alice, {"bad": True}).status_code == 400
    assert send(CountingView, alice, {"name": "a"}).status_code == 201


@pytest.mark.django_db
def test_a_secret_is_neither_kept_nor_repeated(alice: str, made: list[Any]) -> None:
    assert send(SecretView, alice, {}).data == {"secret": "only-once"}
    again = send(SecretView, alice, {})
    assert (again.status_code, again.data["code"]) == (409, "secret_not_repeated")
    assert "only-once" not in str(IdempotencyRecord.objects.values())
    assert len(made) == 1


@pytest.mark.django_db
def test_work_that_was_cut_off_is_not_repeated(alice: str, made: list[Any]) -> None:
    send(CountingView, alice, {"name": "a"})
    IdempotencyRecord.objects.update(status=0, created_at=timezone.now() - timedelta(minutes=6))
    again = send(CountingView, alice, {"name": "a"})
    assert (again.status_code, again.data["code"]) == (409, "outcome_unknown")
    assert len(made) == 1


@pytest.mark.django_db
def test_after_a_day_a_key_is_new(alice: str, made: list[Any]) -> None:
    send(CountingView, alice, {"name": "a"})
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert send(CountingView, alice, {"name": "b"}).status_code == 201
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))
    forget_old()
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_at_the_same_time_create_one(world: World, made: list[Any]) -> None:
    """The second is refused while the first works, on a connection of its own, and gets its answer afterwards."""
    token = make_token(world.person("alice"))
    CountingView.held.clear()
    CountingView.entered.clear()
    answers: list[Any] = []

    def first() -> None:
        try:
            answers.append(send(CountingView, token, {"name": "a"}, wait=True))
        finally:
            connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert CountingView.entered.wait(120)
        second = send(CountingView, token, {"name": "a"})
        assert (second.status_code, second.data["code"]) == (409, "request_running")
        assert second.headers["Retry-After"] == "1"
    finally:
        CountingView.held.set()
        thread.join(120)
    assert [answer.status_code for answer in answers] == [201]
    assert send(CountingView, token, {"name": "a"}).data == {"number": 1}
    assert len(made) == 1
