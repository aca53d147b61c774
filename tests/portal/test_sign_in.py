"""Signing in, signing up, a forgotten password, a device, a program that asks for consent: through our own pages."""

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from allauth.idp.oidc.models import Client as Program
from django.core import mail
from django.test import Client

from administration.devices import COMMAND_LINE, command_line_client
from tests.conftest import PASSWORD, World
from tests.portal.conftest import Browse

pytestmark = pytest.mark.django_db

LOGIN = "/accounts/login/"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


def code_in_last_mail() -> str:
    found = re.search(r"^\s*([A-Z0-9-]{6,9})\s*$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found, mail.outbox[-1].body
    return found.group(1)


def test_sign_in_and_out(world: World, browse: Browse) -> None:
    client = browse("")
    wrong = client.post(LOGIN, {"login": "bob@contoso.example", "password": "not this one"})
    assert wrong.status_code == 200 and 'role="alert"' in wrong.content.decode()
    unknown = client.post(LOGIN, {"login": "nobody@contoso.example", "password": "not this one"})
    assert _errors(wrong) == _errors(unknown), "the page does not tell which addresses have accounts"
    right = client.post(f"{LOGIN}?next=/documents/", {"login": "BOB@contoso.example", "password": PASSWORD})
    assert (right.status_code, right["Location"]) == (302, "/documents/")
    assert client.get("/accounts/logout/").status_code == 200, "a link alone signs nobody out"
    assert client.get("/").status_code == 200
    assert client.post("/accounts/logout/")["Location"] == LOGIN
    assert client.get("/").status_code == 302


def _errors(response: Any) -> list[str]:
    return re.findall(r'role="alert".*?</div></div>', response.content.decode(), re.DOTALL)


def test_signing_up_proves_the_address_by_a_code(world: World, browse: Browse) -> None:
    client = browse("")
    short = client.post("/accounts/signup/", {"email": "new@individual.example", "password1": "short"})
    assert short.status_code == 200 and "field--invalid" in short.content.decode()
    response = client.post(
        "/accounts/signup/", {"email": "new@individual.example", "password1": PASSWORD}, follow=True
    )
    assert "We sent a code to <strong>new@individual.example</strong>" in response.content.decode()
    assert client.get("/").status_code == 302
    done = client.post("/accounts/confirm-email/", {"code": code_in_last_mail()}, follow=True)
    assert "You belong to no organization." in done.content.decode()


def test_a_forgotten_password(world: World, browse: Browse) -> None:
    client = browse("")
    asked = client.post("/accounts/password/reset/", {"email": "bob@contoso.example"}, follow=True)
    assert "Enter the code" in asked.content.decode()
    chosen = client.post("/accounts/password/reset/confirm/", {"code": code_in_last_mail()}, follow=True)
    assert "Choose a new password" in chosen.content.decode()
    new = "another staple battery"
    client.post("/accounts/password/reset/complete/", {"password1": new, "password2": new})
    assert browse("").post(LOGIN, {"login": "bob@contoso.example", "password": new}).status_code == 302
    assert browse("").post(LOGIN, {"login": "bob@contoso.example", "password": PASSWORD}).status_code == 200


def test_adding_an_address(world: World, browse: Browse) -> None:
    client = browse("erin")
    page = client.post("/accounts/email/", {"email": "erin@second.example", "action_add": ""}, follow=True)
    assert "erin@second.example" in page.content.decode()
    client.post("/accounts/confirm-email/", {"code": code_in_last_mail()})
    assert world.person("erin").emailaddress_set.filter(email="erin@second.example", verified=True).exists()


def test_changing_the_password(world: World, browse: Browse) -> None:
    new = {
        "oldpassword": PASSWORD,
        "password1": "another staple battery",
        "password2": "another staple battery",
    }
    assert browse("bob").post("/accounts/password/change/", {**new, "oldpassword": "?"}).status_code == 200
    assert browse("bob").post("/accounts/password/change/", new).status_code == 302
    assert world.person("bob").check_password("another staple battery")


def device_code(client: Client) -> tuple[str, str]:
    data = {"client_id": command_line_client().id, "scope": "openid licensing"}
    answer = client.post(
        "/identity/o/api/device/code", urlencode(data), content_type="application/x-www-form-urlencoded"
    )
    codes = json.loads(answer.content)
    return codes["user_code"], codes["device_code"]


def token_status(code: str) -> int:
    data = {
        "client_id": COMMAND_LINE,
        "device_code": code,
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
    }
    response = Client().post(
        "/identity/o/api/token", urlencode(data), content_type="application/x-www-form-urlencoded"
    )
    return response.status_code


def test_connecting_a_device_needs_the_forms_own_proof(world: World, browse: Browse) -> None:
    shown, code = device_code(Client())
    client = browse("bob", enforce_csrf_checks=True)
    page = client.get(f"/identity/o/device?code={shown}").content.decode()
    assert "Connect this device?" in page and shown in page and "bob@contoso.example" in page
    forged = client.post(f"/identity/o/device?code={shown}", {"action": "confirm"})
    assert forged.status_code == 403
    assert token_status(code) == 400

    proof = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert proof
    allowed = client.post(
        f"/identity/o/device?code={shown}", {"action": "confirm", "csrfmiddlewaretoken": proof.group(1)}
    )
    assert "Your device is connected" in allowed.content.decode()


def test_a_device_that_is_refused_gets_nothing(world: World, browse: Browse) -> None:
    shown, code = device_code(Client())
    page = browse("bob").post(f"/identity/o/device?code={shown}", {"action": "deny"}).content.decode()
    assert "The device was not connected" in page
    assert token_status(code) == 400


def test_a_mistyped_device_code_is_said_so(browse: Browse) -> None:
    page = browse("bob").get("/identity/o/device?code=XXXX-XXXX").content.decode()
    assert "field__error" in page and "Connect this device?" not in page


def authorize(**changes: str) -> str:
    query = {
        "client_id": command_line_client().id,
        "response_type": "code",
        "redirect_uri": "http://127.0.0.1:8765/callback",
        "scope": "openid licensing",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return f"/identity/o/authorize?{urlencode(query)}"


def test_consent_may_send_the_browser_back_to_the_program_and_nowhere_else(browse: Browse) -> None:
    client = browse("bob")
    response = client.get(authorize())
    page = response.content.decode()
    assert "Let Rightskeep command line in?" in page and "Protect and open documents in your name" in page
    assert "form-action 'self' http://127.0.0.1:*;" in response["Content-Security-Policy"]
    request = re.search(r'name="request" value="([^"]+)"', page)
    assert request
    granted = client.post(
        "/identity/o/authorize",
        {"request": request.group(1), "scopes": ["openid", "licensing"], "action": "grant"},
    )
    target = urlsplit(granted["Location"])
    assert (granted.status_code, target.netloc) == (302, "127.0.0.1:8765")
    assert parse_qs(target.query)["state"] == ["s"] and parse_qs(target.query)["code"]


def test_the_way_to_consent_over_sign_in_is_open_too(browse: Browse) -> None:
    client = browse("")
    response = client.get(client.get(authorize())["Location"])
    assert "form-action 'self' http://127.0.0.1:*;" in response["Content-Security-Policy"]
    for next_page in (
        "/",
        "/identity/o/authorize?client_id=unknown",
        "https://evil.example/identity/o/authorize",
        "//[",
    ):
        policy = client.get(LOGIN, {"next": next_page})["Content-Security-Policy"]
        assert "form-action 'self';" in policy


def test_a_program_that_asks_wrongly_gets_a_page_not_a_redirect(browse: Browse) -> None:
    response = browse("bob").get(authorize(redirect_uri="https://evil.example/"))
    assert "Access was not possible" in response.content.decode()
    assert "evil.example" not in response["Content-Security-Policy"]


def test_programs_with_addresses_of_their_own_scheme(browse: Browse) -> None:
    program = Program.objects.create(
        id="app", name="App", type="public", scopes="openid", grant_types="authorization_code",
        redirect_uris="my.app:/callback\nhttps://app.example:8443/callback",
    )  # fmt: skip
    policy = browse("bob").get(authorize(client_id=program.id))["Content-Security-Policy"]
    assert "form-action 'self' https://app.example:8443 my.app:;" in policy
