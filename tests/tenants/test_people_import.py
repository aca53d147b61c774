"""People from a CSV file: how it is read, what is wrong in it, what it does, and what a hostile file gets: nothing."""

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from audit.models import AdminEvent
from tenants import groups, invitations, people, roles
from tenants.changes import Actor, ChangeRefusedError
from tenants.freshness import forget_facts
from tenants.identity import Caller, standing_of
from tenants.models import Group, OutgoingMail, StatedAddress, User
from tenants.people_import import import_people, plan_import
from tenants.people_table import MAX_ROWS, read_table
from tests.conftest import Device, World
from tests.portal.conftest import Browse, browse

pytestmark = pytest.mark.django_db
__all__ = ["browse"]  # the fixture
MakeDevice = Callable[[str], Device]


@pytest.fixture
def alice(world: World) -> Actor:
    return Actor.of(world.person("alice"))


def errors(world: World, text: str) -> list[tuple[int, str, str]]:
    plan = plan_import(world.contoso, text.encode())
    return [(each.line, each.column, each.text) for each in plan.complaints]


@pytest.mark.parametrize(
    "data",
    [
        b"address,name\nnew@contoso.example,N\xc3\xa4me",
        "\ufeffAdresse;Name\r\nnew@contoso.example;Näme\r\n".encode(),
        "sep=;\r\nE-Mail;Anzeigename\r\nNew@Contoso.Example;Näme".encode(),
        "name\taddress\tphone\n Näme \tnew@contoso.example\t\n\n".encode(),
        'Name,"address"\n"Näme","new@contoso.example"\n,\n'.encode(),
    ],
)
def test_as_spreadsheets_write_it(data: bytes) -> None:
    (row,) = read_table(data).rows
    assert (row.address, row.name, row.complaints) == ("new@contoso.example", "Näme", [])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "no_rows"),
        (b"address\n", "no_rows"),
        (b"name,phone\na,b", "no_address_column"),
        (b"address,email\na@b.example,c@d.example", "column_twice"),
        ("address;name\na@b.example;Näme".encode("latin-1"), "not_utf8"),
        ("address;name\na@b.example;Näme".encode("utf-16"), "not_utf8"),
        (b'address,name\na@b.example,"open', "bad_file"),
        (b"address\n" + b"a@b.example\n" * (MAX_ROWS + 1), "too_many_rows"),
        (b"address\n" + b"x" * 2_000_001, "too_large"),
    ],
)
def test_what_is_no_table_of_people(data: bytes, code: str) -> None:
    with pytest.raises(ChangeRefusedError) as refused:
        read_table(data)
    assert refused.value.code == code and str(refused.value)


def test_each_wrong_row_says_where_and_what(world: World, alice: Actor) -> None:
    powerful = groups.create_group(world.contoso, "Admins", actor=alice)
    roles.give_role(world.contoso, "auditor", actor=alice, group=powerful)
    Group.objects.create(tenant=world.contoso, name="Synced", from_directory=True)
    Group.objects.create(tenant=world.contoso, name="Office", mail="office@contoso.example")
    text = (
        "address;name;aliases;groups;licensed;language\n"
        "one@contoso.example;One;;Nowhere;perhaps;xx\n"
        'no address;"Two\nlines";;;;\n'
        "one@contoso.example;Again;;;;\n"
        "bob@contoso.example;;carol@contoso.example;;;\n"
        "two@contoso.example;;;Admins;;\n"
        "three@contoso.example;;;Synced;;\n"
        "office@contoso.example;;;;;\n"
        ";Nobody;;;;\n"
        "four@contoso.example;;;;;;more\n"
    )
    found = errors(world, text)
    assert [(line, column) for line, column, _text in found] == [
        (2, "licensed"), (2, "language"), (3, "address"), (5, "address"), (6, "address"), (7, "groups"),
        (8, "groups"), (9, "address"), (10, "address"), (11, ""),
    ]  # fmt: skip
    said = {(line, column): text for line, column, text in found}
    assert "line 2 already" in said[5, "address"] and "several people" in said[6, "address"]
    assert "brings a role or a power" in said[7, "groups"] and "is missing" in said[10, "address"]
    assert "Nowhere" in errors(world, "address,groups\nx@contoso.example,Nowhere")[0][2]
    before = User.objects.count()
    with pytest.raises(ChangeRefusedError, match="9 rows are wrong"):
        import_people(world.contoso, text.encode(), actor=alice)
    assert User.objects.count() == before


