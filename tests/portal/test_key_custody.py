"""Pages, API and command for keys that are brought and held, and what devices are told meanwhile."""

import base64
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from audit.models import UsageEvent
from keys import importing
from keys.models import KeyPolicy, KeyVersion
from keys.rollover import finish_due_rolls
from rms.key_wrapping import wrap_private_key
from tenants.freshness import forget_facts
from tests.conftest import World, license_bytes
from tests.keys.aging import let_announcements_pass
from tests.keys.bringing import own_key, own_pem, wrapped_for
from tests.keys.tokens import library, make_token
from tests.portal.conftest import Browse

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small_import_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "IMPORT_BITS", 2048)


def upload(wrapped: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("wrapped.bin", wrapped)


def switch() -> None:
    let_announcements_pass()
    assert finish_due_rolls() == 1
    forget_facts()


def brought(world: World) -> KeyVersion:
    alice = world.person("alice")
    key = importing.import_key(world.contoso, wrapped_for(world.contoso, alice, own_key()), actor=alice)
    switch()
    key.refresh_from_db()
    return key


def test_bring_hold_and_restore_in_the_portal(world: World, browse: Browse):
    client: Client = browse("alice")
    assert "Make an import key" in client.get("/keys/bring/").content.decode()
    client.post("/keys/import-key/")
    pem = client.get("/keys/import-key/import.pem")
    assert pem.headers["Content-Disposition"] == 'attachment; filename="import.pem"'
    refused = client.post("/keys/bring/", {"wrapped": upload(own_pem(own_key()))})
    assert refused.status_code == 400 and "never upload it as it is" in refused.content.decode()
    refused = client.post("/keys/bring/", {"wrapped": upload(b"x" * 600)})
    assert refused.status_code == 400 and "cannot be unwrapped" in refused.content.decode()
    wrapped = wrap_private_key(own_pem(own_key()), pem.content)
    assert client.post("/keys/bring/", {"wrapped": upload(wrapped)}).status_code == 302
    switch()
    key = KeyVersion.objects.for_tenant(world.contoso).get(state="active")
    assert "brought by you" in client.get("/keys/").content.decode()

    page = client.get(f"/keys/{key.id}/hold/").content.decode()
    assert "It is the active key" in page
    client.post(f"/keys/{key.id}/hold/")
    assert "Held by you" in client.get("/keys/").content.decode()
    assert client.get(f"/keys/{key.id}/hold/").status_code == 302
    made = client.post("/keys/import-key/", {"restore": str(key.id)})
    assert made.headers["Location"] == f"/keys/{key.id}/restore/"
    wrapped = wrap_private_key(own_pem(own_key()), client.get("/keys/import-key/import.pem").content)
    assert client.post(f"/keys/{key.id}/restore/", {"wrapped": upload(wrapped)}).status_code == 302
    key.refresh_from_db()
    assert key.held_at is None
    assert client.get(f"/keys/{key.id}/restore/").status_code == 302


def test_where_keys_are_kept(world: World, browse: Browse, settings: Any, tmp_path: Path):
    client: Client = browse("alice")
    assert client.post("/keys/place/", {"place": "pkcs11"}).status_code == 400
    if library():
        make_token(tmp_path).configure(settings)
        assert client.post("/keys/place/", {"place": "pkcs11"}).status_code == 302
        assert KeyPolicy.objects.get().place == "pkcs11"
        assert "in the hardware security module" in client.get("/keys/place/").content.decode()
        assert "pkcs11" in client.get("/keys/bring/").content.decode()


@pytest.mark.parametrize("path", ["/keys/bring/", "/keys/import-key/import.pem", "/keys/place/"])
def test_only_key_administrators_get_there(world: World, browse: Browse, path: str):
    assert browse("bob").get(path).status_code == 403


def test_devices_are_told_that_the_key_is_held(world: World, device: Any):
    """Those who would be let in; for others it is the refusal they know. The log says it."""
    key = brought(world)
    shared = device("bob").protect_for(("dave@fabrikam.example", ["VIEW"]))
    license = shared["SerializedPublishingLicense"]
    assert device("dave").open(license)["AccessStatus"] == "AccessGranted"
    importing.hold_key(key, actor=world.person("alice"))
    forget_facts()
    told = {name: device(name).open(license) for name in ("bob", "carol", "dave", "erin")}
    assert {answer["AccessStatus"] for answer in told.values()} == {"AccessDenied"}
    assert {name for name, answer in told.items() if answer.get("Reason") == "key held"} == {"bob", "carol"}
    assert not any("Key" in answer for answer in told.values())
    held = UsageEvent.objects.filter(result="KeyHeld")
    assert {row.tenant_id for row in held} == {world.contoso.id} and held.count() == 4
    body = {"Policy": {"UserRights": [{"Users": ["dave@fabrikam.example"], "Rights": ["VIEW"]}]}}
    refused = device("bob").post("/my/v2/publishinglicenses", body)
    assert refused.status_code == 400 and refused.json()["Code"].endswith("KeyHeldException")
    assert len(license_bytes(shared)) > 1000
    restored = wrapped_for(world.contoso, world.person("alice"), own_key())
    key.refresh_from_db()
    importing.restore_key(key, restored, actor=world.person("alice"))
    forget_facts()
    assert device("dave").open(license)["AccessStatus"] == "AccessGranted"


def test_whom_a_template_lets_in_is_told_too(world: World, device: Any):
    key = brought(world)
    (first, *_) = device("bob").get("/my/v1/templates").json()
    license = device("bob").publish({"TemplateId": first["Id"]})["SerializedPublishingLicense"]
    importing.hold_key(key, actor=world.person("alice"))
    forget_facts()
    assert device("carol").open(license)["Reason"] == "key held"
    assert "Reason" not in device("mallory").open(license)


def test_the_same_by_the_api(world: World, device: Any):
    alice = device("alice")
    assert alice.get("/api/v1/keys/import-key/").status_code == 404
    made = alice.post("/api/v1/keys/import-key/", {})
    assert made.status_code == 201
    assert alice.get("/api/v1/keys/import-key/").json() == made.json()
    wrapped = wrap_private_key(own_pem(own_key()), made.json()["public_key"].encode())
    for bad, status in (("no Base64!", 400), (base64.b64encode(b"x" * 600).decode(), 409)):
        assert alice.post("/api/v1/keys/import/", {"wrapped": bad}).status_code == status
    answer = alice.post("/api/v1/keys/import/", {"wrapped": base64.b64encode(wrapped).decode()})
    assert (answer.status_code, answer.json()["origin"], answer.json()["state"]) == (
        202,
        "brought",
        "pending",
    )
    switch()
    path = f"/api/v1/keys/{answer.json()['id']}"
    assert alice.post(f"{path}/hold/", {}).json()["held_at"] is not None
    assert alice.post(f"{path}/hold/", {}).json()["code"] == "key_refused"
    pem = alice.post("/api/v1/keys/import-key/", {}).json()["public_key"].encode()
    again = base64.b64encode(wrap_private_key(own_pem(own_key()), pem)).decode()
    assert alice.post(f"{path}/restore/", {"wrapped": again}).json()["held_at"] is None
    assert alice.get("/api/v1/keys/place/").json() == {
        "place": "", "in_effect": "software", "has_security_module": False,
    }  # fmt: skip
    for name in ("bob", "mallory"):
        assert device(name).post(f"{path}/hold/", {}).status_code == (403 if name == "bob" else 404)
