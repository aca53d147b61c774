"""Keys with what hangs on them, rolling one; the logs and their files."""

import datetime as dt
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import UsageEvent
from keys.models import KeyVersion
from keys.rollover import finish_due_rolls
from tests.conftest import World
from tests.portal.conftest import Browse, MakeDocument, log_opening

pytestmark = pytest.mark.django_db


def test_rolling_a_key(browse: Browse, world: World, make_document: MakeDocument) -> None:
    make_document()
    client = browse("alice")
    page = client.get("/keys/roll/").content.decode()
    assert "The 1 document on the present key stays readable." in page
    assert client.post("/keys/roll/")["Location"] == "/keys/"
    page = client.get("/keys/").content.decode()
    assert "A new key is on its way" in page and 'hx-trigger="every 3s"' in page
    client.post("/keys/roll/")
    assert "already on its way" in client.get("/keys/").content.decode()
    assert KeyVersion.objects.for_tenant(world.contoso).count() == 2

    KeyVersion.objects.filter(state="pending").update(created_at=timezone.now() - timedelta(minutes=1))
    finish_due_rolls()
    part = client.get("/keys/", headers={"HX-Request": "true", "HX-Target": "keys"})
    assert "every 3s" not in part.content.decode() and "<html" not in part.content.decode()
    rows = part.context["rows"]
    assert {(row["key"].state, row["documents"]) for row in rows} == {("active", 0), ("archived", 1)}


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


def test_changes_are_told_in_words_with_before_and_after(browse: Browse, world: World) -> None:
    client = browse("alice")
    client.post("/settings/deactivate/", {"name": "Contoso"})
    page = client.get("/logs/changes/").content.decode()
    assert "Protection switched off" in page and "Deactivate" in page and "alice@contoso.example" in page
    assert "Fabrikam" not in page
    assert "Nothing matches" in client.get("/logs/changes/?q=zzz").content.decode()
    assert "Protection switched off" in client.get("/logs/changes/?q=ALICE").content.decode()