def test_people_are_added_and_added_to(world: World, alice: Actor) -> None:
    text = (
        "address,name,aliases,groups,licensed,language\n"
        "new@contoso.example,Nora,nora@contoso.example; nora@home.example,Sales,yes,de\n"
        "robert@partner.example,'=Robert,,,,\n"
        "bob@contoso.example,Robert,bobby@contoso.example,Sales,,\n"
        "alice@contoso.example,,,,,\n"
    )
    plan = import_people(world.contoso, text.encode(), actor=alice)
    assert (len(plan.new), len(plan.changed), plan.unchanged, plan.outside) == (2, 1, 1, 1)
    nora = world.person("new")
    assert (nora.name, nora.licensed, nora.language, nora.tenant) == ("Nora", True, "de", world.contoso)
    assert standing_of(Caller.of(nora), world.contoso.id).addresses == {
        "new@contoso.example",
        "nora@contoso.example",
    }
    assert nora.stated_addresses.get().address == "nora@home.example" and not nora.has_usable_password()
    outside = User.objects.get(stated_addresses__address="robert@partner.example")
    assert outside.email.endswith(".invalid") and outside.name == "=Robert"
    sales = Group.objects.for_tenant(world.contoso).get(name="Sales")
    assert sales.members.filter(user__in=[nora, world.person("bob")]).count() == 2
    assert world.person("bob").name == "Robert"
    rows = AdminEvent.objects.for_tenant(world.contoso.id)
    assert rows.filter(action="ImportPerson").count() == 2 and rows.filter(action="ChangePerson").count() == 1
    assert rows.get(action="ImportPeople").after == {"rows": 4, "unchanged": 1, "left_out": 0}
    again = plan_import(world.contoso, text.encode())
    assert again.unchanged == 4 and not again.complaints


def test_who_is_outside_enters_the_prepared_account_by_an_invitation(world: World, alice: Actor) -> None:
    text = b"address,name,groups,licensed\nann@partner.example,Ann,Sales,yes\nben@partner.example,Ben,,\n"
    import_people(world.contoso, text, actor=alice)
    prepared = {
        name: User.objects.get(stated_addresses__address=f"{name}@partner.example") for name in ("ann", "ben")
    }
    prepared["ben"].set_password("an admin's own doing")
    prepared["ben"].save()
    for name, person in prepared.items():
        invitations.invite(world.contoso, f"{name}@partner.example", actor=alice)
        link = OutgoingMail.objects.filter(to=f"{name}@partner.example").latest("created_at").text
        token = link.split("/invitation/")[1].split("/")[0]
        accepted = invitations.accept_as_new(token, name="", password="a long enough password")
        assert (accepted.id == person.id) is (name == "ann"), (
            "what anybody could enter before is not handed on"
        )
        assert accepted.email == f"{name}@partner.example" and accepted.tenant == world.contoso
    ann = world.person("ann")
    assert ann.licensed and ann.name == "Ann" and not ann.stated_addresses.exists()
    assert standing_of(Caller.of(ann), world.contoso.id).addresses == {"ann@partner.example"}


def test_whoever_came_alone_joins(world: World, alice: Actor) -> None:
    erin = world.person("erin")
    EmailAddress.objects.create(user=erin, email="erin@contoso.example", verified=True)
    import_people(world.contoso, b"address\nerin@contoso.example", actor=alice)
    erin.refresh_from_db()
    assert erin.tenant == world.contoso
    assert AdminEvent.objects.for_tenant(world.contoso.id).filter(action="AdoptPerson").exists()


