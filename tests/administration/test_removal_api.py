"""Export and deletion of an organization, and taking a group over, by machine."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from administration.export import make_due
from administration.removal import pending_of
from tenants.models import Group
from tests.conftest import Device, World

pytestmark = pytest.mark.django_db
MakeDevice = Callable[[str], Device]


def send(device: Device, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {device.token}"}
    return getattr(device.client, method)(
        f"/api/v1/{path}", body or {}, content_type="application/json", headers=headers
    )


def test_deletion_is_asked_for_and_taken_back(world: World, device: MakeDevice) -> None:
    alice, path = device("alice"), "organization/removal/"
    assert alice.get(f"/api/v1/{path}").json() == {"grace_days": 30, "pending": None}
    assert send(alice, "post", path, {"name": "contoso", "reason": "merged"}).status_code == 400
    asked = send(alice, "post", path, {"name": "Contoso", "reason": "merged"})
    assert (asked.status_code, asked.json()["pending"]["reason"]) == (201, "merged")
    assert send(alice, "post", path, {"name": "Contoso", "reason": "merged"}).status_code == 409
    for name in ("bob", "mallory"):
        assert send(device(name), "delete", path).status_code in (403, 409)
    assert pending_of(world.contoso) is not None
    assert send(alice, "delete", path).json()["pending"] is None
    assert send(alice, "delete", path).status_code == 409


def test_an_archive_is_made_and_fetched(world: World, device: MakeDevice) -> None:
    alice, path = device("alice"), "organization/export/"
    assert alice.get(f"/api/v1/{path}").json()["state"] == "none"
    assert alice.get(f"/api/v1/{path}file/").status_code == 404
    assert send(alice, "post", path).json()["state"] == "being_made"
    make_due()
    assert alice.get(f"/api/v1/{path}").json()["state"] == "ready"
    archive = b"".join(alice.get(f"/api/v1/{path}file/").streaming_content)
    assert "stated_addresses.jsonl" in zipfile.ZipFile(io.BytesIO(archive)).namelist()
    assert device("mallory").get(f"/api/v1/{path}file/").status_code == 404
    assert device("bob").get(f"/api/v1/{path}file/").status_code == 403


def test_a_group_is_taken_over(world: World, device: MakeDevice) -> None:
    group = Group.objects.create(tenant=world.contoso, name="Synced", from_directory=True)
    path = f"groups/{group.id}/take-over/"
    assert send(device("bob"), "post", path).status_code == 403
    assert send(device("alice"), "post", path).status_code == 200
    group.refresh_from_db()
    assert not group.from_directory
