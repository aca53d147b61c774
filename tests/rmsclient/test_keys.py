"""`admin keys` against the product's own API: versions, policy, a planned roll and its withdrawal."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from keys.models import KeyVersion
from keys.rollover import finish_due_rolls, start_roll
from tenants.models import RoleAssignment
from tests.conftest import World, make_token
from tests.keys.aging import let_announcements_pass
from tests.rmsclient.test_powers import Command, admin
from tracking.destruction import carry_out_due
from tracking.models import Destruction

__all__ = ["admin"]  # a fixture
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_planned_roll_and_its_end(admin: Command, world: World) -> None:
    assert admin("keys", "roll")[1]["error"]["code"] == "not_confirmed"
    late = (timezone.now() + timedelta(days=900)).isoformat()
    assert admin("keys", "roll", "--yes", "--at", late)[0] == 2
    at = (timezone.now() + timedelta(days=3)).isoformat(timespec="seconds")
    code, planned = admin("keys", "roll", "--yes", "--at", at, "--bits", "3072")
    assert (code, planned["state"], planned["bits"]) == (0, "pending", 3072)
    assert planned["planned_at"]
    code, shown = admin("keys", "show", planned["fingerprint"][:12])
    assert (code, shown["id"], len(shown["uses"])) == (0, planned["id"], 30)
    assert admin("keys", "show", "nonsense")[1]["error"]["code"] == "no_such_key"
    assert admin("keys", "withdraw", "--yes")[1]["state"] == "withdrawn"
    assert admin("keys", "withdraw", "--yes")[1]["error"]["code"] == "no_roll"
    assert KeyVersion.objects.for_tenant(world.contoso).filter(state="active").count() == 1


def test_getting_off_a_key(admin: Command, world: World) -> None:
    key = KeyVersion.objects.for_tenant(world.contoso).get()
    assert admin("keys", "reseal", key.fingerprint)[1]["error"]["code"] == "not_confirmed"
    assert admin("keys", "reseal", key.fingerprint, "--yes")[1]["error"]["code"] == "no_resealing"
    KeyVersion.objects.filter(id=key.id).update(state="archived")
    assert admin("keys", "reseal", key.fingerprint, "--yes")[1]["documents"] == 0
    shown = admin("keys", "show", str(key.id))[1]
    assert (shown["need_private_key"], shown["resealing"]["finished_at"]) == (0, None)


def test_the_end_of_a_key(admin: Command, world: World, tmp_path: Path) -> None:
    key = KeyVersion.objects.for_tenant(world.contoso).get()
    assert admin("keys", "disable", key.fingerprint, "--yes")[1]["error"]["code"] == "not_archived"
    start_roll(world.contoso, actor=world.person("alice"))
    let_announcements_pass()
    finish_due_rolls()
    assert admin("keys", "disable", key.fingerprint, "--dry-run")[1]["documents"] == []
    assert admin("keys", "disable", key.fingerprint)[1]["error"]["code"] == "not_confirmed"
    assert admin("keys", "disable", key.fingerprint, "--yes")[1]["state"] == "disabled"
    assert admin("keys", "enable", key.fingerprint, "--yes")[1]["state"] == "archived"
    assert admin("keys", "approve", key.fingerprint, "--yes")[1]["error"]["code"] == "not_asked"
    admin("keys", "disable", key.fingerprint, "--yes")
    destroy = ("keys", "destroy", key.fingerprint, "--reason", "It leaked", "--yes")
    assert admin(*destroy, "--grace", "91")[0] == 2
    assert admin(*destroy)[1]["grace_days"] == 7
    assert admin("keys", "approve", key.fingerprint, "--yes")[1]["error"]["code"] == "same_person"
    assert admin("keys", "cancel", key.fingerprint, "--yes")[1]["canceled_by"] == "alice@contoso.example"
    admin(*destroy)
    Destruction.objects.filter(canceled_at=None).update(due_at=timezone.now())
    carry_out_due()
    file = str(tmp_path / "certificate.json")
    assert admin("keys", "certificate", key.fingerprint, "--out", file)[0] == 0
    active = KeyVersion.objects.for_tenant(world.contoso).get(state="active").fingerprint
    said = admin("keys", "verify-certificate", file, "--signed-by", active[:16])[1]
    assert (said["signed_by"], said["statement"]["reason"]) == (active, "It leaked")
    other = admin("keys", "verify-certificate", file, "--signed-by", key.fingerprint)
    assert other[1]["error"]["code"] == "other_signer"
    Path(file).write_text(Path(file).read_text().replace("It leaked", "Tidying"))
    assert admin("keys", "verify-certificate", file)[1]["error"]["code"] == "bad_certificate"


def test_policy(admin: Command) -> None:
    assert admin("keys", "policy")[1] == {
        "every_days": None,
        "stated_age_days": 730,
        "before_age": False,
        "bits": 2048,
        "next_roll_at": None,
        "warnings": [],
    }
    changed = admin("keys", "policy", "--every", "365", "--before-age", "on", "--bits", "4096")[1]
    assert (changed["every_days"], changed["before_age"], changed["bits"]) == (365, True, 4096)
    assert changed["next_roll_at"] and admin("keys", "policy")[1] == changed
    assert admin("keys", "policy", "--every", "off", "--before-age", "off")[1]["next_roll_at"] is None
    assert admin("keys", "policy", "--age", "7")[1]["error"]["code"] == "bad_policy"
    assert admin("keys", "policy", "--every", "often")[0] == 2


@pytest.mark.parametrize(
    ("role", "reads", "changes"), [("key_admin", 200, 200), ("auditor", 200, 403), ("", 403, 403)]
)
def test_roles(world: World, client: Any, role: str, reads: int, changes: int) -> None:
    bob = world.person("bob")
    if role:
        RoleAssignment.objects.create(tenant=world.contoso, user=bob, role=role)
    headers = {"Authorization": f"Bearer {make_token(bob)}"}
    options = {"headers": headers, "content_type": "application/json"}
    assert client.get("/api/v1/keys/policy/", headers=headers).status_code == reads
    changed = client.patch("/api/v1/keys/policy/", {"every_days": 90}, **options)
    assert changed.status_code == changes
    rolled = client.post("/api/v1/keys/roll/", {}, **options)
    assert rolled.status_code == (202 if changes == 200 else changes)
    assert client.post("/api/v1/keys/withdraw/", {}, **options).status_code == changes
