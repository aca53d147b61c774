"""Super users: off by default, appointed with a reason, approved by a second admin, ended, told of at every use."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.idp.oidc.models import Client as Program
from allauth.idp.oidc.models import Token
from django.test import Client
from django.utils import timezone

from administration.devices import create_service
from administration.services import rotate_secret
from audit.models import AdminEvent, UsageEvent
from tenants.changes import Actor, ChangeRefusedError
from tenants.freshness import forget_facts
from tenants.groups import add_people
from tenants.models import (
    Group,
    OutgoingMail,
    RoleAssignment,
    ServicePrincipal,
    SuperUserAppointment,
    Tenant,
)
from tenants.second_person import WAITING
from tenants.super_users import (
    appoint,
    approve,
    end,
    set_approval,
    set_feature,
    state_of,
    tell_of_uses,
)
from tests.conftest import Device, World

pytestmark = pytest.mark.django_db
MakeDevice = Callable[[str], Device]


@pytest.fixture
def alice(world: World) -> Actor:
    return Actor.of(world.person("alice"))


@pytest.fixture
def license(world: World, device: MakeDevice) -> str:
    """Bob's document for himself."""
    answer = device("bob").protect_for(("dave@fabrikam.example", ["VIEW"]), FileName="plan.pdf")
    text: str = answer["SerializedPublishingLicense"]
    return text


def status(device: Device, license: str) -> str:
    forget_facts()
    answer: str = device.open(license)["AccessStatus"]
    return answer


def test_only_while_the_feature_is_on_and_the_appointment_lasts(
    world: World, device: MakeDevice, alice: Actor, license: str
) -> None:
    carol = device("carol")
    made = appoint(world.contoso, actor=alice, reason="Audit", user=world.person("carol"))
    assert status(carol, license) == "AccessDenied"
    set_feature(world.contoso, enabled=True, actor=alice)
    assert status(carol, license) == "AccessGranted"
    SuperUserAppointment.objects.filter(id=made.id).update(until=timezone.now() - timedelta(seconds=1))
    assert status(carol, license) == "AccessDenied"
    SuperUserAppointment.objects.filter(id=made.id).update(until=None)
    assert status(carol, license) == "AccessGranted"
    end(made, actor=alice)
    end(made, actor=alice)
    assert status(carol, license) == "AccessDenied"
    actions = AdminEvent.objects.order_by("id").values_list("action", flat=True)
    assert list(actions)[-3:] == ["AddSuperUser", "EnableSuperUsers", "RemoveSuperUser"]
    assert OutgoingMail.objects.filter(to="alice@contoso.example").count() == 3


def test_a_group_and_those_in_it(world: World, device: MakeDevice, alice: Actor, license: str) -> None:
    set_feature(world.contoso, enabled=True, actor=alice)
    sales = Group.objects.for_tenant(world.contoso).get()
    appoint(world.contoso, actor=alice, reason="Discovery", group=sales)
    assert status(device("carol"), license) == "AccessGranted"
    other = Group.objects.create(tenant=world.contoso, name="Second")
    with pytest.raises(ChangeRefusedError, match="One group"):
        appoint(world.contoso, actor=alice, reason="Discovery", group=other)


def test_a_service_reads_everything(world: World, device: MakeDevice, alice: Actor, license: str) -> None:
    """With its own credentials, at the licensing endpoint; and only what its organization protected."""
    set_feature(world.contoso, enabled=True, actor=alice)
    client_id, secret = create_service(world.contoso, "Indexer", {"licensing"}, actor="operator")
    fields = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    token = Client().post("/identity/o/api/token", fields).json()["access_token"]
    indexer = Device(Client(), None)
    indexer.token = token
    assert status(indexer, license) == "AccessDenied"
    service = ServicePrincipal.objects.for_tenant(world.contoso).get()
    appoint(world.contoso, actor=alice, reason="Search index", service=service)
    assert status(indexer, license) == "AccessGranted"
    row = UsageEvent.objects.order_by("id").last()
    assert row.admin_action and row.acting_as_user == "bob@contoso.example"
    told = device("bob").get(f"/api/v1/documents/{row.content_id}/openings/").json()["results"]
    assert [each["acting_as_user"] for each in told] == ["bob@contoso.example", ""]
    page = Client()
    page.force_login(world.person("bob"), backend="allauth.account.auth_backends.AuthenticationBackend")
    shown = page.get(f"/documents/{row.content_id}/").content.decode()
    assert shown.count("as a super user, in place of bob@contoso.example") == 1
    appointment = SuperUserAppointment.objects.get()
    end(appointment, actor=alice)
    assert status(indexer, license) == "AccessDenied"
    assert (
        Program.objects.filter(id=client_id).exists() and Token.objects.filter(client_id=client_id).exists()
    )


def test_a_new_secret_carries_no_power_that_two_gave(world: World, alice: Actor) -> None:
    set_feature(world.contoso, enabled=True, actor=alice)
    create_service(world.contoso, "Indexer", {"licensing"}, actor="operator")
    service = ServicePrincipal.objects.for_tenant(world.contoso).get()
    appoint(world.contoso, actor=alice, reason="Search index", service=service)
    rotate_secret(service, actor=alice)
    assert (
        SuperUserAppointment.objects.exists()
    )  # one administrator is enough here, so nothing is gained by it
    set_approval(world.contoso, needed=True, actor=alice)
    rotate_secret(ServicePrincipal.objects.get(), actor=alice)
    assert not SuperUserAppointment.objects.exists()
    assert AdminEvent.objects.filter(tenant_id=world.contoso.id, action="RemoveSuperUser").count() == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"reason": " "}, "bad_reason"),
        ({"reason": "x" * 501}, "bad_reason"),
        ({"until": timezone.now() - timedelta(days=1)}, "bad_until"),
    ],
)
def test_what_an_appointment_needs(world: World, alice: Actor, given: dict[str, Any], code: str) -> None:
    with pytest.raises(ChangeRefusedError) as refused:
        appoint(world.contoso, actor=alice, **{"reason": "Audit", "user": world.person("bob"), **given})
    assert refused.value.code == code


