"""OpenID Connect against a real provider in a process of its own: the way in, and everything that must not be one."""

import time
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount

from audit.models import AdminEvent
from tenants import sso
from tenants.changes import Actor
from tenants.groups import create_group
from tenants.identity import Caller, standing_of
from tenants.invitations import invite
from tenants.models import (
    IdentityProvider,
    SuperUserAppointment,
    Tenant,
    User,
    VerifiedDomain,
)
from tenants.sign_on_reasons import SignOnRefusedError
from tests.conftest import PASSWORD, World
from tests.sign_on.conftest import LOGIN, Browser, OpenIDProvider, SetUp, words_of

pytestmark = pytest.mark.django_db


def walk(visitor: Browser, openid: OpenIDProvider, tenant: Any, address: str, subject: str) -> Any:
    """Address, provider, back; returns the last answer of ours."""
    visitor.enter_address(address, "/documents/")
    return visitor.come_back(openid.sign_in(visitor.leave(tenant), subject))


def last_reason(tenant: Any) -> str:
    return str(sso.find_provider(tenant).last_error)


def test_a_person_signs_in_and_is_bound(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser
) -> None:
    provider = set_up(world.contoso, use="enforced")
    openid.knows("bob-1", email="Bob@Contoso.example", name="Bob")
    page = visitor.enter_address("bob@contoso.example", "/documents/")
    assert page.status_code == 200 and f"/accounts/sso/{world.contoso.id}/start/" in page["Refresh"]
    back = openid.sign_in(visitor.leave(world.contoso), "bob-1")
    done = visitor.come_back(back)
    assert (done.status_code, done["Location"]) == (302, "/documents/")
    assert visitor.who() == "bob@contoso.example"
    assert SocialAccount.objects.get(user=world.person("bob")).provider == str(provider.id)
    # The same answer again, in the same browser and in another one, is worth nothing.
    for other in (visitor, Browser()):
        other.client.logout()
        assert other.come_back(back).status_code == 403
        assert other.who() == ""


def test_a_link_alone_begins_nothing(world: World, set_up: SetUp, visitor: Browser) -> None:
    set_up(world.contoso)
    answer = visitor.client.get(f"/accounts/sso/{world.contoso.id}/start/")
    assert answer["Location"] == LOGIN


def test_an_account_is_made_for_the_proven_domain_only_and_where_wanted(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser
) -> None:
    set_up(world.contoso)
    openid.knows("new-1", email="newcomer@contoso.example", name="New Comer")
    assert walk(visitor, openid, world.contoso, "newcomer@contoso.example", "new-1").status_code == 302
    made = User.objects.get(email="newcomer@contoso.example")
    assert made.tenant == world.contoso and made.name == "New Comer" and not made.has_usable_password()
    assert not EmailAddress.objects.get(user=made).verified, "vouched for, not proven by a code"
    assert made.email in standing_of(Caller.of(made), world.contoso.id).addresses
    assert AdminEvent.objects.filter(action="JoinBySignOn", target=made.email).count() == 1
    set_up(world.contoso, creates_accounts=False)
    openid.knows("new-2", email="second@contoso.example")
    assert walk(Browser(), openid, world.contoso, "second@contoso.example", "new-2").status_code == 403
    assert last_reason(world.contoso) == "not_created: second@contoso.example"
    assert not User.objects.filter(email="second@contoso.example").exists()


