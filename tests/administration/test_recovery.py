"""Keys that are missing here come back from the package of an own export, and from no other; what is here stays as it is."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from administration.handover import download_package
from administration.recovery import look_at_package, recover
from audit.models import AdminEvent
from keys import export as exports
from keys.custody import forget_loaded
from keys.errors import KeyRefusedError
from keys.importing import current_import_key, import_public_pem
from keys.models import KeyVersion, WrappingKey
from rms.key_package import read_package, write_package
from rms.key_wrapping import wrap_private_key
from rms.xrml import parse_license
from rms.xrml.public_key import PublicKey
from tenants.freshness import forget_facts
from tenants.models import OutgoingMail, Tenant
from tests.conftest import Device, World, make_token
from tests.keys.bringing import own_key, own_pem, wrapped_for
from tests.keys.test_export import ask, public_pem, recipient, roll, second  # noqa: F401  (a fixture)
from tests.portal.conftest import Browse, browse  # noqa: F401  (a fixture)
from tracking.models import Document
from tracking.revocation import revoke

pytestmark = pytest.mark.django_db


@dataclass
class Loss:
    """Contoso after an old backup was restored under another key-encryption key: `old` does not open, `new` is unknown."""

    package: bytes
    old: KeyVersion
    new: KeyVersion
    licenses: dict[str, str]


@pytest.fixture
def loss(world: World, device: Callable[[str], Device], second: Any) -> Loss:  # noqa: F811
    bob = device("bob")

    def protect() -> str:
        answer: str = bob.protect_for(("dave@fabrikam.example", ["VIEW"]))["SerializedPublishingLicense"]
        return answer

    licenses = {"old": protect()}
    old = KeyVersion.objects.for_tenant(world.contoso).get()
    roll(world)
    new = KeyVersion.objects.for_tenant(world.contoso).get(state="active")
    licenses |= {"new": protect(), "withdrawn": protect()}
    withdrawn = parse_license(base64.b64decode(licenses["withdrawn"])).content_id
    revoke(Document.objects.get(content_id=withdrawn), actor=world.person("bob"), reason="Wrong file")
    export = ask(world)
    exports.approve_export(export, actor=second)
    package = download_package(export, actor=second)
    Document.objects.filter(key=new).delete()
    new.delete()
    KeyVersion.objects.filter(id=old.id).update(state="active", archived_at=None)
    WrappingKey.objects.filter(key=old).update(sealed=b"by a key-encryption key that is lost")
    forget_loaded()
    forget_facts()
    return Loss(package, old, new, licenses)


def wrapped_recipient(world: World, key: Any = None) -> bytes:
    return wrapped_for(world.contoso, world.person("alice"), key or recipient())


def states(world: World) -> list[tuple[str, str, bool]]:
    rows = KeyVersion.objects.for_tenant(world.contoso).order_by("fingerprint")
    return [(row.fingerprint, row.state, row.sealed_private is not None) for row in rows]


def forged(package: bytes, signer: Any, **facts: Any) -> bytes:
    """The package with other facts, signed by a key that is in it."""
    read = read_package(package)
    kept = {name: value for name, value in read.manifest.items() if name not in ("members", "signed_by")}

    def sign(data: bytes) -> bytes:
        signature: bytes = signer.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return signature

    return write_package({**kept, **facts}, read.members, signer=fingerprint_of(signer), sign=sign)


def fingerprint_of(key: Any) -> str:
    return PublicKey.from_numbers(key.public_key().public_numbers().n).fingerprint


def described(key: Any) -> dict[str, Any]:
    """A key of the forger's in a manifest, without its private half."""
    return {
        "fingerprint": fingerprint_of(key), "modulus": f"{key.public_key().public_numbers().n:x}", "oaep_hash": "sha256",
        "state": "active", "absent": "later", "private": None,
    }  # fmt: skip


