"""Pages of the end of a key: what is named before, two people, undo, the certificate."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from keys.models import KeyVersion
from keys.rollover import finish_due_rolls, start_roll
from rms.destruction import read_certificate
from tenants.models import RoleAssignment
from tests.conftest import World, make_token
from tests.keys.aging import let_announcements_pass
from tests.portal.conftest import Browse, MakeDocument, log_opening
from tracking.destruction import carry_out_due
from tracking.models import Destruction

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(world: World, make_document: MakeDocument) -> KeyVersion:
    """An archived key beside an active one, with a document that dave has read."""
    document = make_document()
    log_opening(document, "dave@fabrikam.example")
    start_roll(world.contoso, actor=world.person("alice"))
    let_announcements_pass()
    finish_due_rolls()
    return KeyVersion.objects.get(id=document.key_id)


def test_disable_and_undo(browse: Browse, key: KeyVersion) -> None:
    client, page = browse("alice"), f"/keys/{key.id}/"
    assert "Disable…" in client.get(page).content.decode()
    asked = client.get(f"{page}disable/").content.decode()
    assert "1 registered document opens for nobody then. Protected by 1 person." in asked
    assert "plan.pdf" in asked and "bob@contoso.example" in asked and "dave@fabrikam.example" in asked
    assert client.post(f"{page}disable/")["Location"] == page
    shown = client.get(page).content.decode()
    assert "It is disabled" in shown and "Enable…" in shown and "Destroy…" in shown
    assert "opens again" in client.get(f"{page}enable/").content.decode()
    client.post(f"{page}enable/")
    assert KeyVersion.objects.get(id=key.id).state == "archived"
    client.post(f"{page}enable/")
    assert "This key is not disabled." in client.get(page).content.decode()


def test_destroying_takes_two(browse: Browse, world: World, key: KeyVersion) -> None:
    since = timezone.now() - timedelta(hours=25)
    RoleAssignment.objects.create(
        tenant=world.contoso, user=world.person("bob"), role="key_admin", since=since
    )
    alice, bob, page = browse("alice"), browse("bob"), f"/keys/{key.id}/"
    alice.post(f"{page}disable/")
    assert alice.get(f"{page}destroy/approve/")["Location"] == page
    assert alice.post(f"{page}destroy/", {"reason": "", "grace_days": 7}).status_code == 400
    alice.post(f"{page}destroy/", {"reason": "It leaked", "grace_days": 3})
    shown = alice.get(page).content.decode()
    assert "waits for a second administrator" in shown and "It leaked" in shown and "Enable…" not in shown
    alice.post(f"{page}destroy/approve/", shown_on(alice, page))
    assert "Somebody else has to approve" in alice.get(page).content.decode()
    assert (
        "It is carried out 3 days after your approval" in bob.get(f"{page}destroy/approve/").content.decode()
    )
    bob.post(f"{page}destroy/approve/", shown_on(bob, page))
    assert "This key is destroyed on" in bob.get(page).content.decode()
    bob.post(f"{page}destroy/cancel/")
    assert "Destroy…" in bob.get(page).content.decode()
    assert Destruction.objects.get().canceled_by == "bob@contoso.example"


def test_what_is_approved_is_what_was_shown(browse: Browse, world: World, key: KeyVersion) -> None:
    """Taken back and asked for anew between the look and the approval, with fewer days and another reason."""
    since = timezone.now() - timedelta(hours=25)
    RoleAssignment.objects.create(
        tenant=world.contoso, user=world.person("bob"), role="key_admin", since=since
    )
    alice, bob, page = browse("alice"), browse("bob"), f"/keys/{key.id}/"
    alice.post(f"{page}disable/")
    alice.post(f"{page}destroy/", {"reason": "It leaked", "grace_days": 90})
    looked_at = shown_on(bob, page)
    alice.post(f"{page}destroy/cancel/")
    bob.post(f"{page}destroy/approve/", looked_at)
    alice.post(f"{page}destroy/", {"reason": "Tidying", "grace_days": 1})
    for sent in (looked_at, {}):
        bob.post(f"{page}destroy/approve/", sent)
        assert "is not what you were shown" in bob.get(page).content.decode()
    token = {"Authorization": f"Bearer {make_token(world.person('bob'))}"}
    path = f"/api/v1/keys/{key.id}/destroy/approve/"
    refused = bob.post(path, looked_at, content_type="application/json", headers=token)
    assert (refused.status_code, refused.json()["code"]) == (409, "other_destruction")
    assert bob.post(path, {}, content_type="application/json", headers=token).status_code == 400
    assert Destruction.objects.get(canceled_at=None).approved_at is None
    bob.post(f"{page}destroy/approve/", shown_on(bob, page))
    assert Destruction.objects.get(canceled_at=None).approved_at is not None


def shown_on(client: Client, page: str) -> dict[str, str]:
    """What the page of the approval sends with its button."""
    form = client.get(f"{page}destroy/approve/").content.decode()
    found = re.search(r'name="destruction" value="([^"]+)"', form)
    assert found
    return {"destruction": found[1]}


def test_the_certificate_is_a_file(browse: Browse, key: KeyVersion) -> None:
    client, page = browse("alice"), f"/keys/{key.id}/"
    client.post(f"{page}disable/")
    client.post(f"{page}destroy/", {"reason": "It leaked", "grace_days": 7})
    assert client.get(f"{page}certificate.json").status_code == 404
    Destruction.objects.update(due_at=timezone.now(), approved_by="bob@contoso.example")
    assert carry_out_due() == 1
    assert "Destroyed and certified on" in client.get(page).content.decode()
    file = client.get(f"{page}certificate.json")
    assert file["Content-Disposition"].startswith("attachment")
    assert read_certificate(file.content).statement["key"]["fingerprint"] == key.fingerprint
