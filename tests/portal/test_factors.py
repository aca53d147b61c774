"""Second factors: sealed at rest, asked for at sign-in, demanded by policy, reset by support within bounds."""

import json
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.db import transaction
from django.test import Client

from audit.models import AdminEvent
from tenants.factors import people_without
from tenants.freshness import forget_facts
from tenants.models import OutgoingMail, RoleAssignment, Tenant, User
from tests.conftest import PASSWORD, World, make_token
from tests.portal.conftest import Browse
from tests.portal.test_fresh_sign_in import age_sign_in

LOGIN = "/accounts/login/"
ACTIVATE = "/accounts/2fa/totp/activate/"


def code(secret: str, *, steps: int = 1) -> str:
    """What the app shows, in its next half minute unless told otherwise. The one before and the one after are accepted
    too, so this one stays good should a half minute end meanwhile, and is not the one that the app was set up with."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def set_up_app(client: Client) -> str:
    client.get(ACTIVATE)
    secret: str = client.session["mfa.totp.secret"]
    done = client.post(ACTIVATE, {"code": code(secret, steps=0)})
    assert (done.status_code, done["Location"]) == (302, "/accounts/2fa/recovery-codes/")
    return secret


def password_step(client: Client, name: str = "bob") -> Any:
    return client.post(LOGIN, {"login": f"{name}@contoso.example", "password": PASSWORD})


def recovery_codes(client: Client) -> list[str]:
    found: list[str] = client.get("/accounts/2fa/recovery-codes/").context["unused_codes"]
    return found


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_an_app_is_asked_for_from_then_on(
    browse: Browse, world: World, django_capture_on_commit_callbacks: Any
) -> None:
    bob = browse("bob")
    with django_capture_on_commit_callbacks(execute=True):
        secret = set_up_app(bob)
    stored = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored and not any(one in stored for one in recovery_codes(bob))
    assert OutgoingMail.objects.filter(to="bob@contoso.example", subject="A second factor was added").exists()
    client = browse("")
    assert password_step(client)["Location"].startswith("/accounts/2fa/authenticate/")
    assert not signed_in(client)
    wrong = client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert wrong.status_code == 200 and not signed_in(client)
    used = code(secret)
    client.post("/accounts/2fa/authenticate/", {"code": used})
    assert signed_in(client)
    again = browse("")
    password_step(again)
    again.post("/accounts/2fa/authenticate/", {"code": used})
    assert not signed_in(again), "a code works once"


def test_a_recovery_code_works_once(browse: Browse, world: World) -> None:
    bob = browse("bob")
    set_up_app(bob)
    one = recovery_codes(bob)[0]
    for allowed in (True, False):
        client = browse("")
        password_step(client)
        client.post("/accounts/2fa/authenticate/", {"code": one})
        assert signed_in(client) is allowed
    assert one not in recovery_codes(bob) and len(recovery_codes(bob)) == 9
    assert one.encode() not in bob.get("/accounts/2fa/recovery-codes/download/").content


@pytest.mark.parametrize("path", [ACTIVATE, "/accounts/2fa/webauthn/add/"])
def test_changing_factors_needs_a_fresh_sign_in(browse: Browse, path: str) -> None:
    bob = browse("bob")
    assert bob.get(path).status_code == 200
    age_sign_in(bob, 3600)
    assert bob.get(path)["Location"].startswith("/accounts/reauthenticate/")


def test_removing_the_app(browse: Browse, world: World) -> None:
    bob = browse("bob")
    set_up_app(bob)
    assert bob.get("/accounts/2fa/totp/deactivate/").status_code == 200
    bob.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.exists()
    client = browse("")
    password_step(client)
    assert signed_in(client)


def commit_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what waits for a commit run inside the request, as on a server: a test's transaction never commits."""
    monkeypatch.setattr(transaction, "on_commit", lambda work, **options: work())


