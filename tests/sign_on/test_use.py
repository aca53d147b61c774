"""How an organization uses its provider: tested first, beside passwords, or as the only way in."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.utils import timezone

from audit.models import AdminEvent
from tenants import sso
from tenants.models import (
    IdentityProvider,
    Invitation,
    OutgoingMail,
    User,
)
from tenants.tokens import hash_token
from tests.conftest import PASSWORD, World
from tests.sign_on.conftest import BACKEND, LOGIN, Browser, OpenIDProvider, SetUp, words_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("use", ["enforced", "optional"])
def test_passwords_where_the_provider_is_the_only_way_in(
    world: World, set_up: SetUp, visitor: Browser, use: str
) -> None:
    set_up(world.contoso, use=use)
    enforced = use == "enforced"
    right = visitor.client.post(LOGIN, {"login": "bob@contoso.example", "password": PASSWORD})
    assert right.status_code == (200 if enforced else 302)
    if not enforced:
        return
    wrong = visitor.client.post(LOGIN, {"login": "bob@contoso.example", "password": "not this one"})
    admin = visitor.client.post(LOGIN, {"login": "alice@contoso.example", "password": "not this one"})
    for refused in (right, wrong, admin):
        assert "signs in with Contoso Login" in words_of(refused)
    alias = world.person("bob")
    EmailAddress.objects.create(user=alias, email="bob@private.example", verified=True)
    by_alias = visitor.client.post(LOGIN, {"login": "bob@private.example", "password": PASSWORD})
    assert by_alias.status_code == 200 and visitor.who() == ""
    for path in ("/accounts/signup/", "/accounts/password/reset/"):
        answer = visitor.client.post(path, {"email": "bob@contoso.example", "password1": PASSWORD})
        assert answer.status_code == 200 and "signs in with Contoso Login" in words_of(answer)
    # The way back in when the provider is out of order, in the log.
    let_in = visitor.client.post(LOGIN, {"login": "alice@contoso.example", "password": PASSWORD})
    assert let_in.status_code == 302 and visitor.who() == "alice@contoso.example"
    assert AdminEvent.objects.filter(action="SignInBesideSignOn", actor="alice@contoso.example").count() == 1
    assert (
        Browser().client.post(LOGIN, {"login": "dave@fabrikam.example", "password": PASSWORD}).status_code
        == 302
    )


def test_no_way_around_the_only_way_in(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser
) -> None:
    """By an account made before the organization came, by an alias of another account, by an invitation."""
    provider = set_up(world.contoso, use="enforced")
    told = OutgoingMail.objects.filter(to="alice@contoso.example", subject__contains="single sign-on changed")
    assert told.count() == 2, "set up, and made the only way in"
    alone = User.objects.create_user("alone@contoso.example", PASSWORD)
    EmailAddress.objects.create(user=alone, email=alone.email, verified=True, primary=True)
    refused = visitor.client.post(LOGIN, {"login": alone.email, "password": PASSWORD})
    assert "signs in with Contoso Login" in words_of(refused) and visitor.who() == ""
    visitor.client.force_login(world.person("erin"), backend=BACKEND)
    alias = visitor.client.post("/accounts/email/", {"action_add": "", "email": "erin@contoso.example"})
    assert "signs in with Contoso Login" in words_of(alias)
    invited = Invitation.objects.create(
        tenant=world.contoso, email="new@contoso.example", token_hash=hash_token("link"), invited_by="alice",
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    browser = Browser()
    accepted = browser.client.post("/invitation/link/", {"name": "New", "password": "a rather long one"})
    assert "Contoso Login" in words_of(accepted) and browser.who() == ""
    assert User.objects.get(email=invited.email).tenant == provider.tenant


def test_optional_offers_both(world: World, set_up: SetUp, visitor: Browser) -> None:
    set_up(world.contoso)
    page = words_of(visitor.enter_address("bob@contoso.example"))
    assert "Continue with Contoso Login" in page and "Password" in page
    other = words_of(visitor.enter_address("dave@fabrikam.example"))
    assert "Contoso" not in other and "Password" in other


def test_the_test_of_an_admin_changes_nothing(
    world: World, set_up: SetUp, openid: OpenIDProvider, visitor: Browser
) -> None:
    provider = set_up(world.contoso, use="off")
    visitor.client.force_login(world.person("alice"), backend=BACKEND)
    openid.knows("test-1", email="never@contoso.example", department="Sales")

    def try_it(subject: str) -> str:
        assert visitor.client.post("/settings/sign-in/test/").status_code == 200
        done = visitor.come_back(openid.sign_in(visitor.leave(world.contoso), subject))
        assert done["Location"] == "/settings/sign-in/"
        return words_of(visitor.client.get("/settings/sign-in/"))

    page = try_it("test-1")
    assert "never@contoso.example would be signed in" in page and "An account would be made" in page
    assert (
        not User.objects.filter(email="never@contoso.example").exists() and not SocialAccount.objects.exists()
    )
    assert visitor.who() == "alice@contoso.example"
    provider.refresh_from_db()
    assert provider.tested_at is not None
    openid.knows("test-2", email="never@fabrikam.example")
    assert "whose domain your organization has not proven: never@fabrikam.example" in try_it("test-2")
    # While it is off, nobody else gets through.
    stranger = Browser()
    stranger.enter_address("bob@contoso.example")
    assert stranger.client.get(f"/accounts/sso/{world.contoso.id}/start/")["Location"] == LOGIN


def test_the_only_way_in_needs_a_good_test_of_the_setup_as_it_is(world: World, set_up: SetUp) -> None:
    alice = world.person("alice")
    provider = set_up(world.contoso, use="off")
    with pytest.raises(sso.SignOnSettingsError):
        sso.set_use(provider, "enforced", actor=alice)
    provider = set_up(world.contoso, use="enforced")
    provider = set_up(world.contoso, use="off", client_id="another")
    assert provider.use == IdentityProvider.Use.OPTIONAL and provider.tested_at is None
    alice.set_unusable_password()
    alice.save()
    sso.record_test(provider, actor=alice, address=alice.email)
    with pytest.raises(sso.SignOnSettingsError):
        sso.set_use(provider, "enforced", actor=alice)
