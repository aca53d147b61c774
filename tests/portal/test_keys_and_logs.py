"""Keys with what hangs on them, rolling one; the logs and their files."""

import datetime as dt
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.aggregation import aggregate
from audit.models import UsageEvent
from keys.models import KeyVersion, RollPolicy
from keys.rollover import finish_due_rolls
from keys.schedule import replan
from keys.uses import count_uses
from tenants.models import RoleAssignment
from tests.conftest import World
from tests.portal.conftest import Browse, MakeDocument, log_opening

pytestmark = pytest.mark.django_db


def test_rolling_a_key(browse: Browse, world: World, make_document: MakeDocument) -> None:
    make_document()
    client = browse("alice")
    page = client.get("/keys/roll/").content.decode()
    assert "The 1 document on the present key stays readable." in page
    assert client.post("/keys/roll/", {"bits": 2048})["Location"] == "/keys/"
    page = client.get("/keys/").content.decode()
    assert "A new key is on its way" in page and 'hx-trigger="every 3s"' in page
    client.post("/keys/roll/", {"bits": 2048})
    assert "already on its way" in client.get("/keys/").content.decode()
    assert KeyVersion.objects.for_tenant(world.contoso).count() == 2

    KeyVersion.objects.filter(state="pending").update(created_at=timezone.now() - timedelta(minutes=1))
    finish_due_rolls()
    part = client.get("/keys/", headers={"HX-Request": "true", "HX-Target": "keys"})
    assert "every 3s" not in part.content.decode() and "<html" not in part.content.decode()
    rows = part.context["rows"]
    assert {(row["key"].state, row["documents"]) for row in rows} == {("active", 0), ("archived", 1)}


def test_planning_and_withdrawing(browse: Browse, world: World) -> None:
    client = browse("alice")
    assert client.post("/keys/roll/", {"bits": 2048, "at": "2020-01-01T10:00"}).status_code == 400
    at = timezone.now() + timedelta(days=3)
    client.post("/keys/roll/", {"bits": 3072, "at": f"{at:%Y-%m-%dT%H:%M}"})
    page = client.get("/keys/").content.decode()
    assert "A new key takes over on" in page and "every 3s" not in page
    pending = KeyVersion.objects.get(state="pending")
    assert pending.fingerprint[:16] in client.get("/keys/withdraw/").content.decode()
    client.post("/keys/withdraw/")
    assert "has been withdrawn" in client.get("/keys/").content.decode()
    assert client.get("/keys/withdraw/")["Location"] == "/keys/"
    assert "It is gone" in client.get(f"/keys/{pending.id}/").content.decode()


def test_getting_off_a_key(browse: Browse, world: World, device: Any) -> None:
    device("bob").protect_for(("carol@contoso.example", ["VIEW"]))
    key = KeyVersion.objects.for_tenant(world.contoso).get()
    client = browse("alice")
    client.post(f"/keys/{key.id}/reseal/")
    assert "Roll it first" in client.get(f"/keys/{key.id}/").content.decode()
    KeyVersion.objects.update(state="archived")
    assert "Get off this key" in client.get(f"/keys/{key.id}/").content.decode()
    assert "1 registered document is sealed" in client.get(f"/keys/{key.id}/reseal/").content.decode()
    client.post(f"/keys/{key.id}/reseal/")
    assert "being sealed to the active key" in client.get(f"/keys/{key.id}/").content.decode()


def test_policy_is_shown_with_dates_before_it_counts(browse: Browse, world: World) -> None:
    client = browse("alice")
    chosen: dict[str, Any] = {"every_days": 365, "stated_age_days": 730, "bits": 2048}
    assert "See what it means" in client.get("/keys/policy/").content.decode()
    preview = client.get("/keys/policy/", chosen)
    assert preview.context["preview"]["next_roll_at"] and not RollPolicy.objects.exists()
    assert client.get("/keys/policy/", {**chosen, "every_days": 3}).status_code == 400
    short = {**chosen, "stated_age_days": 40, "before_age": "on"}
    assert client.get("/keys/policy/", short).status_code == 400
    assert client.post("/keys/policy/", chosen)["Location"] == "/keys/"
    assert "Every 365 days" in client.get("/keys/").content.decode()
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("bob"), role="auditor")
    assert browse("bob").get("/keys/").status_code == 200
    for page in ("policy", "roll", "withdraw"):
        assert browse("bob").post(f"/keys/{page}/", chosen).status_code == 403