def test_what_was_lost_opens_again(world: World, device: Callable[[str], Device], loss: Loss):
    dave, alice = device("dave"), world.person("alice")
    look = look_at_package(world.contoso, loss.package)
    assert {one.key.fingerprint: str(one.fate) for one in look.keys} == {
        loss.old.fingerprint: "back", loss.new.fingerprint: "new",
    }  # fmt: skip
    assert (look.returning, look.documents) == (2, 1)
    recover(world.contoso, loss.package, wrapped_recipient(world), actor=alice)
    forget_facts()
    for name in ("old", "new"):
        assert dave.open(loss.licenses[name])["AccessStatus"] == "AccessGranted", name
    assert dave.open(loss.licenses["withdrawn"])["AccessStatus"] == "AccessDenied"
    assert states(world) == sorted([
        (loss.old.fingerprint, "active", True), (loss.new.fingerprint, "archived", True),
    ])  # fmt: skip
    row = AdminEvent.objects.get(action="RecoverKeys")
    assert row.after is not None
    assert (row.actor, row.after["back"], row.after["new"]) == (
        alice.email, [loss.old.fingerprint], [loss.new.fingerprint],
    )  # fmt: skip
    assert OutgoingMail.objects.filter(subject__contains="brought back").exists()
    assert current_import_key(world.contoso) is None  # it serves once
    # Once more: nothing is missing, nothing is done.
    with pytest.raises(KeyRefusedError, match="nothing to bring back"):
        recover(world.contoso, loss.package, wrapped_recipient(world), actor=alice)
    assert AdminEvent.objects.filter(action="RecoverKeys").count() == 1
    assert current_import_key(world.contoso) is not None


@pytest.mark.parametrize(
    ("change", "fate"), [({"state": "destroyed"}, "gone"), ({"held_at": timezone.now()}, "held")]
)
def test_what_was_destroyed_or_is_held_stays_so(world: World, loss: Loss, change: Any, fate: str):
    WrappingKey.objects.filter(key=loss.old).delete()
    KeyVersion.objects.filter(id=loss.old.id).update(sealed_private=None, **change)
    look = look_at_package(world.contoso, loss.package)
    assert {str(one.fate) for one in look.keys} == {fate, "new"}
    recover(world.contoso, loss.package, wrapped_recipient(world), actor=world.person("alice"))
    loss.old.refresh_from_db()
    assert loss.old.sealed_private is None


def test_packages_that_are_refused(world: World, loss: Loss):
    alice, contoso, mine = world.person("alice"), world.contoso, own_key(1)
    before = states(world)

    def refused(data: bytes, why: str, *, key: Any = None, tenant: Tenant = contoso) -> None:
        wrapped = wrapped_for(tenant, alice, key or recipient())
        with pytest.raises(KeyRefusedError, match=why):
            recover(tenant, data, wrapped, actor=alice)

    refused(loss.package, "another organization", tenant=world.fabrikam)
    refused(loss.package, "another recipient", key=own_key())
    refused(loss.package[:-200], "not a key package")
    refused(loss.package.replace(b'"organization"', b'"organisation"', 1), "not as it was signed")
    entries = list(read_package(loss.package).manifest["keys"])
    # Of nobody's key that is known: names the organization, holds only the forger's own key.
    alone = [described(mine)]
    members = {"templates.json": b"{}", "settings.json": b"{}", "documents.json": b"[]"}
    facts = {
        "organization": {"id": str(contoso.id)},
        "recipient": {"fingerprint": fingerprint_of(recipient())},
    }

    def sign(data: bytes) -> bytes:
        return mine.sign(data, padding.PKCS1v15(), hashes.SHA256())

    foreign = write_package({**facts, "keys": alone}, members, signer=fingerprint_of(mine), sign=sign)
    refused(foreign, "No key of this organization vouches")
    # The public half of a known key is no secret: with rubbish as its private half it vouches for nothing.
    known = next(entry for entry in entries if entry["fingerprint"] == loss.old.fingerprint)
    rubbish = {**members, known["private"]: b"x" * 1600}
    foreign = write_package(
        {**facts, "keys": [*alone, known]}, rubbish, signer=fingerprint_of(mine), sign=sign
    )
    refused(foreign, "does not open with the recipient")
    # Nor where that key is here and works, so that nothing else would try to open it: the forger's own does not slip in.
    own = KeyVersion.objects.for_tenant(world.fabrikam).get()
    names = {"private": "keys/own.bin", "absent": None}
    entries_there = [
        {**described(mine), "private": "keys/mine.bin", "absent": None},
        {**names, "fingerprint": own.fingerprint, "modulus": bytes(own.modulus).hex(), "oaep_hash": "sha256", "state": "active"},
    ]  # fmt: skip
    members_there = {
        **members,
        "keys/mine.bin": wrap_private_key(own_pem(mine), public_pem()),
        "keys/own.bin": b"x" * 1600,
    }
    there = {**facts, "organization": {"id": str(world.fabrikam.id)}, "keys": entries_there}
    foreign = write_package(there, members_there, signer=fingerprint_of(mine), sign=sign)
    refused(foreign, "does not open with the recipient", tenant=world.fabrikam)
    assert KeyVersion.objects.for_tenant(world.fabrikam).count() == 1
    # What it says of documents cannot be read: not even its keys come back.
    broken = {**read_package(loss.package).members, "documents.json": b'[{"key_fingerprint": []}]'}
    kept = {name: value for name, value in read_package(loss.package).manifest.items() if name != "members"}
    foreign = write_package(
        {**kept, "keys": [*entries, *alone]}, broken, signer=fingerprint_of(mine), sign=sign
    )
    refused(foreign, "not a key package")
    assert states(world) == before
    assert not AdminEvent.objects.filter(action="RecoverKeys").exists()