@pytest.mark.parametrize(
    "victim", ["alice@contoso.example", "erin@individual.example", "x@contoso.example.evil.example"]
)
def test_a_provider_never_speaks_for_foreign_addresses(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser, victim: str
) -> None:
    set_up(world.fabrikam)
    openid.knows("evil-1", email=victim, email_verified=True)
    refused = walk(visitor, openid, world.fabrikam, "dave@fabrikam.example", "evil-1")
    assert refused.status_code == 403 and victim not in words_of(refused)
    assert visitor.who() == "" and not SocialAccount.objects.exists()
    assert last_reason(world.fabrikam) == f"address_outside: {victim}"
    assert AdminEvent.objects.filter(tenant_id=world.fabrikam.id, action="SignOnRefused").count() == 1
    assert not AdminEvent.objects.filter(tenant_id=world.contoso.id, action="SignOnRefused").exists()
    # Nor for the account it spoke for yesterday, when it names another address today.
    openid.knows("dave-1", email="dave@fabrikam.example")
    assert walk(visitor, openid, world.fabrikam, "dave@fabrikam.example", "dave-1").status_code == 302
    openid.knows("dave-1", email=victim)
    assert walk(Browser(), openid, world.fabrikam, "dave@fabrikam.example", "dave-1").status_code == 403


def test_the_domain_is_looked_at_again_at_every_sign_in(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser
) -> None:
    set_up(world.contoso)
    openid.knows("bob-2", email="bob@contoso.example")
    assert walk(visitor, openid, world.contoso, "bob@contoso.example", "bob-2").status_code == 302
    again = Browser()
    again.enter_address("bob@contoso.example")
    back = openid.sign_in(again.leave(world.contoso), "bob-2")
    VerifiedDomain.objects.filter(domain="contoso.example").update(tenant=world.fabrikam)
    assert again.come_back(back).status_code == 403 and again.who() == ""
    assert last_reason(world.contoso) == "address_outside: bob@contoso.example"


def test_equal_subjects_of_two_organizations_are_two_people(
    world: World, set_up: SetUp, openid: OpenIDProvider
) -> None:
    for tenant, address in (
        (world.contoso, "bob@contoso.example"),
        (world.fabrikam, "dave@fabrikam.example"),
    ):
        set_up(tenant)
        openid.knows("same", email=address)
        visitor = Browser()
        assert walk(visitor, openid, tenant, address, "same").status_code == 302
        assert visitor.who() == address


def test_an_answer_for_one_organization_is_none_for_another(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser
) -> None:
    set_up(world.contoso)
    set_up(world.fabrikam)
    openid.knows("bob-3", email="bob@contoso.example")
    visitor.enter_address("bob@contoso.example")
    back = openid.sign_in(visitor.leave(world.contoso), "bob-3")
    mixed = back.replace(str(world.contoso.id), str(world.fabrikam.id))
    assert visitor.come_back(mixed).status_code == 403 and visitor.who() == ""


def test_a_reassigned_address_inherits_nothing_until_it_is_released(
    world: World, set_up: SetUp, openid: OpenIDProvider
) -> None:
    provider = set_up(world.contoso)
    openid.knows("bob-old", email="bob@contoso.example")
    openid.knows("bob-new", email="bob@contoso.example")
    assert walk(Browser(), openid, world.contoso, "bob@contoso.example", "bob-old").status_code == 302
    assert walk(Browser(), openid, world.contoso, "bob@contoso.example", "bob-new").status_code == 403
    assert last_reason(world.contoso) == "other_subject: bob@contoso.example"
    assert sso.release(provider, "bob@contoso.example", actor=world.person("alice"))
    assert walk(Browser(), openid, world.contoso, "bob@contoso.example", "bob-new").status_code == 302


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"suspended_at": "2026-01-01T00:00:00Z"}, "suspended"),
        ({"is_active": False}, "suspended"),
        ({"is_staff": True}, "outside_account"),
    ],
)
def test_whom_it_must_not_sign_in(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser, change: dict[str, Any], reason: str
) -> None:
    set_up(world.contoso)
    User.objects.filter(id=world.person("bob").id).update(**change)
    openid.knows("bob-4", email="bob@contoso.example")
    assert walk(visitor, openid, world.contoso, "bob@contoso.example", "bob-4").status_code == 403
    assert visitor.who() == "" and last_reason(world.contoso).startswith(reason)


