"""The operators' site: everything to be seen, nothing to be changed behind the log's back, no secret anywhere."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client as OidcClient
from allauth.idp.oidc.models import Token
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from administration.models import IdempotencyRecord, OrganizationExport
from administration.removal import request_removal
from audit.admin import CappedPaginator
from audit.aggregation import aggregate
from audit.models import AdminEvent, ClientLog, UsageEvent
from audit.recording import Usage, record_usage
from keys.custody import oidc_signing_key
from keys.incidents import open_incident, record_step
from keys.models import ImportKey, InstallationKey, KeyExport, KeyNotice, KeyPolicy, KeyVersion, WrappingKey
from keys.schedule import replan
from keys.uses import count_uses
from policies.models import ProtectionLimits
from tenants.models import (
    DirectoryEntry,
    DomainClaim,
    Group,
    GroupNesting,
    IdentityProvider,
    Invitation,
    OrganizationInvitation,
    ScimToken,
    ServicePrincipal,
    StatedAddress,
    SuperUserAppointment,
    SuperUserNotice,
    Tenant,
    User,
)
from tenants.outbox import queue_mail
from tests.audit.rows import add_rows, seconds
from tests.conftest import PASSWORD, Device, World
from tests.portal.conftest import Clock, clock  # noqa: F401  # a fixture
from tracking.models import Destruction, Document, Resealing, UnregisteredDocument
from tracking.overrides import change_access

CLIENT_SECRET = "pbkdf2_random$1$salt$hash-of-a-client-secret"
PAGES = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def operator(world: World) -> Client:
    User.objects.create_superuser("operator@rightskeep.example", PASSWORD)
    client = Client()
    page = "/operator/login/?next=/operator/"
    response = client.post(page, {"username": "operator@rightskeep.example", "password": PASSWORD})
    assert (response.status_code, response.headers["Location"]) == (302, "/operator/")
    return client


@pytest.fixture
def rows(world: World, device: Any) -> None:
    """At least one row in every table."""
    bob: Device = device("bob")
    bob.protect_for(("dave@fabrikam.example", ["VIEW"]))
    record_usage(Usage(tenant_id=None, request_type="Certify", result="Success"))
    aggregate()
    oidc_signing_key()
    carol = world.person("carol")
    add_people(world, carol)
    add_keys(world, carol)
    add_machines(world, carol)
    OrganizationExport.objects.create(tenant=world.contoso, requested_by="alice@contoso.example")
    ProtectionLimits.objects.create(tenant=world.contoso)
    change_access(Document.objects.get(), {"erin@individual.example": ["VIEW"]}, actor=carol, reason="asked")
    request_removal(world.fabrikam, reason="merged", actor=None)


def add_people(world: World, carol: User) -> None:
    later = timezone.now() + timedelta(days=1)
    sales = Group.objects.get(name="Sales")
    everybody = Group.objects.create(tenant=world.contoso, name="Everybody")
    GroupNesting.objects.create(parent=everybody, child=sales)
    SuperUserAppointment.objects.create(
        tenant=world.contoso, user=carol, reason="audit", appointed_by="alice"
    )
    SuperUserNotice.objects.create(last_id=1)
    DomainClaim.objects.create(tenant=world.contoso, domain="contoso.test")
    StatedAddress.objects.create(tenant=world.contoso, user=carol, address="carol@elsewhere.example")
    DirectoryEntry.objects.create(tenant=world.contoso, user=carol, user_name="carol")
    IdentityProvider.objects.create(
        tenant=world.contoso, kind="oidc", name="Contoso", sealed_secret=b"a sealed client secret"
    )
    Invitation.objects.create(
        tenant=world.contoso,
        email="new@contoso.example",
        token_hash="hash-of-an-invitation",
        expires_at=later,
    )
    OrganizationInvitation.objects.create(
        email="new@example.org", token_hash="hash-of-a-sign-up", expires_at=later
    )
    ScimToken.objects.create(tenant=world.contoso, name="directory", token_hash="hash-of-a-scim-token")
    queue_mail("new@contoso.example", subject="Welcome", text="a code in a mail")
    Authenticator.objects.create(user=carol, type="totp", data={"secret": "a sealed secret of an app"})
    UserSession.objects.create(
        user=carol, ip="203.0.113.9", session_key="key-of-a-session", user_agent="curl/8"
    )


def add_keys(world: World, carol: User) -> None:
    later = timezone.now() + timedelta(days=1)
    key = KeyVersion.objects.for_tenant(world.contoso).get()
    replan()
    KeyNotice.objects.create(tenant=world.contoso, key=key, kind="too_old", since=key.created_at)
    count_uses()
    alice = world.person("alice")
    incident = open_incident(world.contoso, key, "leaked", reason="lost", actor=alice)
    record_step(incident, "tell", actor=alice, facts={})
    Resealing.objects.create(tenant=world.contoso, key=key, requested_by="alice@contoso.example")
    UnregisteredDocument.objects.create(tenant=world.contoso, key=key, content_id=key.id)
    Destruction.objects.create(
        tenant=world.contoso, key=key, reason="leaked", asked_by="alice", asked_by_id=carol.id, grace_days=7
    )
    KeyPolicy.objects.create(tenant=world.contoso, place="software")
    ImportKey.objects.create(
        tenant=world.contoso,
        modulus=b"m",
        sealed_private=b"a sealed import key",
        created_by="alice",
        expires_at=later,
    )
    KeyExport.objects.create(
        tenant=world.contoso,
        recipient_modulus=b"m",
        recipient_fingerprint="ab" * 32,
        keys=[],
        requested_by="alice",
        expires_at=later,
    )


def add_machines(world: World, carol: User) -> None:
    client = OidcClient.objects.create(id="gateway", name="Gateway", secret=CLIENT_SECRET)
    ServicePrincipal.objects.create(tenant=world.contoso, name="gateway", client=client)
    ClientLog.objects.create(tenant_id=world.contoso.id, kind="debug", body="what the device said")
    IdempotencyRecord.objects.create(
        tenant=world.contoso,
        person_id=carol.id,
        key_hash="hash-of-an-idempotency-key",
        request="POST /api/v1/groups/",
        digest="digest-of-a-request",
        body="a kept answer",
    )


def address(model: type[models.Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def secrets_in_the_database() -> list[str]:
    secrets: list[str] = [user.password for user in User.objects.all()]
    secrets += [token.hash for token in Token.objects.all()]
    secrets += [client.secret for client in OidcClient.objects.exclude(secret="")]
    secrets += [
        row.token_hash
        for model in (Invitation, OrganizationInvitation, ScimToken)
        for row in model.objects.all()
    ]
    secrets += ["a sealed client secret", b"a sealed client secret".hex(), "a code in a mail"]
    secrets += ["a sealed secret of an app", "key-of-a-session"]
    secrets += ["hash-of-an-idempotency-key", "digest-of-a-request", "a kept answer"]
    for model, column in (
        (KeyVersion, "sealed_private"),
        (InstallationKey, "sealed_private"),
        (ImportKey, "sealed_private"),
        (WrappingKey, "sealed"),
    ):
        for (blob,) in model._default_manager.values_list(column):
            secrets += [bytes(blob or b"").hex()[:40], repr(bytes(blob or b""))[2:40]]
    return secrets


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.label)
def test_every_table_is_shown_and_none_can_be_changed(
    model: type[models.Model], operator: Client, rows: None
):
    instance = model._default_manager.first()
    assert instance is not None
    for page in (
        address(model, "changelist"),
        address(model, "changelist") + "?q=o",
        address(model, "change", instance.pk),
    ):
        response = operator.get(page)
        assert response.status_code == 200, page
        text = response.content.decode()
        assert [secret for secret in secrets_in_the_database() if secret in text] == []
    assert (
        operator.get(address(model, "changelist") + "?q=11111111-2222-4333-8444-555555555555").status_code
        == 200
    )
    assert operator.get(address(model, "add")).status_code == 403
    assert operator.post(address(model, "add"), {}).status_code == 403
    assert operator.post(address(model, "change", instance.pk), {}).status_code == 403
    assert operator.post(address(model, "delete", instance.pk), {"post": "yes"}).status_code == 403
    deletion = {"action": "delete_selected", "_selected_action": str(instance.pk), "post": "yes"}
    operator.post(address(model, "changelist"), deletion)
    assert model._default_manager.filter(pk=instance.pk).exists()


def test_a_look_at_what_is_an_organizations_stands_in_its_log(world: World, operator: Client, rows: None):
    owned = {
        "tenants.User": world.person("bob").pk,
        "tenants.Tenant": world.contoso.pk,
        "account.EmailAddress": EmailAddress.objects.get(email="bob@contoso.example").pk,
        "allauth_idp_oidc.Client": "gateway",
    }
    for label, key in owned.items():
        model = next(page for page in PAGES if page._meta.label == label)
        operator.get(address(model, "changelist"))
        operator.get(address(model, "change", key))
        row = AdminEvent.objects.for_tenant(world.contoso.id).latest("id")
        assert (row.actor, row.action) == ("operator@rightskeep.example", "OperatorViewed")
        assert (row.target, row.target_id) == (label, str(key))
    assert AdminEvent.objects.filter(action="OperatorViewed").count() == len(owned)
    operator.get(address(User, "change", world.person("erin").pk))
    operator.get(address(User, "change", "11111111-2222-4333-8444-555555555555"))
    assert AdminEvent.objects.filter(action="OperatorViewed").count() == len(owned)


def test_a_list_stands_in_the_log_of_whose_rows_it_showed(world: World, operator: Client, rows: None):
    operator.get(address(User, "changelist") + "?q=mallory")
    operator.get(address(EmailAddress, "changelist") + "?q=nobody")
    operator.get(address(Tenant, "changelist"))
    looks = AdminEvent.objects.filter(action="OperatorListed")
    assert [(row.tenant_id, row.actor, row.target) for row in looks] == [
        (world.fabrikam.id, "operator@rightskeep.example", "tenants.User")
    ]


def test_an_operators_second_factor_is_not_walked_around(world: World):
    user = User.objects.create_superuser("operator@rightskeep.example", PASSWORD)
    Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
    client = Client()
    answer = client.post("/operator/login/", {"username": user.email, "password": PASSWORD})
    assert "/accounts/login/?next=/operator/" in answer.content.decode()
    assert client.get("/operator/").status_code == 302


def test_an_operator_sets_no_password_of_an_organizations_person(world: World):
    with pytest.raises(CommandError, match="organization"):
        call_command("changepassword", "bob@contoso.example")


def test_site_is_named_and_leads_to_every_table(operator: Client, rows: None):
    text = operator.get("/operator/").content.decode()
    assert "Rightskeep operators" in text
    assert all(address(model, "changelist") in text for model in PAGES)


@pytest.mark.parametrize("name", ["alice", "mallory", "erin", ""])
def test_the_site_is_for_operators_only(world: World, name: str):
    client = Client()
    if name:
        client.force_login(world.person(name), backend="allauth.account.auth_backends.AuthenticationBackend")
    for path in ("/operator/", address(Tenant, "changelist"), address(UsageEvent, "changelist")):
        response = client.get(path)
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/operator/login/")


def test_passwords_cannot_be_guessed_without_end(world: World, clock: Clock):  # noqa: F811
    User.objects.create_superuser("operator@rightskeep.example", PASSWORD)
    client = Client()
    for number in range(20):
        wrong = client.post(
            "/operator/login/", {"username": "operator@rightskeep.example", "password": "wrong"}
        )
        assert wrong.status_code == (200 if number < 5 else 429)
    right = client.post("/operator/login/", {"username": "operator@rightskeep.example", "password": PASSWORD})
    assert right.status_code == 429 and "Retry-After" in right.headers
    assert client.get("/operator/").status_code == 302


def test_people_without_the_right_do_not_get_in_by_password(world: World):
    response = Client().post("/operator/login/", {"username": "alice@contoso.example", "password": PASSWORD})
    assert response.status_code == 200


def test_switching_an_organization_off_and_on_stands_in_its_own_log(world: World, operator: Client):
    for action, state, logged in (
        ("deactivate", "inactive", "Deactivate"),
        ("activate", "active", "Activate"),
    ):
        selected = {"action": action, "_selected_action": [str(world.contoso.id)]}
        response = operator.post(address(Tenant, "changelist"), selected, follow=True)
        assert f"Contoso is {state}" in response.content.decode()
        world.contoso.refresh_from_db()
        assert world.contoso.state == state
        row = AdminEvent.objects.for_tenant(world.contoso.id).latest("id")
        assert (row.action, row.actor) == (logged, "operator@rightskeep.example")
    assert Tenant.objects.get(slug="fabrikam").is_active
    assert not AdminEvent.objects.for_tenant(world.fabrikam.id).filter(actor__startswith="operator").exists()


def test_staff_that_may_look_may_not_switch(world: World, settings: Any):
    watcher = User.objects.create_user("watcher@rightskeep.example", PASSWORD, is_staff=True)
    watcher.user_permissions.add(*permissions("view_tenant"))
    client = Client()
    client.force_login(watcher, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get(address(Tenant, "changelist")).status_code == 200
    assert client.get(address(UsageEvent, "changelist")).status_code == 403
    client.post(
        address(Tenant, "changelist"), {"action": "deactivate", "_selected_action": [str(world.contoso.id)]}
    )
    world.contoso.refresh_from_db()
    assert world.contoso.is_active


def permissions(codename: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename=codename)


def test_a_guid_finds_its_rows(world: World, operator: Client, rows: None):
    document = Document.objects.get()
    page = operator.get(address(UsageEvent, "changelist"), {"q": str(document.content_id)})
    assert [row.content_id for row in page.context["cl"].queryset] == [document.content_id]
    page = operator.get(address(User, "changelist"), {"q": str(world.fabrikam.id)})
    assert {row.email for row in page.context["cl"].queryset} == {
        "mallory@fabrikam.example",
        "dave@fabrikam.example",
    }


def test_large_tables_are_not_counted_to_the_end(
    operator: Client, monkeypatch: pytest.MonkeyPatch, world: World
):
    monkeypatch.setattr(CappedPaginator, "limit", 60)
    add_rows(world.contoso.id, seconds(100))
    with CaptureQueriesContext(connection) as few:
        page = operator.get(address(UsageEvent, "changelist"))
    assert page.context["cl"].result_count == 60
    counts = [query["sql"] for query in few if "COUNT(" in query["sql"]]
    assert counts
    assert all("LIMIT 60" in sql for sql in counts)


@pytest.mark.parametrize(
    "model", [Document, User, KeyVersion, Token, EmailAddress], ids=lambda model: model._meta.label
)
def test_lists_ask_the_database_no_more_for_more_rows(
    model: type[models.Model], operator: Client, rows: None, device: Any, world: World
):
    with CaptureQueriesContext(connection) as few:
        operator.get(address(model, "changelist"))
    before = model._default_manager.count()
    for number in range(5):
        tenant = Tenant.objects.create(slug=f"t{number}", name=f"Tenant {number}")
        person = User.objects.create_user(f"person{number}@t{number}.example", tenant=tenant)
        EmailAddress.objects.create(user=person, email=person.email)
        KeyVersion.objects.create(tenant=tenant, fingerprint=f"{number}", modulus=b"", bits=2048)
        device("bob").protect_for(("dave@fabrikam.example", ["VIEW"]))
    assert model._default_manager.count() > before
    with CaptureQueriesContext(connection) as more:
        operator.get(address(model, "changelist"))
    assert len(more) == len(few)