def test_the_page(world: World, loss: Loss, browse: Browse):  # noqa: F811
    client = browse("alice")
    page = client.get("/keys/recovery/").content.decode()
    assert "recipient-key.pem" in page
    assert client.post("/keys/import-key/", {"next": "key_recovery"})["Location"] == "/keys/recovery/"
    row = current_import_key(world.contoso)
    assert row is not None
    wrapped = wrap_private_key(own_pem(recipient()), import_public_pem(row).encode())
    assert b"not a key package" in upload(client, b"PK nonsense", wrapped).content
    looked = upload(client, loss.package, wrapped)
    assert "2 keys come back" in looked.content.decode()
    assert not AdminEvent.objects.filter(action="RecoverKeys").exists()
    carried = looked.context["form"].initial
    wrong = {**carried, "wrapped": base64.b64encode(b"x" * 900).decode(), "do": "bring"}
    assert client.post("/keys/recovery/", wrong).status_code == 400
    assert client.post("/keys/recovery/", {**carried, "do": "bring"})["Location"] == "/keys/"
    assert "2 keys are back" in client.get("/keys/").content.decode()
    assert b"no key of this package is missing" in upload(client, loss.package, wrapped).content


def upload(client: Client, package: bytes, wrapped: bytes) -> Any:
    files = {
        "package": SimpleUploadedFile("keys.zip", package),
        "wrapped": SimpleUploadedFile("w.bin", wrapped),
    }
    return client.post("/keys/recovery/", files)


def test_by_api(world: World, loss: Loss):
    client = Client(headers={"Authorization": f"Bearer {make_token(world.person('alice'))}"})

    def send(**body: Any) -> Any:
        return client.post("/api/v1/keys/import-package/", json.dumps(body), content_type="application/json")

    package = base64.b64encode(loss.package).decode()
    assert send(package=package).status_code == 400  # the wrapped key is missing
    assert send(package="?", dry_run=True).status_code == 400
    would = send(package=package, dry_run=True).json()
    assert sorted(key["fate"] for key in would["keys"]) == ["back", "new"] and would["documents"] == 1
    wrapped = base64.b64encode(wrapped_recipient(world)).decode()
    assert send(package=package, wrapped=wrapped).status_code == 200
    again = send(package=package, wrapped=wrapped)
    assert again.status_code == 409 and "import key" in again.json()["message"]
    mallory = Client(headers={"Authorization": f"Bearer {make_token(world.person('mallory'))}"})
    other = mallory.post(
        "/api/v1/keys/import-package/", json.dumps({"package": package, "dry_run": True}),
        content_type="application/json",
    )  # fmt: skip
    assert other.status_code == 409 and "another organization" in other.json()["message"]
