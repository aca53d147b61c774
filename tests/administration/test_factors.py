"""Second factors by API, and what a document that asks people outside for one does."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from administration.devices import SCOPES
from licensing.wire import OUTSIDERS_NEED_FACTOR
from tenants.freshness import forget_facts
from tenants.identity import SECOND_FACTOR
from tests.conftest import Device, World, make_token
from tests.portal.test_factors import commit_at_once, set_up_app

pytestmark = pytest.mark.django_db
POLICY = "/api/v1/organization/second-factor/"


def call(world: World, name: str, method: str, path: str, **body: Any) -> Any:
    token = make_token(world.person(name), scopes=(*SCOPES, SECOND_FACTOR))
    headers = {"Authorization": f"Bearer {token}"}
    return getattr(Client(), method)(path, body or None, content_type="application/json", headers=headers)


def test_the_policy_by_api(world: World) -> None:
    assert call(world, "bob", "get", POLICY).status_code == 403
    shown = call(world, "alice", "get", POLICY).json()
    assert shown == {"second_factor": "optional", "admins_without": 1, "people_without": 3}
    assert call(world, "alice", "put", POLICY, second_factor="admins").json()["second_factor"] == "admins"
    assert call(world, "alice", "put", POLICY, second_factor="x").status_code == 400
    world.contoso.refresh_from_db()
    assert world.contoso.second_factor == "admins"


def test_resetting_by_api(world: World) -> None:
    bob = world.person("bob")
    Authenticator.objects.create(user=bob, type="totp", data={})
    path = f"/api/v1/people/{bob.id}/reset-factors/"
    assert call(world, "carol", "post", path).status_code == 403
    assert call(world, "mallory", "post", path).status_code == 404
    assert call(world, "alice", "post", path).json() == {"removed": 1}
    assert call(world, "alice", "post", path).json() == {"removed": 0}


@pytest.fixture
def demanding(device: Callable[[str], Device]) -> str:
    """For everybody who signs in; people outside need a second factor."""
    answer = device("bob").protect_for(("anyone", ["VIEW"]), OutsidersNeedSecondFactor=True)
    license: str = answer["SerializedPublishingLicense"]
    return license


def test_people_outside_open_with_a_second_factor_only(
    world: World, device: Callable[[str], Device], demanding: str
) -> None:
    assert device("carol").open(demanding)["AccessStatus"] == "AccessGranted", "of the organization"
    assert device("bob").open(demanding)["AccessStatus"] == "AccessGranted"
    for name in ("dave", "erin"):
        refused = device(name).open(demanding)
        assert (refused["AccessStatus"], refused["Reason"]) == ("AccessDenied", "second factor")
        assert refused["SetUpAt"].endswith("/accounts/2fa/") and "Key" not in refused
        factor = Authenticator.objects.create(user=world.person(name), type="recovery_codes", data={})
        forget_facts()
        assert device(name).open(demanding)["AccessStatus"] == "AccessDenied"
        factor.type = "totp"
        factor.save()
        forget_facts()
        assert device(name).open(demanding)["AccessStatus"] == "AccessDenied", "has one, and did not use it"
        marked = device(name)
        marked.token = make_token(world.person(name), scopes=(*SCOPES, SECOND_FACTOR))
        granted = marked.open(demanding)
        assert granted["AccessStatus"] == "AccessGranted"
        assert granted["SignedApplicationData"] == {OUTSIDERS_NEED_FACTOR: "true"}


def test_a_browser_has_to_have_used_it(world: World, demanding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_at_once(monkeypatch)
    used, other = Client(), Client()
    for browser in (used, other):
        browser.force_login(
            world.person("dave"), backend="allauth.account.auth_backends.AuthenticationBackend"
        )
    set_up_app(used)

    def opened(client: Client) -> str:
        body = {"SerializedPublishingLicense": demanding}
        answer = client.post("/open/license/", body, content_type="application/json")
        return str(answer.json()["AccessStatus"])

    assert (opened(used), opened(other)) == ("AccessGranted", "AccessDenied")
    assert "/accounts/2fa/reauthenticate/?next=%2Fopen%2F" in other.get("/open/").content.decode()


def test_strangers_learn_nothing_of_the_demand(device: Callable[[str], Device]) -> None:
    bob = device("bob")
    license = bob.protect_for(("carol@contoso.example", ["VIEW"]), OutsidersNeedSecondFactor=True)
    refused = device("dave").open(license["SerializedPublishingLicense"])
    assert refused["AccessStatus"] == "AccessDenied" and "Reason" not in refused and "SetUpAt" not in refused