def test_nobody_twice_and_nobody_of_elsewhere(world: World, alice: Actor) -> None:
    appoint(world.contoso, actor=alice, reason="Audit", user=world.person("bob"))
    for name, code in (("bob", "already_appointed"), ("mallory", "not_a_member"), ("erin", "not_a_member")):
        with pytest.raises(ChangeRefusedError) as refused:
            appoint(world.contoso, actor=alice, reason="Audit", user=world.person(name))
        assert refused.value.code == code


def test_the_second_admin_is_another_and_no_new_one(
    world: World, device: MakeDevice, alice: Actor, license: str
) -> None:
    set_feature(world.contoso, enabled=True, actor=alice)
    set_approval(world.contoso, needed=True, actor=alice)
    made = appoint(world.contoso, actor=alice, reason="Audit", user=world.person("carol"))
    assert state_of(made) == "announced" and status(device("carol"), license) == "AccessDenied"

    def refusal(name: str) -> str:
        with pytest.raises(ChangeRefusedError) as refused:
            approve(made, actor=world.person(name))
        return refused.value.code

    bob = RoleAssignment.objects.create(
        tenant=world.contoso, user=world.person("bob"), role=RoleAssignment.Role.GLOBAL_ADMIN
    )
    assert (refusal("alice"), refusal("carol"), refusal("bob")) == ("same_person", "same_person", "too_new")
    assert refusal("mallory") == "too_new"
    RoleAssignment.objects.filter(id=bob.id).update(since=timezone.now() - timedelta(hours=25))
    approve(made, actor=world.person("bob"))
    assert status(device("carol"), license) == "AccessGranted"
    assert refusal("bob") == "not_waiting"
    event = AdminEvent.objects.get(action="ApproveSuperUser")
    assert (event.actor, event.target) == ("bob@contoso.example", "carol@contoso.example")
    assert "Audit" in OutgoingMail.objects.filter(to="bob@contoso.example").order_by("created_at").last().text


def test_whoever_is_alone_waits_a_day(world: World, device: MakeDevice, alice: Actor, license: str) -> None:
    """Announced to all and to be ended by each; giving the second admin up takes as long, so it is no way around."""
    contoso, carol = world.contoso, world.person("carol")
    set_feature(contoso, enabled=True, actor=alice)
    set_approval(contoso, needed=True, actor=alice)
    set_approval(contoso, needed=False, actor=alice)
    assert contoso.needs_approval and contoso.approval_ends_at is not None
    made = appoint(contoso, actor=alice, reason="Audit", user=carol)
    assert made.since is not None and made.since > timezone.now() + WAITING - timedelta(minutes=1)
    assert "until then" in OutgoingMail.objects.order_by("created_at").last().text.lower()
    assert status(device("carol"), license) == "AccessDenied"
    sales = Group.objects.for_tenant(contoso).get()
    for until, code in ((timezone.now() + timedelta(hours=23), "bad_until"), (None, "already_appointed")):
        with pytest.raises(ChangeRefusedError) as refused:
            appoint(
                contoso,
                actor=alice,
                reason="x",
                until=until,
                **{"user": carol} if until is None else {"group": sales},
            )
        assert refused.value.code == code
    SuperUserAppointment.objects.filter(id=made.id).update(since=timezone.now())
    assert status(device("carol"), license) == "AccessGranted"
    Tenant.objects.filter(id=contoso.id).update(approval_ends_at=timezone.now())
    contoso.refresh_from_db()
    assert not contoso.needs_approval
    assert state_of(appoint(contoso, actor=alice, reason="Audit", user=world.person("bob"))) == "acts"
    set_approval(contoso, needed=True, actor=alice)
    assert contoso.needs_approval and contoso.approval_ends_at is None
    # An old admin beside makes it a matter of two again; and nobody slips in by way of an appointed group.
    RoleAssignment.objects.create(
        tenant=contoso, user=carol, role="global_admin", since=timezone.now() - 2 * WAITING
    )
    assert state_of(appoint(contoso, actor=alice, reason="Search", group=sales)) == "waits"
    with pytest.raises(ChangeRefusedError) as refused:
        add_people(sales, [world.person("alice")], actor=alice)
    assert refused.value.code == "needs_approval"


def test_every_use_is_told_once(world: World, device: MakeDevice, alice: Actor, license: str) -> None:
    """The power counts as used where nothing else would have opened the document."""
    set_feature(world.contoso, enabled=True, actor=alice)
    for name in ("bob", "carol"):
        appoint(world.contoso, actor=alice, reason="Audit", user=world.person(name))
    OutgoingMail.objects.all().delete()
    assert status(device("bob"), license) == "AccessGranted"  # his own document
    assert tell_of_uses() == 0
    device("carol").open(license)
    device("carol").open(license)
    assert tell_of_uses() == 2
    assert tell_of_uses() == 0
    mail = OutgoingMail.objects.get()
    assert mail.to == "alice@contoso.example"
    assert mail.text.count("carol@contoso.example") == 2 and "plan.pdf" in mail.text