def test_a_hostile_file_opens_nothing(world: World, device: MakeDevice) -> None:
    hers = device("bob").protect_for(("alice@contoso.example", ["VIEW"]), ("new@contoso.example", ["VIEW"]))
    hostile = Actor.of(world.person("mallory"))
    text = "address,aliases\nalice@contoso.example,new@contoso.example\nmallory@fabrikam.example,bob@contoso.example"
    plan = import_people(world.fabrikam, text.encode(), actor=hostile)
    assert len(plan.new) == 1 and len(plan.changed) == 1
    assert StatedAddress.objects.for_tenant(world.fabrikam).count() == 3
    forget_facts()
    puppet = User.objects.for_tenant(world.fabrikam).get(stated_addresses__address="alice@contoso.example")
    for person in (puppet, world.person("mallory")):
        opened = Device(Client(), person).open(hers["SerializedPublishingLicense"])
        assert opened["AccessStatus"] == "AccessDenied"
        assert standing_of(Caller.of(person), world.contoso.id).addresses <= {"mallory@fabrikam.example"}
    assert not EmailAddress.objects.filter(user=puppet).exists()
    mine = people.find_person(world.contoso, world.person("alice").id)
    assert mine is not None and mine.tenant == world.contoso


def upload(client: Client, text: str) -> Any:
    return client.post("/people/import/", {"file": SimpleUploadedFile("people.csv", text.encode())})


def test_by_page(world: World, browse: Browse) -> None:
    client = browse("alice")
    assert "CSV file" in client.get("/people/import/").content.decode()
    assert client.post("/people/import/").status_code == 400
    assert (
        "not in UTF-8"
        in client.post(
            "/people/import/", {"file": SimpleUploadedFile("p.csv", "address\nä".encode("latin-1"))}
        ).content.decode()
    )
    text = "address;name;groups\nnew@contoso.example;Nora;Sales\nbad;Someone;\n"
    page = upload(client, text).content.decode()
    assert "1 row is wrong" in page and "Import 1 person, leave" in page
    assert not User.objects.filter(email="new@contoso.example").exists()
    hidden = dict(re.findall(r'name="(content|fingerprint)" value="([^"]+)"', page))
    assert base64.b64decode(hidden["content"]).decode() == text
    rejected = client.post("/people/import/", {**hidden, "do": "left_out"}).content.decode("utf-8-sig")
    assert (
        rejected.splitlines()[0] == "address;name;groups;error"
        and "bad;Someone;;“bad”: This is not" in rejected
    )
    people.change_person(world.person("bob"), name="Somebody", actor=Actor("alice"))
    Group.objects.filter(name="Sales").update(name="Renamed")
    changed = client.post("/people/import/", {**hidden, "do": "import"})
    assert changed.status_code == 409 and "Something has changed" in changed.content.decode()
    Group.objects.filter(name="Renamed").update(name="Sales")
    done = client.post("/people/import/", {**hidden, "do": "import"}, follow=True)
    assert "1 person added." in done.content.decode() and world.person("new").tenant == world.contoso
    assert browse("bob").get("/people/import/").status_code == 403


def test_by_api(world: World, device: MakeDevice) -> None:
    alice, path = device("alice"), "/api/v1/people/import/"
    text = "address\nnew@contoso.example\nbad\n"
    tried = alice.post(path, {"csv": text, "dry_run": True}).json()
    assert (tried["new"], tried["left_out"]) == (1, 1)
    assert tried["wrong_rows"] == [
        {"line": 3, "column": "address", "message": "“bad”: This is not a mail address."}
    ]
    refused = alice.post(path, {"csv": text})
    assert (refused.status_code, refused.json()["code"]) == (409, "rows_refused")
    assert alice.post(path, {"csv": "name\nx"}).json()["code"] == "no_address_column"
    headers = {"Authorization": f"Bearer {alice.token}"}
    raw = alice.client.post(f"{path}?leave_out=true", text, content_type="text/csv", headers=headers)
    assert (raw.status_code, raw.json()["new"], raw.json()["dry_run"]) == (200, 1, False)
    assert world.person("new").tenant == world.contoso
    assert device("bob").post(path, {"csv": text}).status_code == 403