def test_accounts_of_others_stay_theirs(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser
) -> None:
    """Dave of Fabrikam once proved an address at Contoso; Contoso's provider does not get his account by it."""
    set_up(world.contoso)
    dave = world.person("dave")
    EmailAddress.objects.create(user=dave, email="dave@contoso.example", verified=True)
    openid.knows("dave-2", email="dave@contoso.example")
    assert walk(visitor, openid, world.contoso, "dave@contoso.example", "dave-2").status_code == 403
    assert last_reason(world.contoso) == "outside_account: dave@contoso.example"
    # An address that somebody only added to their account keeps nobody out and lets nobody in.
    EmailAddress.objects.create(user=dave, email="fresh@contoso.example", verified=False)
    openid.knows("fresh-1", email="fresh@contoso.example")
    assert walk(visitor, openid, world.contoso, "fresh@contoso.example", "fresh-1").status_code == 302
    assert visitor.who() == "fresh@contoso.example"


def test_a_person_of_no_organization_joins(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser
) -> None:
    set_up(world.contoso)
    guest = User.objects.create_user("guest@contoso.example", PASSWORD, is_guest=True)
    EmailAddress.objects.create(user=guest, email=guest.email, verified=True, primary=True)
    squatter = User.objects.create_user("wanted@contoso.example", PASSWORD)
    EmailAddress.objects.create(user=squatter, email="squatter@individual.example", verified=False)
    for address in (guest.email, squatter.email):
        openid.knows(address, email=address)
        assert walk(Browser(), openid, world.contoso, address, address).status_code == 302
    guest.refresh_from_db()
    squatter.refresh_from_db()
    assert guest.tenant == squatter.tenant == world.contoso and not guest.is_guest
    assert guest.has_usable_password() and not squatter.has_usable_password()
    assert [a.email for a in squatter.emailaddress_set.all()] == [squatter.email]


def test_addresses_it_calls_not_verified(world: World, set_up: SetUp, openid: OpenIDProvider) -> None:
    set_up(world.contoso)
    openid.knows("bob-5", email="bob@contoso.example", email_verified=False)
    assert walk(Browser(), openid, world.contoso, "bob@contoso.example", "bob-5").status_code == 403
    assert last_reason(world.contoso) == "address_unverified: bob@contoso.example"
    set_up(world.contoso, trust_addresses=True)
    assert walk(Browser(), openid, world.contoso, "bob@contoso.example", "bob-5").status_code == 302
    openid.knows("none", name="No address")
    assert walk(Browser(), openid, world.contoso, "bob@contoso.example", "none").status_code == 403
    assert last_reason(world.contoso) == "address_missing"


def test_the_person_says_no(world: World, set_up: SetUp, visitor: Browser) -> None:
    from urllib.parse import parse_qs, urlsplit

    set_up(world.contoso)
    visitor.enter_address("bob@contoso.example")
    state = parse_qs(urlsplit(visitor.leave(world.contoso)).query)["state"][0]
    path = f"http://testserver/accounts/sso/{world.contoso.id}/callback/"
    refused = visitor.come_back(
        f"{path}?state={state}&error=access_denied&error_description=<b>ask+mallory</b>"
    )
    assert refused.status_code == 403 and "mallory" not in words_of(refused)
    assert last_reason(world.contoso) == "refused_there: access_denied"


def test_joining_fills_no_group_that_needs_a_second_administrator(
    world: World, set_up: SetUp, openid: OpenIDProvider
) -> None:
    set_up(world.contoso)
    alice = Actor.of(world.person("alice"))
    editors, readers = (create_group(world.contoso, name, actor=alice) for name in ("Editors", "All readers"))
    invite(world.contoso, "new@contoso.example", actor=alice, groups=[editors, readers])
    SuperUserAppointment.objects.create(
        tenant=world.contoso, group=readers, reason="search", appointed_by="alice"
    )
    Tenant.objects.filter(id=world.contoso.id).update(super_users_need_approval=True)
    openid.knows("new", email="new@contoso.example")
    assert walk(Browser(), openid, world.contoso, "new@contoso.example", "new").status_code == 302
    new = User.objects.get(email="new@contoso.example")
    assert [member.group for member in new.memberships.select_related("group")] == [editors]
    row = AdminEvent.objects.get(action="AddToGroup")
    assert (row.target, row.after) == ("Editors", {"people": ["new@contoso.example"]})


