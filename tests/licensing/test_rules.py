"""The rules of rights as a device meets them: aliases, groups, templates, expiry, revocation, owners, super users."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from administration.devices import create_service
from audit.models import UsageEvent
from audit.w3c import format_row, parse_row
from keys.models import KeyVersion
from keys.rollover import finish_due_rolls, start_roll
from policies.models import PolicyTemplate, TemplateGrant, TemplateVersion
from rms.rights import ALL_RIGHTS
from tenants.freshness import forget_facts
from tenants.models import Group, GroupMember, GroupNesting, SuperUserAppointment, Tenant
from tests.conftest import Device, World
from tracking.models import Document
from tracking.revocation import restore, revoke

pytestmark = pytest.mark.django_db
DeviceFor = Callable[[str], Device]


def opens(device: Device, license: str) -> list[str]:
    forget_facts()
    rights: list[str] = device.open(license)["Rights"]
    return rights


def test_alias_counts_only_when_verified(world: World, device: DeviceFor) -> None:
    license = device("bob").protect_for(("d.smith@elsewhere.example", ["VIEW"]))[
        "SerializedPublishingLicense"
    ]
    dave = device("dave")
    assert opens(dave, license) == []
    alias = EmailAddress.objects.create(user=dave.person, email="d.smith@elsewhere.example", verified=False)
    assert opens(dave, license) == []
    EmailAddress.objects.filter(id=alias.id).update(verified=True)
    assert opens(dave, license) == ["VIEW"]


def test_unproven_address_in_the_home_organizations_domain_counts_there_only(
    world: World, device: DeviceFor
) -> None:
    bob = device("bob")
    own = bob.protect_for(("david@fabrikam.example", ["VIEW"]))["SerializedPublishingLicense"]
    foreign = bob.protect_for(("alice@contoso.example", ["VIEW"]))["SerializedPublishingLicense"]
    dave = device("dave")
    EmailAddress.objects.create(user=dave.person, email="david@fabrikam.example", verified=False)
    EmailAddress.objects.create(user=dave.person, email="alice@contoso.example", verified=False)
    assert opens(dave, own) == ["VIEW"]
    assert opens(dave, foreign) == []


def test_nested_groups_with_a_cycle(world: World, device: DeviceFor) -> None:
    sales = Group.objects.get(name="Sales")
    region = Group.objects.create(tenant=world.contoso, name="Region", mail="region@contoso.example")
    GroupNesting.objects.create(parent=region, child=sales)
    GroupNesting.objects.create(parent=sales, child=region)
    for who in ("group:Region", "region@contoso.example", f"group:{region.id}"):
        license = device("bob").protect_for((who, ["VIEW"]))["SerializedPublishingLicense"]
        assert opens(device("carol"), license) == ["VIEW"]
        assert opens(device("alice"), license) == []
    GroupMember.objects.filter(group=sales).delete()
    assert opens(device("carol"), license) == []


def test_group_of_another_organization_is_unknown(world: World, device: DeviceFor) -> None:
    sales = Group.objects.get(name="Sales")
    body = {
        "Policy": {
            "UserRights": [{"Users": [f"group:{sales.id}"], "Rights": ["VIEW"]}],
            "allowOfflineAccess": True,
        }
    }
    assert device("dave").post("/my/v2/publishinglicenses", body).status_code == 400


@pytest.mark.parametrize(
    ("who", "readers"),
    [
        ("members", {"alice", "bob", "carol"}),
        ("@fabrikam.example", {"bob", "mallory", "dave"}),
        ("anyone", {"alice", "bob", "carol", "mallory", "dave", "erin"}),
        ("ANYONE", {"alice", "bob", "carol", "mallory", "dave", "erin"}),
        ("owner", {"bob"}),
        ("tenant:{fabrikam}", {"bob", "mallory", "dave"}),
    ],
)
def test_who_is_reached(world: World, device: DeviceFor, who: str, readers: set[str]) -> None:
    grant = (who.format(fabrikam=world.fabrikam.id), ["VIEW"])
    license = device("bob").protect_for(grant)["SerializedPublishingLicense"]
    everybody = ("alice", "bob", "carol", "mallory", "dave", "erin")
    assert {name for name in everybody if opens(device(name), license)} == readers


def test_template_decides_in_its_current_version(world: World, device: DeviceFor) -> None:
    bob, carol, dave = device("bob"), device("carol"), device("dave")
    offered = bob.get("/my/v2/templates").json()
    license = bob.publish({"TemplateId": offered[0]["Id"], "FileName": "a.txt"})[
        "SerializedPublishingLicense"
    ]
    answer = carol.open(license)
    assert answer["Rights"] == ["VIEW", "VIEWRIGHTSDATA"] and answer["FromTemplate"] is True
    assert opens(dave, license) == []
    template = PolicyTemplate.objects.get(id=offered[0]["Id"].strip("{}"))
    version = TemplateVersion.objects.create(template=template, number=2, expiry="days", expires_after_days=3)
    for name in template.current.names.all():
        name.pk, name.version = None, version
        name.save()
    TemplateGrant.objects.create(version=version, principal="dave@fabrikam.example", rights="VIEW,PRINT")
    template.current, template.state = version, PolicyTemplate.State.ARCHIVED
    template.save()
    assert opens(carol, license) == []
    assert opens(dave, license) == ["VIEW", "PRINT"]
    assert len(bob.get("/my/v2/templates").json()) == 1  # archived: no longer offered, still opens
    Document.objects.update(published_at=timezone.now() - timedelta(days=10))
    assert opens(dave, license) == ["VIEW", "PRINT"]  # the license's own time counts, not the register's


def test_template_of_another_organization_is_unknown(world: World, device: DeviceFor) -> None:
    theirs = device("dave").get("/my/v2/templates").json()[0]["Id"]
    response = device("bob").post("/my/v2/publishinglicenses", {"TemplateId": theirs})
    assert response.status_code == 400


def test_expiry(world: World, device: DeviceFor) -> None:
    bob = device("bob")
    grant = ("dave@fabrikam.example", ["VIEW"])
    past = bob.protect_for(grant, LicenseValidUntil="2020-01-01T00:00:00Z")["SerializedPublishingLicense"]
    answer = device("dave").open(past)
    assert (answer["AccessStatus"], answer["Reason"], answer["Rights"]) == ("ContentExpired", "expired", [])
    assert device("mallory").open(past)["AccessStatus"] == "AccessDenied"
    assert opens(bob, past) == list(ALL_RIGHTS)
    soon = (timezone.now() + timedelta(hours=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = device("dave").open(
        bob.protect_for(grant, LicenseValidUntil=soon)["SerializedPublishingLicense"]
    )
    assert answer["ContentValidUntil"] == answer["LicenseValidUntil"] == soon


def test_revocation_and_its_undo(world: World, device: DeviceFor) -> None:
    bob = device("bob")
    published = bob.protect_for(("dave@fabrikam.example", ["VIEW"]), Owner="bob@contoso.example")
    license = published["SerializedPublishingLicense"]
    document = Document.objects.get()
    revoke(document, actor=world.person("bob"), reason="wrong version")
    answer = device("dave").open(license)
    assert (answer["AccessStatus"], answer["Reason"], answer["Rights"]) == ("AccessDenied", "revoked", [])
    assert "Reason" not in device("mallory").open(license)
    assert device("alice").open(license)["Reason"] == "not granted"  # oversees Contoso's documents
    assert opens(bob, license) == list(ALL_RIGHTS)
    restore(document, actor=world.person("bob"))
    assert opens(device("dave"), license) == ["VIEW"]


def test_owner_named_by_those_who_may(world: World, device: DeviceFor) -> None:
    alice = device("alice")
    published = alice.protect_for(("dave@fabrikam.example", ["VIEW"]), Owner="Carol@contoso.example")
    assert published["Owner"] == "carol@contoso.example"
    license = published["SerializedPublishingLicense"]
    carol = device("carol")
    assert opens(carol, license) == list(ALL_RIGHTS)
    revoke(Document.objects.get(), actor=world.person("alice"), reason="")
    assert opens(carol, license) == []  # the owner is not exempt from revocation, the issuer is
    assert opens(alice, license) == list(ALL_RIGHTS)
    # Another person who later gets the address inherits nothing.
    EmailAddress.objects.filter(email="carol@contoso.example").update(user=world.person("bob"), primary=False)
    restore(Document.objects.get(), actor=world.person("alice"))
    assert opens(device("bob"), license) == []


def test_super_user(world: World, device: DeviceFor) -> None:
    license = device("bob").protect_for(("dave@fabrikam.example", ["VIEW"]))["SerializedPublishingLicense"]
    revoke(Document.objects.get(), actor=world.person("bob"), reason="")
    carol = device("carol")
    group = Group.objects.get(name="Sales")
    SuperUserAppointment.objects.create(
        tenant=world.contoso, group=group, reason="audit", appointed_by="alice"
    )
    assert opens(carol, license) == []  # the feature is off by default
    Tenant.objects.filter(id=world.contoso.id).update(super_users_enabled=True)
    assert opens(carol, license) == list(ALL_RIGHTS)
    SuperUserAppointment.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert opens(carol, license) == []


def test_super_user_of_another_organization_has_no_power(world: World, device: DeviceFor) -> None:
    license = device("bob").protect_for(("carol@contoso.example", ["VIEW"]))["SerializedPublishingLicense"]
    Tenant.objects.update(super_users_enabled=True)
    for tenant in (world.contoso, world.fabrikam):
        SuperUserAppointment.objects.create(
            tenant=tenant, user=world.person("mallory"), reason="x", appointed_by="x"
        )
    assert opens(device("mallory"), license) == []


@pytest.mark.parametrize("mode", ["group", "licensed"])
def test_onboarding_control(world: World, device: DeviceFor, mode: str) -> None:
    license = device("bob").protect_for(("carol@contoso.example", ["VIEW"]))["SerializedPublishingLicense"]
    Tenant.objects.filter(id=world.contoso.id).update(
        onboarding=mode, onboarding_group=Group.objects.get(name="Sales")
    )
    type(world.person("carol")).objects.filter(name="Carol").update(licensed=True)
    forget_facts()
    bob, carol = device("bob"), device("carol")
    assert bob.get("/my/v2/templates").json() == []
    refused = bob.post(
        "/my/v2/publishinglicenses", {"TemplateId": carol.get("/my/v2/templates").json()[0]["Id"]}
    )
    assert refused.json()["Code"].endswith("ServiceDisabledException")
    assert carol.protect_for(("bob@contoso.example", ["VIEW"]))["ContentId"]
    assert opens(bob, license) == list(ALL_RIGHTS)


def test_rolled_key_keeps_opening(world: World, device: DeviceFor) -> None:
    bob = device("bob")
    old = bob.protect_for(("dave@fabrikam.example", ["VIEW"]))["SerializedPublishingLicense"]
    start_roll(world.contoso, actor=world.person("alice"))
    KeyVersion.objects.filter(state="pending").update(created_at=timezone.now() - timedelta(seconds=10))
    assert finish_due_rolls() == 1
    new = bob.protect_for(("dave@fabrikam.example", ["VIEW"]))["SerializedPublishingLicense"]
    assert opens(device("dave"), old) == opens(device("dave"), new) == ["VIEW"]
    assert len({document.key_id for document in Document.objects.all()}) == 2


def test_a_foreign_key_that_signs_a_perfect_license(world: World, device: DeviceFor) -> None:
    """mallory takes a license of Contoso's and passes Fabrikam's own off as it: the tenant inside must be the key's."""
    license = device("dave").protect_for(("mallory@fabrikam.example", ["VIEW"]))[
        "SerializedPublishingLicense"
    ]
    raw = base64.b64decode(license)
    forged = raw.replace(str(world.fabrikam.id).encode(), str(world.contoso.id).encode())
    response = device("mallory").post(
        "/my/v2/enduserlicenses", {"SerializedPublishingLicense": base64.b64encode(forged).decode()}
    )
    assert response.json()["Code"].endswith("BadInputException")


