"""SAML 2.0 against a provider in a process of its own, honest and hostile."""

import base64
import re
import subprocess
import sys
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from tenants import sso
from tenants.models import IdentityProvider, Tenant
from tenants.provider_metadata import MetadataError
from tests.conftest import World
from tests.operations.running_server import PATIENCE, ROOT, free_port
from tests.sign_on.conftest import BACKEND, Browser, SetUp, wait_for, words_of

pytestmark = pytest.mark.django_db
SHA1_REASONS = ("weak_signature", "bad_signature")  # which one depends on whether libxmlsec still knows SHA-1


@dataclass
class SamlProvider:
    base: str

    def respond(self, request: str, **wish: Any) -> dict[str, str]:
        """What the provider has the browser post, for the request that the address `request` carries."""
        answer = httpx.post(request, json=wish, timeout=PATIENCE)
        answer.raise_for_status()
        form: dict[str, str] = answer.json()
        return form

    def roll(self, *, path: str = "roll", in_secret: bool = False) -> None:
        httpx.post(f"{self.base}/{path}", json={"in_secret": in_secret}, timeout=PATIENCE).raise_for_status()

    @property
    def metadata(self) -> bytes:
        return httpx.get(f"{self.base}/metadata", timeout=PATIENCE).content


@pytest.fixture(scope="module")
def running() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sign_on.saml_provider", str(port)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    try:
        base = f"http://127.0.0.1:{port}"
        wait_for(f"{base}/metadata", process)
        yield base
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


@pytest.fixture
def saml(running: str) -> SamlProvider:
    provider = SamlProvider(running)
    provider.roll()
    return provider


@pytest.fixture
def connect(set_up: SetUp, saml: SamlProvider) -> SetUp:
    def make(tenant: Tenant, **more: Any) -> IdentityProvider:
        given = {"kind": "saml", "metadata_url": f"{saml.base}/metadata", "client_secret": "", **more}
        return set_up(tenant, **given)

    return make


def post(visitor: Browser, form: dict[str, str]) -> Any:
    """The browser posts across sites, hence without our cookie, and follows the redirect with it."""
    answer = Browser().client.post(urlsplit(form["acs"]).path, {"SAMLResponse": form["SAMLResponse"]})
    return visitor.client.get(answer["Location"]) if answer.status_code == 302 else answer


def walk(visitor: Browser, saml: SamlProvider, tenant: Tenant, **wish: Any) -> Any:
    visitor.enter_address(
        "bob@contoso.example" if tenant.slug == "contoso" else "dave@fabrikam.example", "/documents/"
    )
    return post(visitor, saml.respond(visitor.leave(tenant), **wish))


def last_reason(tenant: Tenant) -> str:
    return str(sso.find_provider(tenant).last_error)


def test_a_person_signs_in_once(world: World, connect: SetUp, saml: SamlProvider, visitor: Browser) -> None:
    provider = connect(world.contoso, use="enforced")
    assert provider.settings["certificates"][0]["subject"] == "CN=Test IdP"
    visitor.enter_address("bob@contoso.example", "/documents/")
    form = saml.respond(visitor.leave(world.contoso), subject="b-1", address="bob@contoso.example")
    done = post(visitor, form)
    assert (done.status_code, done["Location"]) == (302, "/documents/")
    assert visitor.who() == "bob@contoso.example"
    assert SocialAccount.objects.get(user=world.person("bob")).uid == "b-1"
    for other in (visitor, Browser()):
        other.client.logout()
        assert post(other, form).status_code == 403 and other.who() == ""
    assert last_reason(world.contoso) == "replayed"


def test_an_answer_stolen_from_another_session_is_worth_nothing(
    world: World, connect: SetUp, saml: SamlProvider, visitor: Browser
) -> None:
    """The response around the assertion is not signed: writing another request's id into it must not help."""
    connect(world.contoso)
    visitor.enter_address("bob@contoso.example")
    thief = Browser()
    thief.enter_address("bob@contoso.example")
    own = saml.respond(thief.leave(world.contoso), subject="t", address="bob@contoso.example")
    own_id = re.search(r'InResponseTo="([^"]+)"', base64.b64decode(own["SAMLResponse"]).decode()).group(1)
    stolen = saml.respond(visitor.leave(world.contoso), subject="b-1", address="bob@contoso.example")
    text = base64.b64decode(stolen["SAMLResponse"]).decode()
    victim_id = re.search(r'InResponseTo="([^"]+)"', text).group(1)
    around, sign, assertion = text.partition("<saml:Assertion")
    forged = around.replace(victim_id, own_id) + sign + assertion
    stolen["SAMLResponse"] = base64.b64encode(forged.encode()).decode()
    assert post(thief, stolen).status_code == 403 and thief.who() == ""