def test_the_provider_asks_anew_before_something_dangerous(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser
) -> None:
    set_up(world.contoso)
    openid.knows("nora", email="nora@contoso.example")
    walk(visitor, openid, world.contoso, "nora@contoso.example", "nora")
    page = visitor.client.get("/sign-in-again/?next=/profile/")
    assert "Contoso Login" in words_of(page) and visitor.who() == "nora@contoso.example"
    address = visitor.leave(world.contoso)
    assert "prompt=login&max_age=0" in address
    # A provider that keeps its own session may send them back without asking: it has to say when they signed in.
    for ago, reason in ((None, "no_proof_time"), (3600, "not_fresh: 20"), ("yesterday", "no_proof_time")):
        when = int(time.time()) - ago if isinstance(ago, int) else ago
        openid.knows("nora", email="nora@contoso.example", auth_time=when)
        refused = visitor.come_back(openid.sign_in(address, "nora"))
        assert refused.status_code == 403 and last_reason(world.contoso).startswith(reason)
        address = visitor.leave(world.contoso)
    openid.knows(
        "nora", email="nora@contoso.example", auth_time=int(time.time()) - 30
    )  # clocks differ a little
    assert visitor.come_back(openid.sign_in(address, "nora"))["Location"] == "/profile/"
    assert visitor.who() == "nora@contoso.example"


@pytest.mark.parametrize(("ago", "asked"), [(None, True), (3600, True), (0, False)])
def test_coming_by_the_provider_proves_no_more_than_it_says(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser, ago: int | None, asked: bool
) -> None:
    """Signing out and coming back by the provider's own session is no way around being asked anew."""
    set_up(world.contoso)
    when = None if ago is None else int(time.time()) - ago
    openid.knows("alice", email="alice@contoso.example", auth_time=when)
    assert walk(visitor, openid, world.contoso, "alice@contoso.example", "alice").status_code == 302
    dangerous = visitor.client.get("/keys/bring/")
    assert ("/sign-in-again/" in dangerous.get("Location", "")) is asked


def test_the_secret_is_sealed_and_goes_to_its_own_provider_only(world: World, set_up: SetUp) -> None:
    provider = set_up(world.contoso)
    assert sso.client_secret(provider) == "s3cret:with/odd&signs"
    assert b"s3cret" not in bytes(provider.sealed_secret)
    assert "s3cret" not in str(AdminEvent.objects.values_list("before", "after"))
    other = set_up(world.fabrikam)
    other.sealed_secret = provider.sealed_secret
    with pytest.raises(SignOnRefusedError):
        sso.client_secret(other)
    kept = set_up(world.contoso, client_secret="", name="Renamed")
    assert sso.client_secret(kept) == "s3cret:with/odd&signs" and kept.tested_at is not None
    IdentityProvider.objects.filter(id=kept.id).update(
        settings={**kept.settings, "issuer": "http://127.0.0.1:9/"}
    )
    with pytest.raises(sso.SignOnSettingsError):
        set_up(world.contoso, client_secret="")


def test_signing_out_there_too(world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser) -> None:
    set_up(world.contoso)
    openid.knows("bob-6", email="bob@contoso.example")
    walk(visitor, openid, world.contoso, "bob@contoso.example", "bob-6")
    page = visitor.client.post("/accounts/logout/").content.decode()
    assert f"{openid.issuer}/oauth2/end_session?id_token_hint=" in page and visitor.who() == ""
