"""People: suspending, leaving, addresses, invitations, searching; and what a hostile organization gets by them: nothing."""

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Token
from django.utils import timezone

from audit.models import AdminEvent
from tenants import invitations, people
from tenants.changes import Actor, ChangeRefusedError
from tenants.freshness import forget_facts
from tenants.identity import Caller, standing_of
from tenants.models import Group, Invitation, OutgoingMail, RoleAssignment, User
from tenants.people_search import PeopleFilter, people_matching
from tests.conftest import World, make_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(world: World) -> Actor:
    return Actor.of(world.person("alice"))


def link_token(address: str) -> str:
    mail = OutgoingMail.objects.filter(to=address).latest("created_at")
    found = re.search(r"/invitation/([^/]+)/", mail.text)
    assert found
    return found[1]


def test_suspension_ends_tokens_and_resuming_gives_no_old_one_back(world: World, alice: Actor) -> None:
    bob = world.person("bob")
    make_token(bob)
    assert people.suspend(bob, actor=alice) and not people.suspend(bob, actor=alice)
    assert not Token.objects.filter(user=bob).exists()
    assert people.resume(bob, actor=alice) and world.person("bob").is_active
    actions = AdminEvent.objects.for_tenant(world.contoso.id).filter(target_id=str(bob.id)).order_by("id")
    assert [row.action for row in actions] == ["SuspendPerson", "ResumePerson"]


def test_the_last_global_administrator_stays(world: World, alice: Actor) -> None:
    admin = world.person("alice")
    for change in (people.suspend, people.remove_person):
        with pytest.raises(ChangeRefusedError, match="last global administrator"):
            change(admin, actor=alice)
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("bob"), role="global_admin")
    people.suspend(world.person("bob"), actor=alice)
    with pytest.raises(ChangeRefusedError, match="last global administrator"):
        people.suspend(admin, actor=alice)
    people.resume(world.person("bob"), actor=alice)
    assert people.suspend(admin, actor=alice)


def test_who_leaves_takes_no_address_of_the_organization_along(world: World, alice: Actor) -> None:
    carol = world.person("carol")
    EmailAddress.objects.create(user=carol, email="carol@home.example", verified=True)
    people.remove_person(carol, actor=alice)
    carol.refresh_from_db()
    assert (carol.email, carol.tenant, carol.is_active) == ("carol@home.example", None, True)
    forget_facts()
    standing = standing_of(Caller.of(carol), world.contoso.id)
    assert standing.addresses == {"carol@home.example"} and not standing.groups and not standing.is_member
    bob = world.person("bob")
    people.remove_person(bob, actor=alice)
    bob.refresh_from_db()
    assert not bob.is_active and not EmailAddress.objects.filter(user=bob).exists()


def test_an_address_that_is_only_stated_counts_for_nothing(world: World, alice: Actor) -> None:
    mallory = world.person("mallory")
    hostile = Actor.of(mallory)
    assert people.add_address(mallory, "Alice@Contoso.example", actor=hostile)
    assert not people.add_address(mallory, "alice@contoso.example", actor=hostile)
    with pytest.raises(ChangeRefusedError, match="Only an address that counts"):
        people.make_main(mallory, "alice@contoso.example", actor=hostile)
    assert standing_of(Caller.of(mallory), world.contoso.id).addresses == {"mallory@fabrikam.example"}
    bob = world.person("bob")
    people.add_address(bob, "robert@contoso.example", actor=alice)
    people.make_main(bob, "robert@contoso.example", actor=alice)
    assert "robert@contoso.example" in OutgoingMail.objects.get(to="bob@contoso.example").text
    assert world.person("robert").id == bob.id
    with pytest.raises(ChangeRefusedError, match="main address stays"):
        people.remove_address(bob, "robert@contoso.example", actor=alice)
    people.remove_address(bob, "bob@contoso.example", actor=alice)
    assert [one.email for one in EmailAddress.objects.filter(user=bob)] == ["robert@contoso.example"]
    with pytest.raises(ChangeRefusedError, match="Somebody else"):
        people.add_address(world.person("carol"), "robert@contoso.example", actor=alice)