def test_uses_and_warnings(browse: Browse, world: World, device: Any) -> None:
    device("bob").open(
        device("bob").protect_for(("carol@contoso.example", ["VIEW"]))["SerializedPublishingLicense"]
    )
    count_uses()
    key = KeyVersion.objects.for_tenant(world.contoso).get()
    page = browse("alice").get(f"/keys/{key.id}/")
    assert [(day.protected, day.opened) for day in page.context["days"]] == [(1, 1)]
    assert "Used 2 times in 30 days" in page.content.decode() and key.fingerprint in page.content.decode()
    KeyVersion.objects.update(activated_at=timezone.now() - timedelta(days=800))
    replan()
    assert "older than its stated age since" in browse("alice").get("/keys/").content.decode()


def test_no_key_material_is_shown(browse: Browse, world: World) -> None:
    key = KeyVersion.objects.for_tenant(world.contoso).get()
    page = browse("alice").get("/keys/").content.decode()
    assert key.fingerprint[:16] in page
    assert bytes(key.sealed_private or b"").hex()[:24] not in page


def test_the_usage_log_by_day(browse: Browse, world: World, make_document: MakeDocument) -> None:
    assert "No rows yet" in browse("alice").get("/logs/").content.decode()
    log_opening(make_document(), "dave@fabrikam.example")
    UsageEvent.objects.create(
        tenant_id=world.fabrikam.id, request_type="x", user_id="theirs@fabrikam.example", result="Success"
    )
    today = dt.datetime.now(dt.UTC).date()
    client = browse("alice")
    assert f'href="/logs/usage/{today}/"' in client.get("/logs/").content.decode()
    file: Any = client.get(f"/logs/usage/{today}/")
    assert file["Content-Disposition"] == f'attachment; filename="rmslog-{today}.log"'
    text = b"".join(file.streaming_content).decode()
    assert text.startswith("#Software: RMS\n#Version: 1.1\n#Fields:") and text.count("\n") == 4
    assert "dave@fabrikam.example" in text and "theirs@" not in text


def test_a_day_that_is_over_comes_with_a_signature(browse: Browse, world: World) -> None:
    today = dt.datetime.now(dt.UTC)
    for days in (0, 3):
        facts = {"request_type": "x", "user_id": "dave@fabrikam.example", "result": "Success"}
        UsageEvent.objects.create(tenant_id=world.contoso.id, time=today - dt.timedelta(days=days), **facts)
    aggregate()
    old, path = (today - dt.timedelta(days=3)).date(), "/logs/usage/{}/proof/"
    client = browse("alice")
    assert client.get("/logs/").content.decode().count("/proof/") == 1
    signature = client.get(path.format(old))
    assert signature["Content-Disposition"] == f'attachment; filename="rmslog-{old}.proof"'
    assert signature.content.count(b".") == 2
    assert client.get(path.format(today.date())).status_code == 404
    assert browse("mallory").get(path.format(old)).status_code == 404


def test_changes_are_told_in_words_with_before_and_after(browse: Browse, world: World) -> None:
    client = browse("alice")
    client.post("/settings/deactivate/", {"name": "Contoso"})
    page = client.get("/logs/changes/").content.decode()
    assert "Protection switched off" in page and "Deactivate" in page and "alice@contoso.example" in page
    assert "Fabrikam" not in page
    assert "Nothing matches" in client.get("/logs/changes/?q=zzz").content.decode()
    assert "Protection switched off" in client.get("/logs/changes/?q=ALICE").content.decode()
