"""A demanded second factor is demanded of programs too: of the token, because the program shows nothing else."""

import io
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from django.core.management import call_command
from django.test import Client

from administration.devices import COMMAND_LINE, command_line_client, create_service
from tenants.factors import set_policy
from tenants.freshness import forget_facts
from tenants.models import User
from tests.administration.test_tokens import DEVICE_GRANT, SCOPE, authorization_code, authorize, form
from tests.conftest import World
from tests.portal.test_factors import commit_at_once, set_up_app

pytestmark = pytest.mark.django_db
TOKEN = "/identity/o/api/token"
Tokens = dict[str, str]


@pytest.fixture
def signed_in(world: World) -> Callable[[str], Client]:
    command_line_client()

    def sign_in(name: str) -> Client:
        client = Client()
        client.force_login(world.person(name), backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in


def by_code(browser: Client) -> Tokens:
    fields = authorization_code(browser, "v" * 64)
    return form(Client(), TOKEN, **fields, code_verifier="v" * 64).json()


def by_device_code(browser: Client) -> Any:
    started = form(Client(), "/identity/o/api/device/code", client_id=COMMAND_LINE, scope=SCOPE).json()
    browser.post(f"/identity/o/device?code={started['user_code']}", {"action": "confirm"})
    fields = {"grant_type": DEVICE_GRANT, "client_id": COMMAND_LINE, "device_code": started["device_code"]}
    with mock.patch("time.time", return_value=time.time() + 60):  # past the polling interval
        return form(Client(), TOKEN, **fields)


def refreshed(tokens: Tokens) -> Any:
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    return form(Client(), TOKEN, **fields, client_id=COMMAND_LINE)


def get(path: str, tokens: Tokens) -> Any:
    return Client().get(path, headers={"Authorization": f"Bearer {tokens['access_token']}"})


def demand(policy: str, admin: User) -> None:
    assert admin.tenant is not None
    set_policy(admin.tenant, policy, actor=admin)
    forget_facts()


def test_tokens_got_without_it_end_with_the_policy(world: World, signed_in: Callable[[str], Client]) -> None:
    alice, bob = by_code(signed_in("alice")), by_code(signed_in("bob"))
    open_page = signed_in("bob")
    demand("admins", world.person("alice"))
    assert get("/api/v1/people/", alice).status_code == 401
    assert get("/api/v1/whoami/", bob).status_code == 200, "holds no role"
    demand("everyone", world.person("alice"))
    refused = get("/api/v1/whoami/", bob)
    assert (refused.status_code, refused.json()["code"]) == (401, "second_factor_required")
    device = get("/my/v2/templates", bob)
    assert device.status_code == 401 and "WWW-Authenticate" in device.headers
    for sentence in (refused.json()["message"], device.json()["Message"]):
        assert "Sign in again" in sentence
    renewed = refreshed(bob)
    assert (renewed.status_code, renewed.json()["error"]) == (400, "invalid_grant")
    assert "second factor" in renewed.json()["error_description"]
    assert by_device_code(open_page).json()["error"] == "authorization_pending", "the page led elsewhere"
    demand("optional", world.person("alice"))
    assert get("/my/v2/templates", bob).status_code == 200


@pytest.mark.parametrize("way", [by_code, lambda browser: by_device_code(browser).json()])
def test_tokens_got_with_it_carry_that(
    world: World, signed_in: Callable[[str], Client], way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in("bob")
    commit_at_once(monkeypatch)
    set_up_app(browser)
    demand("everyone", world.person("alice"))
    tokens = way(browser)
    assert get("/api/v1/whoami/", tokens).status_code == 200
    tokens = refreshed(tokens).json()
    assert get("/my/v2/templates", tokens).status_code == 200
    assert refreshed(tokens).status_code == 200


def test_nobody_can_ask_for_the_mark(world: World, signed_in: Callable[[str], Client]) -> None:
    asked = f"{SCOPE} second-factor"
    answer = authorize(signed_in("bob"), scope=asked, code_challenge="v" * 43, code_challenge_method="S256")
    assert "error=invalid_scope" in answer.headers["Location"]
    started = form(Client(), "/identity/o/api/device/code", client_id=COMMAND_LINE, scope=asked)
    assert started.json()["error"] == "invalid_scope"
    more = form(
        Client(), TOKEN, grant_type="refresh_token", client_id=COMMAND_LINE, scope=asked,
        refresh_token=by_code(signed_in("bob"))["refresh_token"],
    )  # fmt: skip
    assert more.json()["error"] == "invalid_scope"


def test_operators_and_services_are_exempt(world: World) -> None:
    client_id, secret = create_service(world.contoso, "Gateway", {"licensing"}, actor="operator")
    demand("everyone", world.person("alice"))
    out = io.StringIO()
    call_command("issue_token", "alice@contoso.example", stdout=out, stderr=io.StringIO())
    assert get("/api/v1/people/", {"access_token": out.getvalue().strip()}).status_code == 200
    fields = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    assert get("/my/v2/templates", form(Client(), TOKEN, **fields).json()).status_code == 200
