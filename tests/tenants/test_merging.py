"""Two accounts of one person become one: what moves, what is proven again, what ends; by domain function, page and API."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Token
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from administration.demo import make_person
from administration.merging import merge_people
from audit.models import AdminEvent
from tenants import groups, people, roles, super_users
from tenants.changes import Actor, ChangeRefusedError
from tenants.freshness import forget_facts
from tenants.models import DirectoryEntry, Group, OutgoingMail, RoleAssignment, SuperUserAppointment, User
from tenants.same_person import is_one_person
from tests.conftest import Device, World, make_token
from tests.portal.conftest import Browse, browse
from tracking.models import Document

pytestmark = pytest.mark.django_db
__all__ = ["browse"]  # the fixture
MakeDevice = Callable[[str], Device]


@pytest.fixture
def alice(world: World) -> Actor:
    return Actor.of(world.person("alice"))


def opens(device: Device, answer: dict[str, Any]) -> str:
    forget_facts()
    status: str = device.open(answer["SerializedPublishingLicense"])["AccessStatus"]
    return status


def test_what_a_person_issued_and_owns_follows_them(
    world: World, device: MakeDevice, alice: Actor, make_robert: User
) -> None:
    bob, robert = world.person("bob"), make_robert
    issued = device("bob").protect_for(("dave@fabrikam.example", ["VIEW"]))
    owned = device("alice").protect_for(("dave@fabrikam.example", ["VIEW"]), Owner=bob.email)
    by_address = device("carol").protect_for(("bob@contoso.example", ["VIEW"]))
    for answer in (issued, by_address):
        assert opens(device("robert"), answer) == "AccessDenied"
    EmailAddress.objects.create(user=bob, email="bob@home.example", verified=True)
    make_token(bob)
    merge_people(robert, bob, actor=alice)
    for answer in (issued, owned, by_address):
        assert opens(device("robert"), answer) == "AccessGranted"
    assert Document.objects.filter(issuer=robert).count() == 1
    assert not Document.objects.filter(owner=bob).exists()
    assert not Token.objects.filter(user=bob).exists() and people.find_person(world.contoso, bob.id) is None
    held = {row.email: row.verified for row in EmailAddress.objects.filter(user=robert)}
    assert held == {"robert@contoso.example": True, "bob@contoso.example": False}
    assert robert.stated_addresses.get().address == "bob@home.example"
    log = AdminEvent.objects.for_tenant(world.contoso.id).get(action="MergePeople")
    assert log.target_id == str(robert.id) and log.before and log.before["address"] == "bob@contoso.example"
    assert log.after and log.after["documents"] == 1 and log.after["proven_again"] == ["bob@home.example"]
    assert OutgoingMail.objects.filter(to="alice@contoso.example", subject__contains="were merged").exists()
    told = OutgoingMail.objects.filter(subject="Two accounts have become one").values_list("to", flat=True)
    assert sorted(told) == ["bob@contoso.example", "robert@contoso.example"]
    merge_people(world.person("carol"), robert, actor=alice)
    assert opens(device("carol"), issued) == "AccessGranted", "also over two merges"


@pytest.fixture
def make_robert(world: World) -> User:
    return make_person("robert@contoso.example", "Robert", "a long password", world.contoso)


def test_power_is_not_carried_along(world: World, alice: Actor, make_robert: User) -> None:
    bob = world.person("bob")
    plain, powerful = (groups.create_group(world.contoso, name, actor=alice) for name in ("Plain", "Keys"))
    for group in (plain, powerful):
        groups.add_people(group, [bob], actor=alice)
    roles.give_role(world.contoso, "key_admin", actor=alice, group=powerful)
    roles.give_role(world.contoso, "auditor", actor=alice, user=bob)
    super_users.appoint(world.contoso, actor=alice, reason="Audit", user=bob)
    merge_people(make_robert, bob, actor=alice)
    assert set(Group.objects.filter(members__user=make_robert)) == {plain}
    assert not Group.objects.filter(members__user=bob).exists()
    assert not RoleAssignment.objects.filter(user__in=[bob, make_robert]).exists()
    assert not SuperUserAppointment.objects.exists()
    ended = AdminEvent.objects.for_tenant(world.contoso.id).filter(
        action__in=["RemoveRole", "RemoveSuperUser"]
    )
    assert ended.count() == 2


def test_what_cannot_be_merged(world: World, alice: Actor, make_robert: User) -> None:
    bob, mallory, admin = world.person("bob"), world.person("mallory"), world.person("alice")

    def refusal(keep: User, gone: User, actor: Actor = alice) -> str:
        with pytest.raises(ChangeRefusedError) as refused:
            merge_people(keep, gone, actor=actor)
        return refused.value.code

    assert (refusal(bob, bob), refusal(bob, mallory)) == ("same_account", "not_a_member")
    assert (refusal(bob, admin), refusal(bob, admin, Actor("x"))) == ("own_account", "last_admin")
    super_users.set_approval(world.contoso, needed=True, actor=alice)
    assert refusal(admin, bob) == "own_gain"
    DirectoryEntry.objects.create(tenant=world.contoso, user=make_robert, user_name="robert")
    assert refusal(bob, make_robert) == "kept_by_directory"
    people.suspend(bob, actor=alice)
    assert refusal(bob, world.person("carol")) == "not_active"
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(id=make_robert.id).update(merged_into=bob)


def test_a_hostile_merge_opens_nothing(world: World, device: MakeDevice) -> None:
    """Neither by an address that is merely stored, nor by one that the other account had proven."""
    mallory, hostile = world.person("mallory"), Actor.of(world.person("mallory"))
    hers = device("bob").protect_for(("alice@contoso.example", ["VIEW"]), ("dave@home.example", ["VIEW"]))
    puppet = make_person("puppet@fabrikam.example", "", "a long password", world.fabrikam)
    people.add_address(puppet, "alice@contoso.example", actor=hostile)
    EmailAddress.objects.create(user=world.person("dave"), email="dave@home.example", verified=True)
    assert opens(device("dave"), hers) == "AccessGranted"
    for gone in (puppet, world.person("dave")):
        merge_people(mallory, gone, actor=hostile)
        assert opens(device("mallory"), hers) == "AccessDenied"
    assert opens(device("alice"), hers) == "AccessGranted"


def test_two_accounts_of_one_person_are_not_two_people(world: World, alice: Actor, make_robert: User) -> None:
    super_users.set_approval(world.contoso, needed=True, actor=alice)
    bob = world.person("bob")
    asked = super_users.appoint(
        world.contoso, actor=Actor.of(bob), reason="Audit", user=world.person("carol")
    )
    since = timezone.now() - timedelta(days=2)
    RoleAssignment.objects.create(tenant=world.contoso, user=make_robert, role="global_admin", since=since)
    assert super_users.why_not_second(asked, make_robert) is None
    people.add_address(make_robert, "bob@home.example", actor=alice)
    EmailAddress.objects.create(user=bob, email="Bob+work@home.example", verified=True)
    refused = super_users.why_not_second(asked, make_robert)
    assert refused is not None and refused.code == "same_person"
    EmailAddress.objects.filter(email="bob@home.example").delete()
    merge_people(make_robert, bob, actor=alice)
    refused = super_users.why_not_second(asked, make_robert)
    assert refused is not None and refused.code == "same_person"
    assert not is_one_person(make_robert.id, world.person("alice").id)


def test_by_page(world: World, browse: Browse, make_robert: User) -> None:
    client, bob = browse("alice"), world.person("bob")
    address = f"/people/{make_robert.id}/merge/"
    assert "Search for the account" in client.get(address).content.decode()
    assert f"?other={bob.id}" in client.get(f"{address}?q=bob").content.decode()
    page = client.get(f"{address}?other={bob.id}").content.decode()
    assert "is closed for good" in page and "0 documents" in page and "bob@contoso.example" in page
    assert client.get(f"{address}?other={world.person('mallory').id}").status_code == 404
    assert (
        "signed in with the account"
        in client.get(f"{address}?other={world.person('alice').id}").content.decode()
    )
    wrong = client.post(address, {"other": str(bob.id), "name": "bob"})
    assert wrong.status_code == 400 and world.person("bob").is_active
    done = client.post(address, {"other": str(bob.id), "name": "bob@contoso.example"}, follow=True)
    assert "has been merged into" in done.content.decode()
    assert client.get(f"/people/{bob.id}/").status_code == 404
    assert browse("carol").get(address).status_code == 403


def test_by_api(world: World, device: MakeDevice, make_robert: User) -> None:
    bob, path = world.person("bob"), f"/api/v1/people/{make_robert.id}/merge/"
    tried = device("alice").post(path, {"other": str(bob.id), "dry_run": True}).json()
    assert (tried["moved"], tried["documents"], tried["dry_run"]) == (["bob@contoso.example"], 0, True)
    assert world.person("bob").is_active
    refused = device("alice").post(path, {"other": str(world.person("alice").id)})
    assert (refused.status_code, refused.json()["code"]) == (409, "own_account")
    assert device("alice").post(path, {"other": str(world.person("dave").id)}).status_code == 404
    assert device("carol").post(path, {"other": str(bob.id)}).status_code == 403
    assert device("alice").post(path, {"other": str(bob.id)}).json()["into"] == "robert@contoso.example"
    assert Client().get("/api/v1/people/").status_code == 401
    rows = device("alice").get("/api/v1/people/?q=bob").json()["results"]
    assert [row["email"] for row in rows] == ["robert@contoso.example"]
