"""Identity providers of others, as processes of their own on loopback, and a browser that walks between them and us."""

import ipaddress
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client

from tenants import sso
from tenants.models import IdentityProvider, Tenant, User
from tests.conftest import World
from tests.operations.running_server import PATIENCE, free_port

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
LOGIN = "/accounts/login/"


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings: Any) -> None:
    settings.INTERNAL_NETWORKS_ALLOWED = [ipaddress.ip_network("127.0.0.0/8")]
    settings.PUBLIC_URL = "http://testserver"


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        assert process.poll() is None, "the identity provider did not start"
        try:
            httpx.get(url, timeout=5)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the identity provider does not answer")


@dataclass
class OpenIDProvider:
    """A running OpenID provider: `oidc-provider-mock`, somebody else's implementation."""

    issuer: str

    def knows(self, subject: str, **claims: Any) -> None:
        httpx.put(f"{self.issuer}/users/{subject}", json=claims, timeout=PATIENCE).raise_for_status()

    def sign_in(self, address: str, subject: str) -> str:
        """What the person does there; returns where the browser is sent back to."""
        answer = httpx.post(address, data={"sub": subject}, timeout=PATIENCE)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["Location"])


def run_openid() -> Iterator[OpenIDProvider]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        issuer = f"http://127.0.0.1:{port}"
        wait_for(f"{issuer}/.well-known/openid-configuration", process)
        yield OpenIDProvider(issuer)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


@pytest.fixture(scope="session")
def openid() -> Iterator[OpenIDProvider]:
    yield from run_openid()


SetUp = Callable[..., IdentityProvider]


@pytest.fixture
def set_up(world: World, openid: OpenIDProvider) -> SetUp:
    """`set_up(world.contoso, use="optional")`: the organization's admin connects the OpenID provider."""

    def make(tenant: Tenant, *, use: str = "optional", **more: Any) -> IdentityProvider:
        admin = world.person("alice" if tenant == world.contoso else "mallory")
        setup = sso.Setup(
            **{
                "kind": "oidc", "name": f"{tenant.name} Login", "issuer": openid.issuer,
                "client_id": f"client-of-{tenant.slug}", "client_secret": "s3cret:with/odd&signs", **more,
            }
        )  # fmt: skip
        provider = sso.configure(tenant, setup, actor=admin)
        if use != "off":
            sso.record_test(provider, actor=admin, address=admin.email)
            sso.set_use(provider, use, actor=admin)
        found = sso.find_provider(tenant)
        assert found is not None
        return found

    return make


class Browser:
    """A browser at our pages; what it does elsewhere is up to the test."""

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=True)

    def enter_address(self, address: str, next_url: str = "") -> Any:
        return self.client.post(LOGIN, {"login": address, "next": next_url})

    def leave(self, tenant: Tenant) -> str:
        """Follow the link to the provider; returns its address."""
        answer = self.client.get(f"/accounts/sso/{tenant.id}/start/")
        assert answer.status_code == 302, answer.content
        return str(answer["Location"])

    def come_back(self, address: str) -> Any:
        parts = urlsplit(address)
        assert f"{parts.scheme}://{parts.netloc}" == "http://testserver"
        return self.client.get(f"{parts.path}?{parts.query}")

    def who(self) -> str:
        """The address of whoever is signed in; empty for nobody."""
        identifier = self.client.session.get("_auth_user_id")
        return User.objects.get(pk=identifier).email if identifier else ""


@pytest.fixture
def visitor(world: World) -> Browser:
    return Browser()


def words_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))
