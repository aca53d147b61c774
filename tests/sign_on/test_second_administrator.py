"""An identity provider that one administrator set up alone, where the organization demands two for super users."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tenants import sso
from tenants.changes import ChangeRefusedError
from tenants.models import IdentityProvider, OutgoingMail, RoleAssignment, Tenant, User
from tests.conftest import World
from tests.sign_on.conftest import BACKEND, LOGIN, Browser, SetUp, words_of

pytestmark = pytest.mark.django_db
Use = IdentityProvider.Use


@pytest.fixture
def contoso(world: World) -> Tenant:
    """Alice administers; two are demanded."""
    Tenant.objects.filter(id=world.contoso.id).update(super_users_need_approval=True)
    world.contoso.refresh_from_db()
    return world.contoso


def make_admin(person: User, *, hours: int) -> User:
    assert person.tenant is not None
    RoleAssignment.objects.create(
        tenant=person.tenant,
        user=person,
        role=RoleAssignment.Role.GLOBAL_ADMIN,
        since=timezone.now() - timedelta(hours=hours),
    )
    return person


def refusal(provider: IdentityProvider, actor: User, use: str = "optional") -> str:
    with pytest.raises(ChangeRefusedError) as refused:
        sso.set_use(provider, use, actor=actor)
    return refused.value.code


def in_use(tenant: Tenant) -> str:
    found = sso.find_provider(tenant)
    assert found is not None
    return found.use


def test_another_administrator_puts_it_into_use(world: World, contoso: Tenant, set_up: SetUp) -> None:
    alice, bob = world.person("alice"), make_admin(world.person("bob"), hours=25)
    provider = set_up(contoso, use="off")
    assert "until another global administrator has looked at it" in OutgoingMail.objects.latest("id").text
    assert refusal(provider, alice) == "same_person"
    sso.set_use(provider, "optional", actor=bob)
    assert in_use(contoso) == Use.OPTIONAL
    # What two have seen is known: whoever set it up may switch it off and on.
    sso.set_use(provider, "off", actor=alice)
    sso.set_use(provider, "optional", actor=alice)
    assert in_use(contoso) == Use.OPTIONAL


def test_who_has_the_role_since_yesterday_only_is_no_second(
    world: World, contoso: Tenant, set_up: SetUp
) -> None:
    make_admin(world.person("bob"), hours=25)
    carol = make_admin(world.person("carol"), hours=23)
    assert refusal(set_up(contoso, use="off"), carol) == "too_new"


@pytest.mark.parametrize(
    ("change", "use"),
    [
        ({"client_id": "another"}, Use.OFF),
        ({"client_secret": "another"}, Use.OFF),
        ({"client_secret": "", "trust_addresses": True}, Use.OFF),
        ({"client_secret": "", "name": "Renamed"}, Use.OPTIONAL),
    ],
)
def test_a_change_switches_it_off_until_then(
    world: World, contoso: Tenant, set_up: SetUp, visitor: Browser, change: dict[str, Any], use: str
) -> None:
    alice, bob = world.person("alice"), make_admin(world.person("bob"), hours=25)
    sso.set_use(set_up(contoso, use="off"), "optional", actor=bob)
    provider = set_up(contoso, use="off", **change)
    assert in_use(contoso) == use
    if use == Use.OFF:
        assert refusal(provider, alice) == "same_person"
        visitor.enter_address("bob@contoso.example")
        assert visitor.client.get(f"/accounts/sso/{contoso.id}/start/")["Location"] == LOGIN


def test_whoever_is_alone_waits_a_day(world: World, contoso: Tenant, set_up: SetUp) -> None:
    alice = world.person("alice")
    provider = set_up(contoso, use="off")
    assert refusal(provider, alice) == "too_early"
    long_ago = timezone.now() - timedelta(hours=24)
    IdentityProvider.objects.filter(id=provider.id).update(set_up_at=long_ago)
    sso.set_use(provider, "optional", actor=alice)
    assert in_use(contoso) == Use.OPTIONAL


def test_the_page_and_the_api_say_so(world: World, contoso: Tenant, set_up: SetUp, device: Any) -> None:
    make_admin(world.person("bob"), hours=25)
    set_up(contoso, use="off")
    path = "/api/v1/identity-provider/"
    alice = device("alice")
    assert alice.get(path).json()["waits_for_second"] is True
    refused = alice.client.patch(
        path,
        {"use": "optional"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {alice.token}"},
    )
    assert refused.status_code == 409 and "Somebody else has to approve" in refused.content.decode()
    pages = {}
    for name in ("alice", "bob"):
        client = pages[name] = Client()
        client.force_login(world.person(name), backend=BACKEND)
        assert "Waits for another administrator" in words_of(client.get("/settings/sign-in/"))
    shown = pages["alice"].post("/settings/sign-in/use/", {"use": "optional"}, follow=True)
    assert "Somebody else has to approve" in words_of(shown) and in_use(contoso) == Use.OFF
    shown = pages["bob"].post("/settings/sign-in/use/", {"use": "optional"}, follow=True)
    assert "Waits for another" not in words_of(shown) and in_use(contoso) == Use.OPTIONAL
    # Where no second one is demanded, and of which the other organization hears nothing, all is as it was.
    assert set_up(world.fabrikam).use == Use.OPTIONAL
    assert device("mallory").get(path).json()["waits_for_second"] is False