@pytest.mark.parametrize(
    ("wish", "reasons"),
    [
        ({"unsigned": True}, ("unsigned",)),
        ({"sha1": True}, SHA1_REASONS),
        ({"tamper": ("bob@contoso.example", "alice@contoso.example")}, ("bad_signature",)),
        ({"audience": "https://another.example/metadata"}, ("wrong_audience",)),
        ({"audience": None}, ("wrong_audience",)),
        ({"issuer": "https://another.example/metadata"}, ("wrong_issuer",)),
        ({"skew": -3600}, ("wrong_time",)),
        ({"skew": 3600}, ("wrong_time",)),
        ({"unsolicited": True}, ("unsolicited",)),
        ({"status": "urn:oasis:names:tc:SAML:2.0:status:Responder"}, ("refused_there",)),
        ({"address": ""}, ("address_missing",)),
        ({"address": "alice@fabrikam.example"}, ("address_outside: alice@fabrikam.example",)),
    ],
)
def test_wrong_answers(
    world: World,
    connect: SetUp,
    saml: SamlProvider,
    visitor: Browser,
    wish: dict[str, Any],
    reasons: tuple[str, ...],
) -> None:
    connect(world.contoso)
    answer = walk(
        visitor, saml, world.contoso, **{"subject": "b-1", "address": "bob@contoso.example", **wish}
    )
    assert answer.status_code == 403 and visitor.who() == ""
    assert last_reason(world.contoso).startswith(reasons)
    assert not SocialAccount.objects.exists()


def test_clocks_may_differ_a_little(
    world: World, connect: SetUp, saml: SamlProvider, visitor: Browser
) -> None:
    connect(world.contoso)
    assert (
        walk(visitor, saml, world.contoso, subject="b", address="bob@contoso.example", skew=90).status_code
        == 302
    )


def test_the_provider_asks_anew_before_something_dangerous(
    world: World, connect: SetUp, saml: SamlProvider, visitor: Browser
) -> None:
    connect(world.contoso)
    claim = {"subject": "nora", "address": "nora@contoso.example"}  # somebody who has no password here
    assert walk(visitor, saml, world.contoso, **claim).status_code == 302
    visitor.client.get("/sign-in-again/?next=/profile/")
    address = visitor.leave(world.contoso)
    request = zlib.decompress(base64.b64decode(parse_qs(urlsplit(address).query)["SAMLRequest"][0]), -15)
    assert b'ForceAuthn="true"' in request
    assert post(visitor, saml.respond(address, **claim, signed_in_ago=3600)).status_code == 403
    assert last_reason(world.contoso).startswith("not_fresh: 20")
    answer = saml.respond(visitor.leave(world.contoso), **claim, signed_in_ago=30)
    assert post(visitor, answer)["Location"] == "/profile/"


def test_a_hostile_organization_does_not_get_into_another(
    world: World, connect: SetUp, saml: SamlProvider, visitor: Browser
) -> None:
    connect(world.fabrikam)
    answer = walk(visitor, saml, world.fabrikam, subject="m", address="alice@contoso.example")
    assert answer.status_code == 403 and "alice" not in words_of(answer) and visitor.who() == ""
    assert last_reason(world.fabrikam) == "address_outside: alice@contoso.example"
    # Contoso trusts the same program: what was signed for Fabrikam is not for it.
    connect(world.contoso)
    visitor.enter_address("dave@fabrikam.example")
    form = saml.respond(visitor.leave(world.fabrikam), subject="m", address="alice@contoso.example")
    form["acs"] = form["acs"].replace(str(world.fabrikam.id), str(world.contoso.id))
    assert post(visitor, form).status_code == 403 and visitor.who() == ""
    assert last_reason(world.contoso) == "wrong_audience"


def test_a_new_certificate_is_found_in_the_metadata(
    world: World, connect: SetUp, saml: SamlProvider, visitor: Browser
) -> None:
    provider = connect(world.contoso)
    saml.roll()
    claim = {"subject": "b", "address": "bob@contoso.example"}
    # Read a moment ago, so it is not read again yet: an anonymous answer cannot make us fetch all the time.
    assert walk(visitor, saml, world.contoso, **claim).status_code == 403
    assert last_reason(world.contoso) == "bad_signature"
    read_long_ago(provider)
    assert walk(visitor, saml, world.contoso, **claim).status_code == 302
    # A key that is nowhere published stays refused.
    saml.roll(in_secret=True)
    read_long_ago(provider)
    assert walk(Browser(), saml, world.contoso, **claim).status_code == 403
    assert last_reason(world.contoso) == "bad_signature"


def read_long_ago(provider: IdentityProvider) -> None:
    then = {**provider.settings, "read_at": "2026-01-01T00:00:00+00:00"}
    IdentityProvider.objects.filter(id=provider.id).update(settings=then)