def test_service_protects_in_somebody_elses_name(world: World, device: DeviceFor) -> None:
    client_id, secret = create_service(
        world.contoso, "gateway", {"licensing", "protect-for-others"}, actor="operator"
    )
    anonymous = device("")
    token = anonymous.client.post(
        "/identity/o/api/token",
        {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret,
            "scope": "licensing",
        },
    ).json()["access_token"]
    anonymous.token = token
    published = anonymous.protect_for(("dave@fabrikam.example", ["VIEW"]), Owner="bob@contoso.example")
    license = published["SerializedPublishingLicense"]
    assert opens(device("bob"), license) == list(ALL_RIGHTS)
    assert opens(anonymous, license) == list(ALL_RIGHTS)  # the service is the issuer
    assert opens(device("dave"), license) == ["VIEW"]
    assert opens(device("carol"), license) == []
    row = UsageEvent.objects.order_by("id")[0]
    assert row.user_id.startswith("gateway@service.")
    assert (row.tenant_id, row.acting_as_user) == (world.contoso.id, "bob@contoso.example")
    assert parse_row(format_row(row))["acting-as-user"] == "bob@contoso.example"
    sealed = anonymous.post(
        f"/api/v1/documents/{published['ContentId'].strip('{}')}/seal/",
        {"SerializedPublishingLicense": license, "Root": "00" * 32, "Length": 16},
    )
    assert sealed.status_code == 200
    seal = UsageEvent.objects.get(request_type="SignDigest")
    assert seal.acting_as_user == "bob@contoso.example"
    # Nobody else acted for somebody: neither who opened it, nor the service in its own name.
    anonymous.protect_for(("dave@fabrikam.example", ["VIEW"]))
    rest = UsageEvent.objects.exclude(id__in=[row.id, seal.id])
    assert set(rest.values_list("acting_as_user", flat=True)) == {""}


def test_queries_of_the_hot_path(world: World, device: DeviceFor) -> None:
    """Two statements once facts are known, five from cold; never more with more people, templates or documents."""
    bob, dave = device("bob"), device("dave")
    published = bob.protect_for(("dave@fabrikam.example", ["VIEW"]))
    for _ in range(5):
        bob.protect_for(("group:Sales", ["VIEW"]))
    dave.open(published["SerializedPublishingLicense"])
    assert count_queries(dave, published) == 2
    forget_facts()
    assert count_queries(dave, published) == 5


def count_queries(device: Device, published: dict[str, Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        device.open(published["SerializedPublishingLicense"])
    return len(captured)
