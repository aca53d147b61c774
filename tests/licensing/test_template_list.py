"""The list of templates on devices: language, order, scope, entity tags."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import UsageEvent
from policies import editing, states
from policies.models import PolicyTemplate
from policies.reading import read_content
from rms.languages import lcid_of
from tenants.changes import Actor
from tenants.languages import LANGUAGES
from tenants.models import Tenant
from tests.conftest import Device, World

pytestmark = pytest.mark.django_db
ALICE = Actor("alice@contoso.example")
MakeDevice = Callable[[str], Device]


def publish(world: World, **rules: Any) -> PolicyTemplate:
    raw = {
        "names": [{"language": "en", "name": "Board"}, {"language": "de", "name": "Vorstand"}],
        "grants": [{"principal": "members", "level": "VIEWER"}],
        **rules,
    }
    made = editing.create_template(world.contoso, read_content(raw, world.contoso), actor=ALICE)
    return states.publish(made, actor=ALICE)


def names(device: Device, **headers: str) -> list[str]:
    return [each["Name"] for each in device.get("/my/v2/templates", **headers).json()]


def test_every_language_has_a_number_of_its_own() -> None:
    assert len({lcid_of(tag) for tag in LANGUAGES}) == len(LANGUAGES)


def test_names_order_and_scope(world: World, device: MakeDevice) -> None:
    board = publish(world, visible_to_all=False, scope=["Sales"])
    carol = device("carol")
    assert names(carol, Accept_Language="de-AT,en;q=0.5")[-1] == "Vorstand"
    assert names(carol, Accept_Language="fr")[-1] == "Board"
    states.move_template(board, 0, actor=ALICE)
    assert names(carol)[0] == "Board" and "Board" not in names(device("bob"))
    states.archive(board, actor=ALICE)
    assert "Board" not in names(carol)


def test_a_device_that_has_the_list_gets_nothing_but_a_row_in_the_log(
    world: World, device: MakeDevice
) -> None:
    bob = device("bob")
    first = bob.get("/my/v2/templates")
    tag = first.headers["ETag"]
    rows = UsageEvent.objects.count()
    with CaptureQueriesContext(connection) as queries:
        again = bob.get("/my/v1/templates", If_None_Match=f'"other", W/{tag}')
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert UsageEvent.objects.count() == rows + 1
    assert UsageEvent.objects.latest("id").request_type == "FEGetAllTemplates"
    assert not any("localizedname" in query["sql"] or "templategrant" in query["sql"] for query in queries)
    assert bob.get("/my/v2/templates", If_None_Match=tag, Accept_Language="de").status_code == 200
    publish(world)
    fresh = bob.get("/my/v2/templates", If_None_Match=tag)
    assert fresh.status_code == 200 and fresh.headers["ETag"] != tag and len(fresh.json()) == 3
    Tenant.objects.filter(id=world.contoso.id).update(onboarding="licensed")
    assert bob.get("/my/v2/templates", If_None_Match=fresh.headers["ETag"]).json() == []


def test_the_number_of_queries_does_not_grow(world: World, device: MakeDevice) -> None:
    bob = device("bob")
    bob.get("/my/v2/templates")
    with CaptureQueriesContext(connection) as few:
        bob.get("/my/v2/templates")
    for _ in range(3):
        publish(world)
    bob.get("/my/v2/templates")
    with CaptureQueriesContext(connection) as many:
        bob.get("/my/v2/templates")
    assert len(many) == len(few)


def test_a_new_version_decides_about_what_was_protected_before(world: World, device: MakeDevice) -> None:
    template = publish(world)
    license = device("bob").publish({"TemplateId": str(template.id)})["SerializedPublishingLicense"]
    carol = device("carol")
    assert carol.open(license)["Rights"] == ["VIEW", "VIEWRIGHTSDATA", "REPLY", "REPLYALL", "OBJMODEL"]
    rules = read_content(
        {
            "names": [{"language": "en", "name": "Board"}],
            "grants": [{"principal": "owner", "level": "VIEWER"}],
        },
        world.contoso,
    )
    draft = editing.save_draft(template, rules, actor=ALICE)
    assert carol.open(license)["AccessStatus"] == "AccessGranted", "a draft decides about nothing"
    states.publish(draft, actor=ALICE)
    assert carol.open(license)["AccessStatus"] == "AccessDenied"
