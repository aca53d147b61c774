"""Guessing gets slow for strangers, and never for the browser that belongs to the account."""

from typing import Any

import pytest
from django.test import Client

from portal import brute_force
from tenants.throttle import TooManyTriesError, guess, take
from tests.conftest import PASSWORD, World
from tests.portal.conftest import Browse, Clock

LOGIN = "/accounts/login/"
BOB = "bob@contoso.example"


def attempt(client: Client, password: str = "wrong", address: str = BOB, **more: Any) -> Any:
    return client.post(LOGIN, {"login": address, "password": password}, **more)


def test_guesses_at_an_account_wait_longer_and_longer(clock: Clock, browse: Browse) -> None:
    waits = []
    for _ in range(9):
        answer = attempt(browse(""))
        while answer.status_code == 429:
            waits.append(int(answer["Retry-After"]))
            assert attempt(browse(""), PASSWORD).status_code == 429, "the right one is not looked at either"
            clock.now += waits[-1]
            answer = attempt(browse(""))
        assert answer.status_code == 200
    assert waits == [5, 10, 20, 40]
    page = attempt(browse(""))
    assert page.status_code == 429 and "Too many tries" in page.content.decode()
    clock.now += 3600
    assert attempt(browse(""), PASSWORD).status_code == 302
    assert [attempt(browse("")).status_code for _ in range(5)] == [200] * 5, "a right one clears the count"


def test_the_owner_gets_in_all_the_same(clock: Clock, browse: Browse) -> None:
    owner = browse("")
    attempt(owner, PASSWORD)
    assert brute_force.COOKIE in owner.cookies
    owner.post("/accounts/logout/")
    for _ in range(8):
        attempt(browse(""))
    assert attempt(browse(""), PASSWORD).status_code == 429
    assert attempt(owner, PASSWORD).status_code == 302


def test_a_known_browser_guesses_no_faster(clock: Clock, browse: Browse) -> None:
    """A stolen cookie is worth five guesses, and counts for its own account only."""
    thief = browse("")
    attempt(thief, PASSWORD)
    thief.post("/accounts/logout/")
    assert [attempt(thief).status_code for _ in range(6)] == [200] * 5 + [429]
    for _ in range(6):
        attempt(browse(""), address="carol@contoso.example")
    assert attempt(thief, address="carol@contoso.example").status_code == 429


def test_a_forged_cookie_is_nothing(clock: Clock, browse: Browse) -> None:
    for _ in range(6):
        attempt(browse(""))
    forger = browse("")
    forger.cookies[brute_force.COOKIE] = "eyJhIjoiYiJ9:1abcde:forged"
    assert attempt(forger, PASSWORD).status_code == 429


def test_unknown_addresses_are_slowed_alike(clock: Clock, browse: Browse) -> None:
    answers = [
        [attempt(browse(""), address=one).status_code for _ in range(6)]
        for one in (BOB, "no@contoso.example")
    ]
    assert answers[0] == answers[1] == [200] * 5 + [429]


def test_a_network_that_tries_everybody_is_stopped(clock: Clock, rf: Any, world: World) -> None:
    request, other = rf.post(LOGIN, REMOTE_ADDR="203.0.113.1"), rf.post(LOGIN, REMOTE_ADDR="203.0.113.2")
    for number in range(brute_force.GUESSES_OF_NETWORK):
        brute_force.guess_for(request, "password", f"person{number}@contoso.example")
    with pytest.raises(TooManyTriesError):
        brute_force.guess_for(request, "password", "one-more@contoso.example")
    brute_force.guess_for(other, "password", "one-more@contoso.example")
    clock.now += 600
    brute_force.guess_for(request, "password", "one-more@contoso.example")


def test_codes_of_second_factors_are_slowed(clock: Clock, browse: Browse) -> None:
    from tests.portal.test_factors import set_up_app

    set_up_app(browse("bob"))
    client = browse("")
    attempt(client, PASSWORD)
    answers = [client.post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]


def test_counting(db: None) -> None:
    for _ in range(3):
        take("a", limit=3, seconds=60, now=600)
    with pytest.raises(TooManyTriesError) as refused:
        take("a", limit=3, seconds=60, now=610)
    assert refused.value.seconds == 50
    take("b", limit=3, seconds=60, now=610)
    take("a", limit=3, seconds=60, now=660)
    for _ in range(5):
        guess("c", now=1000)
    with pytest.raises(TooManyTriesError):
        guess("c", now=1004)
    guess("c", now=1005).was_right()
    guess("c", now=1005)