def test_an_expired_certificate(world: World, connect: SetUp, saml: SamlProvider, visitor: Browser) -> None:
    saml.roll(path="expire")
    connect(world.contoso, metadata=saml.metadata, metadata_url="")
    visitor.enter_address("bob@contoso.example")
    refused = visitor.client.get(f"/accounts/sso/{world.contoso.id}/start/")
    assert refused.status_code == 403
    assert last_reason(world.contoso).startswith("certificate_expired: 20")
    visitor.client.force_login(world.person("alice"), backend=BACKEND)
    page = words_of(visitor.client.get("/settings/sign-in/"))
    assert (
        "All certificates of the identity provider have expired" in page
        and "A certificate has expired" in page
    )


@pytest.mark.parametrize("text", ["", "AAAA", "PGE+", "not base64 at all", "x" * 300_000])
def test_rubbish(world: World, connect: SetUp, visitor: Browser, text: str) -> None:
    connect(world.contoso)
    visitor.enter_address("bob@contoso.example")
    answer = visitor.client.post(
        f"/accounts/sso/{world.contoso.id}/acs/", {"SAMLResponse": text}, follow=True
    )
    assert answer.status_code == 403 and "What Contoso Login told us" in words_of(answer)
    assert last_reason(world.contoso).startswith("malformed")


def test_strangers_cannot_tell_which_organizations_exist(
    world: World,
    connect: SetUp,
    set_up: SetUp,
    saml: SamlProvider,
    visitor: Browser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One has SAML, one OpenID Connect, one id is nobody's: all answer alike, and none has us fetch anything."""
    connect(world.contoso)
    set_up(world.fabrikam)
    long_ago = sso.find_provider(world.contoso)
    assert long_ago is not None
    read_long_ago(long_ago)
    monkeypatch.setattr("tenants.sso.get_bytes", lambda url: pytest.fail("fetched"))
    visitor.enter_address("bob@contoso.example")
    saml.roll(in_secret=True)
    claim = {"subject": "b", "address": "bob@contoso.example", "unsolicited": True}
    signed_by_somebody = saml.respond(visitor.leave(world.contoso), **claim)["SAMLResponse"]

    def answers(tenant_id: uuid.UUID) -> list[tuple[int, str, bytes]]:
        base, client = f"/accounts/sso/{tenant_id}", Client()
        scim = {"Authorization": "Bearer rsscim_of-somebody-else"}
        seen = [
            client.get(f"{base}/start/"),
            client.get(f"{base}/callback/?code=a&state=b"),
            client.get(f"{base}/callback/?error=a"),
            client.post(f"{base}/acs/", {"SAMLResponse": signed_by_somebody}),
            client.post(f"{base}/acs/"),
            client.get(f"{base}/acs/finish/?answer=a"),
            client.get(f"{base}/acs/finish/"),
            client.get(f"{base}/metadata/"),
            client.get(f"/t/{tenant_id}/scim/v2/Users", headers=scim),
            client.get(f"/t/{tenant_id}/scim/v2/ServiceProviderConfig"),
            client.get(f"/t/{tenant_id}/_wmcs/licensing"),
        ]
        return [
            (one.status_code, one.get("Location", "").replace(str(tenant_id), ""), _without(one, tenant_id))
            for one in seen
        ]

    nobody = answers(uuid.uuid4())
    assert answers(world.contoso.id) == nobody
    assert last_reason(world.contoso).startswith(("malformed", "bad_signature"))
    assert answers(world.fabrikam.id) == nobody


def _without(response: Any, tenant_id: uuid.UUID) -> bytes:
    """The page without what differs from one request, and from one second, to the next."""
    content: bytes = response.content.replace(str(tenant_id).encode(), b"")
    return re.sub(rb'name="csrfmiddlewaretoken" value="\w+"|validUntil="[^"]+"', b"", content)


def test_metadata_are_read_again_when_all_certificates_have_expired(
    world: World, connect: SetUp, saml: SamlProvider, visitor: Browser
) -> None:
    provider = connect(world.contoso)
    for certificate in provider.settings["certificates"]:
        certificate["not_after"] = "2026-01-02T00:00:00+00:00"
    read_long_ago(provider)
    assert walk(visitor, saml, world.contoso, subject="b", address="bob@contoso.example").status_code == 302


def test_xml_with_entities_is_not_read(
    world: World, connect: SetUp, saml: SamlProvider, set_up: SetUp
) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + saml.metadata.replace(b"/sso", b"/&x;")
    with pytest.raises(MetadataError):
        connect(world.contoso, metadata=bomb, metadata_url="")


def test_our_metadata_is_the_same_for_everybody(world: World, visitor: Browser) -> None:
    answer = visitor.client.get(f"/accounts/sso/{world.contoso.id}/metadata/")
    assert answer.status_code == 200 and b"AssertionConsumerService" in answer.content
    assert str(world.contoso.id).encode() in answer.content
