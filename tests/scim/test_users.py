"""People by SCIM: what a directory may say, what counts of it, and who is never touched."""

import json
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from audit.models import AdminEvent
from tenants.changes import Actor
from tenants.directory import adopt_addresses
from tenants.identity import Caller, person_with_address, standing_of
from tenants.models import DirectoryEntry, RoleAssignment, User, VerifiedDomain
from tenants.people import suspend
from tests.conftest import World
from tests.scim.conftest import ENTERPRISE, PATCH, USER, Directory

pytestmark = pytest.mark.django_db


def person(found: dict[str, Any]) -> User:
    return User.objects.get(id=found["id"])


def test_a_person_of_a_proven_domain_gets_their_address(contoso: Directory) -> None:
    made = contoso.add_user(
        "Nora@Contoso.example",
        displayName="Nora Ng",
        emails=[
            {"value": "nora.ng@contoso.example", "type": "work", "primary": True},
            {"value": "nora@elsewhere.example"},
        ],
        password="never kept",
    )
    nora = person(made)
    assert (nora.email, nora.name, nora.has_usable_password()) == ("nora@contoso.example", "Nora Ng", False)
    assert standing_of(Caller.of(nora), contoso.tenant.id).addresses == {
        "nora@contoso.example",
        "nora.ng@contoso.example",
    }
    assert {found["value"] for found in made["emails"]} == {
        "nora.ng@contoso.example",
        "nora@elsewhere.example",
    }
    assert not EmailAddress.objects.filter(email="nora@elsewhere.example").exists()
    assert "never kept" not in json.dumps(DirectoryEntry.objects.get(user=nora).attributes)
    assert "password" not in made
    rows = AdminEvent.objects.filter(target_id=str(nora.id))
    assert [(row.actor, row.action) for row in rows] == [("directory (Entra)", "SyncAddPerson")]


def test_somebody_who_is_here_is_taken_over_and_not_doubled(world: World, contoso: Directory) -> None:
    made = contoso.add_user("bob@contoso.example", externalId="17")
    assert made["id"] == str(world.person("bob").id)
    again = contoso.call("POST", "/Users", {"schemas": [USER], "userName": "BOB@contoso.example"})
    assert (again.status_code, again.json()["scimType"]) == (409, "uniqueness")


def test_taking_somebody_over_ends_no_suspension(world: World, contoso: Directory) -> None:
    suspend(world.person("bob"), actor=Actor.of(world.person("alice")))
    assert contoso.add_user("bob@contoso.example", active=True)["active"] is False
    assert not world.person("bob").is_active


def test_somebody_of_no_organization_joins_with_a_verified_address(world: World, contoso: Directory) -> None:
    erin = world.person("erin")
    EmailAddress.objects.create(user=erin, email="erin@contoso.example", verified=True)
    assert contoso.add_user("erin@contoso.example")["id"] == str(erin.id)
    erin.refresh_from_db()
    assert erin.tenant_id == contoso.tenant.id


def test_a_hostile_organization_gets_nothing_of_somebody_elses(
    world: World, contoso: Directory, fabrikam: Directory, device: Any
) -> None:
    license = device("bob").protect_for(("alice@contoso.example", ["VIEW"]))
    made = fabrikam.add_user(
        "alice@contoso.example",
        emails=[{"value": "alice@contoso.example", "primary": True}, {"value": "carol@contoso.example"}],
    )
    fake, alice = person(made), world.person("alice")
    assert fake.id != alice.id
    assert fake.email.endswith(".directory.invalid")
    assert standing_of(Caller.of(fake), contoso.tenant.id).addresses == frozenset()
    assert person_with_address(contoso.tenant, "alice@contoso.example") == alice
    assert EmailAddress.objects.filter(email="alice@contoso.example").get().user == alice
    from tests.conftest import Device

    answer = Device(Client(), fake).post(
        "/my/v2/enduserlicenses", {"SerializedPublishingLicense": license["SerializedPublishingLicense"]}
    )
    assert answer.status_code in (200, 400, 403)
    assert "Key" not in answer.json()
    assert "AccessDenied" in answer.content.decode() or answer.json().get("AccessStatus") == "AccessDenied"
    # The stranger's directory learns neither that she exists nor anything by trying to change her.
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        seen = fabrikam.call(
            method,
            f"/Users/{alice.id}",
            {
                "schemas": [USER],
                "userName": "x",
                "Operations": [{"op": "add", "path": "title", "value": "x"}],
            },
        )
        assert seen.status_code == 404
    assert fabrikam.names('emails.value eq "bob@contoso.example"') == []


