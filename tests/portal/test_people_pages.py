"""Finding, inviting, changing and suspending people in a browser."""

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from tenants import people
from tenants.changes import Actor
from tenants.models import Group, Invitation, OutgoingMail, RoleAssignment, User
from tests.conftest import World
from tests.portal.conftest import Browse

pytestmark = pytest.mark.django_db


def link_of(address: str) -> str:
    text = OutgoingMail.objects.filter(to=address).latest("created_at").text
    return "/invitation/" + text.split("/invitation/")[1].split()[0]


def test_filters_and_order_stand_in_the_address(browse: Browse, world: World) -> None:
    alice = Actor.of(world.person("alice"))
    people.change_person(world.person("bob"), name="Robert", licensed=True, actor=alice)
    people.suspend(world.person("carol"), actor=alice)
    client = browse("alice")
    group = Group.objects.get(name="Sales")

    def found(query: str) -> list[str]:
        return [one.email.split("@")[0] for one in client.get(f"/people/?{query}").context["page"].rows]

    assert found("state=suspended") == ["carol"] and found("licensed=yes") == ["bob"]
    assert found("role=global_admin") == ["alice"] and found(f"group={group.id}") == ["carol"]
    assert found("sort=name") == ["alice", "carol", "bob"] and found("group=nonsense&state=odd") == [
        "alice",
        "bob",
        "carol",
    ]
    assert found("q=ober&state=active") == ["bob"]


def test_many_are_changed_after_a_look_at_what_it_means(browse: Browse, world: World) -> None:
    client = browse("alice")
    ids = [world.person(name).id for name in ("bob", "carol")]
    asked = client.post("/people/bulk/", {"action": "suspend", "person": ids})
    assert "2 people can no longer sign in" in asked.content.decode() and world.person("bob").is_active
    everybody = [*ids, world.person("alice").id, world.person("mallory").id]
    done = client.post(
        "/people/bulk/", {"action": "suspend", "person": everybody, "confirmed": "yes"}, follow=True
    )
    assert (
        "last global administrator" in done.content.decode() and "2 people changed" in done.content.decode()
    )
    assert not world.person("bob").is_active and world.person("mallory").is_active
    client.post("/people/bulk/", {"action": "license", "person": ids, "confirmed": "yes"})
    assert world.person("carol").licensed
    group = Group.objects.get(name="Sales")
    client.post("/people/bulk/", {"action": "group", "person": ids, "confirmed": "yes", "group": group.id})
    assert group.members.count() == 2
    assert (
        "Tick the people first"
        in client.post("/people/bulk/", {"action": "resume"}, follow=True).content.decode()
    )


def test_the_exported_file_holds_no_formula(browse: Browse, world: World) -> None:
    User.objects.filter(email="bob@contoso.example").update(name="=HYPERLINK(1)")
    answer = browse("alice").get("/people/export/")
    text = b"".join(answer).decode("utf-8-sig")
    assert text.splitlines()[0] == "address,name,groups,licensed,language,aliases,active"
    assert "'=HYPERLINK(1)" in text and "carol@contoso.example,Carol,Sales," in text and "mallory" not in text


def test_a_person_from_editing_to_leaving(browse: Browse, world: World) -> None:
    client, bob = browse("alice"), world.person("bob")
    own = browse("bob")
    assert own.get("/documents/").status_code == 200
    client.post(f"/people/{bob.id}/edit/", {"name": "Robert", "language": "de", "licensed": "on"})
    bob.refresh_from_db()
    assert (bob.name, bob.language, bob.licensed) == ("Robert", "de", True)
    assert "signed out everywhere" in client.get(f"/people/{bob.id}/suspend/").content.decode()
    client.post(f"/people/{bob.id}/suspend/")
    assert own.get("/documents/").status_code == 302
    assert "SuspendPerson" in client.get(f"/people/{bob.id}/").content.decode()
    client.post(f"/people/{bob.id}/resume/")
    client.post(f"/people/{bob.id}/addresses/", {"do": "add", "address": "bob@elsewhere.example"})
    page = client.get(f"/people/{bob.id}/")
    assert {one["email"]: one["counts"] for one in page.context["addresses"]}[
        "bob@elsewhere.example"
    ] is False
    refused = client.post(
        f"/people/{bob.id}/addresses/", {"do": "main", "address": "bob@elsewhere.example"}, follow=True
    )
    assert "Only an address that counts" in refused.content.decode()
    assert client.post(f"/people/{bob.id}/remove/", {"name": "bob"}).status_code == 400
    assert client.post(f"/people/{bob.id}/remove/", {"name": "bob@contoso.example"}).status_code == 302
    bob.refresh_from_db()
    assert bob.tenant is None and not bob.is_active


def test_an_invited_person_accepts_with_name_and_password(browse: Browse, world: World) -> None:
    client, group = browse("alice"), Group.objects.get(name="Sales")
    sent = client.post(
        "/people/invite/",
        {"addresses": "new@partner.example, bob@contoso.example", "language": "en", "groups": [group.id]},
    )
    assert sent.status_code == 400 and "is in your organization already" in sent.content.decode()
    assert "new@partner.example" in client.get("/people/invitations/").content.decode()
    link, guest = link_of("new@partner.example"), Client()
    assert "Join Contoso" in guest.get(link).content.decode()
    assert guest.post(link, {"name": "Nora", "password": "short"}).status_code == 400
    accepted = guest.post(link, {"name": "Nora", "password": "correct horse battery"})
    assert accepted.status_code == 302
    nora = User.objects.get(email="new@partner.example")
    assert nora.tenant == world.contoso and group.members.filter(user=nora).exists()
    assert EmailAddress.objects.get(user=nora).verified
    assert guest.get(link).status_code == 404 and Client().get("/invitation/none/").status_code == 404


def test_who_has_an_account_is_asked_to_sign_in_and_others_are_turned_away(
    browse: Browse, world: World
) -> None:
    client = browse("alice")
    client.post("/people/invite/", {"addresses": "erin@individual.example", "language": "en"})
    link = link_of("erin@individual.example")
    assert "Sign in to accept" in Client().get(link).content.decode()
    assert Client().post(link, {"name": "E", "password": "correct horse battery"}).status_code == 200
    assert browse("dave").post(link).status_code == 400
    assert browse("erin").post(link).status_code == 302
    assert world.person("erin").tenant == world.contoso


def test_an_invitation_is_sent_again_or_withdrawn(browse: Browse, world: World) -> None:
    client = browse("alice")
    client.post("/people/invite/", {"addresses": "one@partner.example", "language": "de"})
    old, found = link_of("one@partner.example"), Invitation.objects.get()
    client.post(f"/people/invitations/{found.id}/", {"do": "resend"})
    assert Client().get(old).status_code == 404
    client.post(f"/people/invitations/{found.id}/", {"do": "withdraw"})
    assert "No invitation waits" in client.get("/people/invitations/").content.decode()


def test_an_auditor_looks_and_changes_nothing(browse: Browse, world: World) -> None:
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("carol"), role="auditor")
    client, bob = browse("carol"), world.person("bob")
    page = client.get(f"/people/{bob.id}/").content.decode()
    assert "Suspend" not in page and "Invite people" not in client.get("/people/").content.decode()
    for path in ("edit", "suspend", "remove"):
        assert client.get(f"/people/{bob.id}/{path}/").status_code == 403
    for path in ("/people/bulk/", f"/people/{bob.id}/resume/", f"/people/{bob.id}/addresses/"):
        assert client.post(path).status_code == 403
    assert client.get("/people/invite/").status_code == 403
