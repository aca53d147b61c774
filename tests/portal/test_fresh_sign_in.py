"""Dangerous pages want a proof that is minutes old, and lead there and back."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from portal.access import FRESH_SECONDS, FRESH_SECONDS_TO_ACT, PROVEN_AT
from tests.conftest import PASSWORD, World
from tests.portal.conftest import Browse


def age_sign_in(client: Client, seconds: float) -> None:
    """Move this browser's last proof into the past."""
    session = client.session
    session[PROVEN_AT] = time.time() - seconds
    session.save()


@pytest.mark.parametrize("path", ["/keys/roll/", "/settings/deactivate/"])
def test_an_old_sign_in_is_asked_for_again(browse: Browse, path: str) -> None:
    alice = browse("alice")
    assert alice.get(path).status_code == 200
    age_sign_in(alice, FRESH_SECONDS + 1)
    answer = alice.get(path, follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/reauthenticate/")
    again = answer.redirect_chain[-1][0]
    assert parse_qs(urlsplit(again).query)["next"] == [path]
    wrong = alice.post("/accounts/reauthenticate/", {"password": "not it", "next": path})
    assert wrong.status_code == 200 and PROVEN_AT in alice.session
    assert alice.get(path).status_code == 302
    right = alice.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": path})
    assert (right.status_code, right["Location"]) == (302, path)
    assert alice.get(path).status_code == 200


def test_a_form_that_was_shown_may_still_be_sent_but_not_for_ever(browse: Browse, world: World) -> None:
    alice = browse("alice")
    age_sign_in(alice, FRESH_SECONDS + 1)
    assert alice.post("/settings/deactivate/", {"name": "wrong"}).status_code == 400
    age_sign_in(alice, FRESH_SECONDS_TO_ACT + 1)
    assert alice.post("/settings/deactivate/", {"name": world.contoso.name}).status_code == 302
    world.contoso.refresh_from_db()
    assert world.contoso.is_active


def test_who_has_no_password_signs_in_anew(browse: Browse, world: World) -> None:
    alice = world.person("alice")
    alice.set_unusable_password()
    alice.save()
    client = browse("alice")
    age_sign_in(client, FRESH_SECONDS + 1)
    page = client.get("/keys/roll/", follow=True)
    assert page.status_code == 200 and b"/accounts/login/?next=%2Fkeys%2Froll%2F" in page.content
    astray = client.get("/sign-in-again/?next=https://evil.example/").content
    assert b'name="next" value="/accounts/login/?next=%2F"' in astray


def test_roles_come_before_freshness(browse: Browse) -> None:
    bob = browse("bob")
    age_sign_in(bob, FRESH_SECONDS + 1)
    assert bob.get("/keys/roll/").status_code == 403


def test_the_clock_cannot_be_turned(browse: Browse) -> None:
    alice = browse("alice")
    age_sign_in(alice, -3600)
    assert alice.get("/keys/roll/").status_code == 302