@pytest.mark.parametrize("path", ["/accounts/password/reset/", "/accounts/login/"])
def test_a_stated_address_of_others_is_no_way_to_sign_in(
    fabrikam: Directory, client: Client, mailoutbox: list[Any], path: str
) -> None:
    made = fabrikam.add_user("zoe@contoso.example", emails=[{"value": "zoe@contoso.example"}])
    client.post(path, {"email": "zoe@contoso.example", "login": "zoe@contoso.example", "password": "x"})
    assert person(made).last_login is None
    assert not any("code" in mail.subject.lower() for mail in mailoutbox if made["id"] in str(mail.body))
    assert not EmailAddress.objects.filter(email="zoe@contoso.example").exists()


def test_addresses_count_once_the_domain_is_proven(fabrikam: Directory) -> None:
    made = fabrikam.add_user("gus@newly.example")
    VerifiedDomain.objects.create(tenant=fabrikam.tenant, domain="newly.example")
    assert adopt_addresses(fabrikam.tenant, "newly.example") == 1
    assert person(made).email == "gus@newly.example"


def test_suspending_and_resuming(contoso: Directory, device: Any) -> None:
    made = contoso.add_user("bob@contoso.example")
    bob = device("bob")
    assert bob.get("/api/v1/whoami/").status_code == 200
    for value in (False, "False"):
        answer = contoso.patch(f"/Users/{made['id']}", {"op": "Replace", "path": "active", "value": value})
        assert answer.json()["active"] is False
        assert not person(made).is_active
        contoso.patch(f"/Users/{made['id']}", {"op": "Replace", "path": "active", "value": "True"})
        assert person(made).is_active
    from tenants.freshness import forget_facts

    forget_facts()
    assert bob.get("/api/v1/whoami/").status_code == 401


def test_a_suspension_ordered_here_is_not_ended_by_a_sync(contoso: Directory) -> None:
    made = contoso.add_user("bob@contoso.example")
    User.objects.filter(id=made["id"]).update(is_active=False)
    answer = contoso.patch(f"/Users/{made['id']}", {"op": "replace", "path": "title", "value": "Writer"})
    assert (answer.json()["active"], answer.json()["title"]) == (False, "Writer")
    assert not person(made).is_active


def test_the_last_administrator_stays(contoso: Directory) -> None:
    made = contoso.add_user("alice@contoso.example")
    for answer in (
        contoso.patch(f"/Users/{made['id']}", {"op": "replace", "value": {"active": False}}),
        contoso.call("DELETE", f"/Users/{made['id']}"),
    ):
        assert (answer.status_code, answer.json()["scimType"]) == (403, "mutability")
        assert "last global administrator" in answer.json()["detail"]
    assert person(made).is_active


def test_removing_leaves_the_account_that_documents_name(contoso: Directory, world: World) -> None:
    made = contoso.add_user("bob@contoso.example")
    assert contoso.call("DELETE", f"/Users/{made['id']}").status_code == 204
    bob = person(made)
    assert (bob.tenant_id, bob.is_active) == (None, False)
    assert contoso.get(f"/Users/{made['id']}").status_code == 404
    assert not RoleAssignment.objects.for_tenant(contoso.tenant).filter(user=bob).exists()
    # A reassigned name inherits nothing.
    assert contoso.add_user("bob@contoso.example")["id"] != made["id"]