def test_the_policy_leads_to_setting_up(
    browse: Browse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_at_once(monkeypatch)
    alice, bob = browse("alice"), browse("bob")
    assert people_without(world.contoso, Tenant.SecondFactor.ADMINS) == 1
    assert people_without(world.contoso, Tenant.SecondFactor.EVERYONE) == 3
    page = alice.get("/settings/security/").content.decode()
    assert "1 person with a role has no second factor yet." in page
    alice.post("/settings/security/", {"second_factor": "admins"})
    assert alice.get("/people/")["Location"] == "/accounts/2fa/"
    assert bob.get("/documents/").status_code == 200
    for path in ("/identity/o/device", "/identity/o/authorize?client_id=rightskeep", "/api/v1/schema/"):
        assert alice.get(path)["Location"] == "/accounts/2fa/", path
    assert "Contoso asks for a second factor" in alice.get("/accounts/2fa/").content.decode()
    older = browse("alice")
    secret = set_up_app(alice)
    # A session that is older than the factor has to use it; till then it cannot even take the factor away.
    for path in ("/people/", "/accounts/2fa/totp/deactivate/", "/accounts/password/change/"):
        assert older.get(path)["Location"].startswith("/accounts/2fa/reauthenticate/?next="), path
    proven = older.post("/accounts/2fa/reauthenticate/?next=/people/", {"code": code(secret)})
    assert (proven.status_code, proven["Location"]) == (302, "/people/")
    assert older.get("/people/").status_code == 200
    assert alice.get("/people/").status_code == 200
    alice.post("/settings/security/", {"second_factor": "everyone"})
    assert bob.get("/documents/")["Location"] == "/accounts/2fa/"
    assert bob.post("/accounts/logout/").status_code == 302
    event = AdminEvent.objects.filter(action="SetSecondFactorPolicy").order_by("id").first()
    assert event is not None and event.tenant_id == world.contoso.id


def test_only_administrators_set_the_policy(browse: Browse, world: World) -> None:
    assert browse("bob").get("/settings/security/").status_code == 403
    alice = browse("alice")
    assert alice.post("/settings/security/", {"second_factor": "nobody"}).status_code == 400
    age_sign_in(alice, 3600)
    assert alice.post("/settings/security/", {"second_factor": "everyone"}).status_code == 302
    world.contoso.refresh_from_db()
    assert world.contoso.second_factor == "optional"


def make_support(world: World, name: str) -> None:
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person(name), role="support")


def reset(client: Client, person: User) -> Any:
    return client.post(f"/people/{person.id}/reset-factors/")


def test_support_resets_whoever_lost_theirs(browse: Browse, world: World) -> None:
    bob = browse("")
    password_step(bob)
    set_up_app(bob)
    make_support(world, "carol")
    token = make_token(world.person("bob"))
    page = browse("carol").get(f"/people/{world.person('bob').id}/reset-factors/")
    assert "All their browsers and programs are signed out" in page.content.decode()
    assert reset(browse("carol"), world.person("bob")).status_code == 302
    assert not Authenticator.objects.exists()
    assert bob.get("/documents/").status_code == 302, "signed out"
    forget_facts()
    whoami = browse("").get("/api/v1/whoami/", headers={"Authorization": f"Bearer {token}"})
    assert whoami.status_code == 401, "programs too"
    assert OutgoingMail.objects.filter(
        to="bob@contoso.example", text__contains="carol@contoso.example"
    ).exists()
    event = AdminEvent.objects.get(action="ResetSecondFactors")
    assert event.tenant_id == world.contoso.id and "secret" not in str(event.before)


def test_support_does_not_reset_who_holds_power(browse: Browse, world: World) -> None:
    set_up_app(browse("alice"))
    make_support(world, "carol")
    make_support(world, "bob")
    reset(browse("carol"), world.person("alice"))
    reset(browse("carol"), world.person("bob"))
    reset(browse("mallory"), world.person("alice"))
    assert Authenticator.objects.filter(user=world.person("alice")).exists()
    assert reset(browse("mallory"), world.person("alice")).status_code == 404
    assert not AdminEvent.objects.filter(action="ResetSecondFactors").exists()