def test_an_invited_person_joins_once(world: World, alice: Actor) -> None:
    sales = Group.objects.for_tenant(world.contoso).get(name="Sales")
    invitations.invite(
        world.contoso, "New@Partner.example", actor=alice, name="New", language="de", groups=[sales]
    )
    mail = OutgoingMail.objects.get(to="new@partner.example")
    assert mail.subject != "alice@contoso.example invites you to Contoso"  # in German
    token = link_token("new@partner.example")
    assert token not in str(AdminEvent.objects.values_list("after", flat=True))
    user = invitations.accept_as_new(token, name="Nora New", password="a long enough password")
    user.refresh_from_db()
    assert user.tenant == world.contoso and user.name == "Nora New"
    standing = standing_of(Caller.of(user), world.contoso.id)
    assert standing.addresses == {"new@partner.example"} and sales.id in standing.groups
    with pytest.raises(ChangeRefusedError, match="has ended"):
        invitations.accept_as_new(token, name="", password="another long password")
    with pytest.raises(ChangeRefusedError, match="already"):
        invitations.invite(world.contoso, "new@partner.example", actor=alice)


def test_an_invitation_ends_by_time_by_withdrawal_and_by_being_sent_again(world: World, alice: Actor) -> None:
    first = invitations.invite(world.contoso, "one@partner.example", actor=alice)
    old = link_token("one@partner.example")
    again = invitations.resend(first, actor=alice)
    assert invitations.find_invitation(old) is None
    new = OutgoingMail.objects.filter(to="one@partner.example").exclude(text__contains=old).get()
    token = new.text.split("/invitation/")[1].split("/")[0]
    assert invitations.find_invitation(token) == again
    Invitation.objects.update(created_at=timezone.now() - timedelta(days=15), expires_at=timezone.now())
    assert invitations.find_invitation(token) is None
    invitations.withdraw(again, actor=alice)
    assert not Invitation.objects.exists()


def test_who_has_an_account_signs_in_to_join_and_has_one_home_at_most(world: World, alice: Actor) -> None:
    invitations.invite(world.contoso, "erin@individual.example", actor=alice)
    token = link_token("erin@individual.example")
    with pytest.raises(ChangeRefusedError, match="Sign in to accept"):
        invitations.accept_as_new(token, name="", password="a long enough password")
    with pytest.raises(ChangeRefusedError, match="belong to an organization already"):
        invitations.accept_as(token, world.person("dave"))
    invitations.accept_as(token, world.person("erin"))
    assert world.person("erin").tenant == world.contoso


def test_a_hostile_organization_gets_nothing_by_inviting(world: World) -> None:
    hostile = Actor.of(world.person("mallory"))
    invitations.invite(world.fabrikam, "alice@contoso.example", actor=hostile)
    token = link_token("alice@contoso.example")
    for who in ("mallory", "alice"):
        with pytest.raises(ChangeRefusedError):
            invitations.accept_as(token, world.person(who))
    invitations.invite(world.fabrikam, "nobody-yet@contoso.example", actor=hostile)
    with pytest.raises(ChangeRefusedError, match="looks after its people itself"):
        invitations.accept_as_new(
            link_token("nobody-yet@contoso.example"), name="", password="a long password"
        )
    assert world.person("alice").tenant == world.contoso
    assert not User.objects.filter(email="nobody-yet@contoso.example").exists()


def test_people_are_found_by_parts_and_filters(world: World, alice: Actor) -> None:
    people.add_address(world.person("carol"), "press@contoso.example", actor=alice)
    people.change_person(world.person("bob"), name="Robert Miller", licensed=True, actor=alice)
    sales = Group.objects.for_tenant(world.contoso).get(name="Sales")

    def found(**wanted: object) -> list[str]:
        rows = people_matching(world.contoso, PeopleFilter(**wanted)).order_by("email")  # type: ignore[arg-type]
        return [row.email.split("@")[0] for row in rows]

    assert found() == ["alice", "bob", "carol"]
    assert found(text="MILL") == ["bob"] and found(text="press") == ["carol"] and found(text="%") == []
    people.change_person(world.person("alice"), name="O'Neil \\ 100%_{0} %s", actor=alice)
    for text in ("o'neil", "\\ 1", "0%_{", "%s", "{0}"):
        assert found(text=text) == ["alice"], text
    for text in ("'; --", "o''neil", "\x00''", "n%l", "\\'", "$$", "%(a)s"):
        assert found(text=text) == [], text
    people.change_person(world.person("alice"), name="Alice", actor=alice)
    assert found(licensed="yes") == ["bob"] and found(role="global_admin") == ["alice"]
    assert found(group_id=sales.id) == ["carol"] and found(directory="yes") == []
    people.suspend(world.person("carol"), actor=alice)
    assert found(state="suspended") == ["carol"] and found(state="active") == ["alice", "bob"]