def test_what_entra_sends(contoso: Directory) -> None:
    made = contoso.add_user(
        "nora@contoso.example",
        active=True,
        externalId="8f1d",
        name={"formatted": "Nora Ng", "familyName": "Ng", "givenName": "Nora"},
        meta={"resourceType": "User"},
        roles=[],
        **{ENTERPRISE: {"department": "Press"}},
    )
    answer = contoso.patch(
        f"/Users/{made['id']}",
        {"op": "Add", "path": 'emails[type eq "work"].value', "value": "nora@contoso.example"},
        {"op": "Replace", "path": "name.familyName", "value": "Nguyen"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Print"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": made["id"]},
        {
            "op": "Replace",
            "value": {
                "displayName": "Nora Nguyen",
                "name.givenName": "N.",
                f"{ENTERPRISE}:employeeNumber": "7",
            },
        },
    )
    assert answer.status_code == 200, answer.content
    found = answer.json()
    assert found["emails"] == [{"value": "nora@contoso.example", "type": "work"}]
    assert found["name"]["givenName"] == "N." and found["name"]["familyName"] == "Nguyen"
    assert found[ENTERPRISE]["department"] == "Print" and found[ENTERPRISE]["employeeNumber"] == "7"
    assert found[ENTERPRISE]["manager"]["value"] == made["id"]
    assert person(made).name == "Nora Nguyen"
    for text in (
        'userName eq "NORA@contoso.example"',
        'externalId eq "8f1d"',
        'emails[type eq "work"].value eq "nora@contoso.example"',
        'emails[type eq "work" and value eq "nora@contoso.example"]',
        'emails.value eq "nora@contoso.example"',
        'userName sw "nora" and active eq true',
        'not (userName eq "x") and (title pr or displayName co "nguyen")',
        f'id eq "{made["id"]}"',
    ):
        assert contoso.names(text) == ["nora@contoso.example"], text
    assert contoso.names('emails[type eq "home"].value eq "nora@contoso.example"') == []
    # `and` binds tighter than `or`.
    assert contoso.names('userName eq "nora@contoso.example" or userName eq "x" and userName eq "y"') != []


def test_what_okta_sends(contoso: Directory) -> None:
    made = contoso.add_user(
        "kim@contoso.example",
        name={"givenName": "Kim", "familyName": "Lee"},
        emails=[{"primary": True, "value": "kim@contoso.example", "type": "work"}],
        displayName="Kim Lee",
        locale="en-US",
        groups=[],
        password="1mz050nq",
        active=True,
    )
    put = {
        "schemas": [USER],
        "id": made["id"],
        "userName": "kim@contoso.example",
        "name": {"givenName": "Kim", "familyName": "Park"},
        "active": True,
        "meta": {"resourceType": "User"},
    }
    assert contoso.call("PUT", f"/Users/{made['id']}", put).json()["name"]["familyName"] == "Park"
    answer = contoso.patch(f"/Users/{made['id']}", {"op": "replace", "value": {"active": False}})
    assert answer.json()["active"] is False


def test_pages_and_counts(contoso: Directory) -> None:
    for number in range(7):
        contoso.add_user(f"person{number}")
    pages = [
        contoso.get(f"/Users?startIndex={start}&count=3&attributes=userName").json()
        for start in (1, 4, 7, 10)
    ]
    assert [page["totalResults"] for page in pages] == [7, 7, 7, 7]
    seen = [found["userName"] for page in pages for found in page["Resources"]]
    assert seen == [f"person{number}" for number in range(7)]
    assert set(pages[0]["Resources"][0]) == {"schemas", "id", "userName"}
    assert contoso.get("/Users?count=0").json()["totalResults"] == 7
    body = {"startIndex": 2, "count": 1, "filter": 'userName sw "person"'}
    assert contoso.call("POST", "/Users/.search", body).json()["Resources"][0]["userName"] == "person1"


def test_versions(contoso: Directory) -> None:
    made = contoso.add_user("kim")
    version, path = made["meta"]["version"], f"/Users/{made['id']}"
    assert contoso.get(path, **{"If-None-Match": version}).status_code == 304
    change = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": "x"}]}
    assert contoso.call("PATCH", path, change, **{"If-Match": 'W/"1"'}).status_code == 412
    assert contoso.call("PATCH", path, change, **{"If-Match": version}).status_code == 200
    assert contoso.call("PATCH", path, change, **{"If-Match": version}).status_code == 412


def test_tokens_open_their_own_organization_only(contoso: Directory, fabrikam: Directory) -> None:
    fabrikam.base = contoso.base
    answers = [fabrikam.get("/Users"), Client().get(f"{contoso.base}/Users")]
    fabrikam.base = "/t/7e1f6a86-0000-4000-8000-000000000000/scim/v2"
    answers.append(fabrikam.get("/Users"))
    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}
    contoso.token.expires_at = contoso.token.created_at
    contoso.token.save()
    assert contoso.get("/Users").status_code == 401
    assert contoso.get("/Me").status_code == 401
