"""Signing devices in: device code, authorization code with PKCE, refresh; and the operator's token."""

import base64
import hashlib
import html
import io
import re
import time
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from allauth.idp.oidc.models import Client as ProviderClient
from allauth.idp.oidc.models import Token
from django.core.management import CommandError, call_command
from django.forms.models import model_to_dict
from django.test import Client

from administration.devices import COMMAND_LINE, command_line_client
from audit.models import AdminEvent
from keys.models import InstallationKey
from tests.conftest import World

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
SCOPE = "openid email profile licensing admin"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def signed_in(world: World) -> Client:
    """bob's browser, signed in."""
    command_line_client()
    client = Client(enforce_csrf_checks=False)
    client.force_login(world.person("bob"), backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def form(client: Client, path: str, **fields: str) -> Any:
    return client.post(path, urlencode(fields), content_type=FORM)


def works(token: str) -> bool:
    return Client().get("/my/v2/templates", HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 200


def test_device_code_and_refresh(signed_in: Client) -> None:
    device = Client()
    started = form(device, "/identity/o/api/device/code", client_id=COMMAND_LINE, scope=SCOPE).json()
    poll = {"grant_type": DEVICE_GRANT, "client_id": COMMAND_LINE, "device_code": started["device_code"]}
    assert form(device, "/identity/o/api/token", **poll).json()["error"] == "authorization_pending"
    page = signed_in.get("/identity/o/device", {"code": started["user_code"]})
    assert page.status_code == 200 and b"Rightskeep command line" in page.content
    done = signed_in.post(f"/identity/o/device?code={started['user_code']}", {"action": "confirm"})
    assert done.status_code == 200
    with mock.patch("time.time", return_value=time.time() + 60):  # past the polling interval
        answer = form(device, "/identity/o/api/token", **poll).json()
    assert works(answer["access_token"])
    fields = {
        "grant_type": "refresh_token",
        "client_id": COMMAND_LINE,
        "refresh_token": answer["refresh_token"],
    }
    refreshed = form(device, "/identity/o/api/token", **fields).json()
    assert works(refreshed["access_token"])
    assert form(device, "/identity/o/api/token", **fields).json()["error"] == "invalid_grant"


def test_device_page_refuses_a_forged_confirmation(world: World) -> None:
    command_line_client()
    started = form(Client(), "/identity/o/api/device/code", client_id=COMMAND_LINE, scope=SCOPE).json()
    victim = Client(enforce_csrf_checks=True)
    victim.force_login(world.person("bob"), backend="allauth.account.auth_backends.AuthenticationBackend")
    response = victim.post(f"/identity/o/device?code={started['user_code']}", {"action": "confirm"})
    assert response.status_code == 403


def authorize(signed_in: Client, **more: str) -> Any:
    query = {
        "response_type": "code", "client_id": COMMAND_LINE, "redirect_uri": "http://127.0.0.1:8765/callback",
        "scope": SCOPE, "state": "s", **more,
    }  # fmt: skip
    return signed_in.get("/identity/o/authorize", query)


def authorization_code(signed_in: Client, verifier: str) -> dict[str, str]:
    """The fields of a token request, but for the verifier."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    page = authorize(signed_in, code_challenge=challenge, code_challenge_method="S256")
    signed = re.search(rb'name="request" value="([^"]+)"', page.content)
    assert signed, page.content
    consent = {"request": html.unescape(signed[1].decode()), "scopes": SCOPE.split(), "action": "grant"}
    granted = signed_in.post("/identity/o/authorize", consent)
    assert granted.status_code == 302, granted.content
    return {
        "grant_type": "authorization_code",
        "client_id": COMMAND_LINE,
        "code": parse_qs(urlsplit(granted.headers["Location"]).query)["code"][0],
        "redirect_uri": "http://127.0.0.1:8765/callback",
    }


def test_authorization_code_with_pkce(signed_in: Client) -> None:
    fields = authorization_code(signed_in, "v" * 64)
    answer = form(Client(), "/identity/o/api/token", **fields, code_verifier="v" * 64).json()
    assert works(answer["access_token"])
    again = form(Client(), "/identity/o/api/token", **fields, code_verifier="v" * 64).json()
    assert again["error"] == "invalid_grant"


@pytest.mark.parametrize("verifier", [{}, {"code_verifier": "w" * 64}])
def test_a_stolen_code_is_worth_nothing(signed_in: Client, verifier: dict[str, str]) -> None:
    fields = authorization_code(signed_in, "v" * 64)
    assert "access_token" not in form(Client(), "/identity/o/api/token", **fields, **verifier).json()


@pytest.mark.parametrize("method", [{}, {"code_challenge_method": "plain"}])
def test_plain_code_challenge_is_refused(signed_in: Client, method: dict[str, str]) -> None:
    assert authorize(signed_in, code_challenge="v" * 64, **method).status_code == 400


def test_discovery_names_the_installation_and_its_key(world: World) -> None:
    configuration = Client().get("/.well-known/openid-configuration").json()
    assert configuration["issuer"] == "http://127.0.0.1:8000"
    assert configuration["code_challenge_methods_supported"] == ["S256"]
    assert len(Client().get("/.well-known/jwks.json").json()["keys"]) == 1
    sealed = bytes(InstallationKey.objects.get().sealed_private)
    assert b"PRIVATE KEY" not in sealed


def test_issue_token_prints_the_token_alone(world: World) -> None:
    out, err = io.StringIO(), io.StringIO()
    call_command("issue_token", "Bob@contoso.example", minutes=5, stdout=out, stderr=err)
    token = out.getvalue().strip()
    assert re.fullmatch(r"\S{40,}", token) and works(token)
    assert token not in err.getvalue()
    assert not Token.objects.filter(hash__contains=token).exists()
    event = AdminEvent.objects.filter(action="IssueToken").get()
    assert event.tenant_id == world.contoso.id and token not in str(event.after)


@pytest.mark.parametrize("arguments", [["nobody@contoso.example"], ["bob@contoso.example", "--minutes", "0"]])
def test_issue_token_refuses(world: World, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("issue_token", *arguments)


def test_a_fresh_installation_knows_the_command(db: None) -> None:
    """The migration made the client as `command_line_client` would make it, so that `rightskeep login` works at once."""
    migrated = ProviderClient.objects.get(id=COMMAND_LINE)
    facts = model_to_dict(migrated, exclude=["created_at"])
    migrated.delete()
    assert model_to_dict(command_line_client(), exclude=["created_at"]) == facts
