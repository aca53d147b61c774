"""Export of keys: who may, what the package holds, and what opens with it where no server is."""

import base64
import functools
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto.keys import RSAPrivateKey as Numbers
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.utils import timezone

from administration.export import _TABLES
from administration.handover import download_package
from audit.models import AdminEvent
from keys import export as exports
from keys.arrival import take_over
from keys.custody import active_key
from keys.errors import KeyRefusedError
from keys.models import KeyExport, KeyPolicy, KeyVersion
from keys.rollover import finish_due_rolls, start_roll
from rms.content_key import CipherMode, ContentKey
from rms.errors import SealError
from rms.integrity import SealedRecord, encode_record
from rms.key_package import PackageError, RecipientKey, read_package
from rms.key_wrapping import wrap_der
from rms.protection import protect
from rms.xrml import parse_license
from rms.xrml.public_key import PublicKey
from rmsclient.cli.main import run
from rmsclient.cli.output import Output
from rmsclient.credentials import SignInStore
from tenants.changes import Actor, ChangeRefusedError
from tenants.freshness import forget_facts
from tenants.models import OutgoingMail, RoleAssignment, Tenant, User
from tenants.roles import give_role
from tests.conftest import Device, World, license_bytes
from tests.keys.aging import let_announcements_pass
from tests.keys.bringing import own_key, own_pem
from tracking.disabling import disable_key

pytestmark = pytest.mark.django_db
CONTENT = b"Quarterly figures\n" * 500
_DAY = timedelta(days=1)


@functools.cache
def recipient() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


def public_pem(key: Any = None) -> bytes:
    public = (key or recipient()).public_key()
    pem: bytes = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


@pytest.fixture
def second(world: World) -> User:
    return administrator_for_long(world)


def administrator_for_long(world: World) -> User:
    """Carol, who may approve."""
    carol = world.person("carol")
    give_role(world.contoso, "key_admin", actor=Actor("test"), user=carol)
    RoleAssignment.objects.filter(user=carol).update(since=timezone.now() - 2 * _DAY)
    return carol


def ask(world: World, **given: Any) -> KeyExport:
    facts: dict[str, Any] = {"reason": "Leaving", "actor": world.person("alice"), **given}
    return exports.request_export(world.contoso, public_pem(), **facts)


def roll(world: World) -> None:
    start_roll(world.contoso, actor=world.person("alice"))
    let_announcements_pass()
    assert finish_due_rolls() == 1
    forget_facts()


def protected_file(device: Device, tenant: Tenant, path: Path) -> Path:
    """A real file as the clients make it, sealed by the tenant's active key."""
    answer = device.protect_for(("dave@fabrikam.example", ["VIEW"]))
    license = license_bytes(answer)
    parsed, signer = parse_license(license), active_key(tenant.id)
    key = answer["Key"]
    content_key = ContentKey(base64.b64decode(key["Value"]), CipherMode.CBC4K)

    def seal(root: bytes, length: int) -> bytes:
        record = SealedRecord(
            parsed.content_id, length, root, parsed.content_id, "bob@contoso.example", datetime.now(UTC), signer.fingerprint
        )  # fmt: skip
        return encode_record(record, signer.sign(record.to_signed_bytes()))

    with path.open("w+b") as target:
        protect(io.BytesIO(CONTENT), target, license=license, key=content_key, extension=".txt", seal=seal)
    return path


def client(tmp_path: Path, *arguments: object) -> tuple[int, str, str]:
    """The command, without a server and without a sign-in."""
    stdout, stderr = io.StringIO(), io.StringIO()
    output = Output(as_json=False, stdout=stdout, stderr=stderr)
    code = run([str(each) for each in arguments], {}, SignInStore(tmp_path / "store"), output)
    return int(code), stdout.getvalue(), stderr.getvalue()


def test_from_the_request_to_files_that_open_without_a_server(
    world: World, device: Callable[[str], Device], second: User, tmp_path: Path
):
    old = protected_file(device("bob"), world.contoso, tmp_path / "old.ptxt")
    roll(world)
    new = protected_file(device("bob"), world.contoso, tmp_path / "new.ptxt")
    export = ask(world)
    with pytest.raises(ChangeRefusedError, match="approved, ended or expired"):
        download_package(export, actor=world.person("alice"))
    exports.approve_export(export, actor=second)
    data = download_package(export, actor=world.person("alice"))
    assert exports.state_of(export) == "approved" and export.downloads == 1

    package, theirs = tmp_path / "keys.zip", tmp_path / "recipient.pem"
    package.write_bytes(data)
    theirs.write_bytes(own_pem(recipient()))
    for file in (old, new):
        with_keys = ("--package", package, "--recipient-key", theirs)
        out = tmp_path / f"{file.stem}.txt"
        code, _, said = client(tmp_path, "unprotect", file, "--out", out, *with_keys)
        assert code == 0 and out.read_bytes() == CONTENT, said
        assert "neither rights nor expiry nor revocation" in said and "Unaltered" in said
    altered = bytearray(new.read_bytes())
    altered[-3000] ^= 1
    new.write_bytes(altered)
    assert client(tmp_path, "unprotect", new, "--out", tmp_path / "b", *with_keys)[0] == 5
    theirs.write_bytes(own_pem(own_key()))
    code, _, said = client(tmp_path, "open", old, *with_keys)
    assert code == 2 and "was made for the key" in said
    assert client(tmp_path, "open", old, "--package", package)[0] == 2

    manifest = read_package(data).manifest
    assert manifest["export"]["approved_by"] == second.email and len(manifest["keys"]) == 2
    assert [row.action for row in AdminEvent.objects.filter(action__contains="KeyExport").order_by("id")] == [
        "RequestKeyExport",
        "ApproveKeyExport",
        "DownloadKeyExport",
    ]
    told = OutgoingMail.objects.filter(to=second.email, subject__contains="export of keys")
    assert told.count() == 3 and export.recipient_fingerprint in told.order_by("id")[0].text
    assert [row["downloads"] for row in _TABLES["key_exports"](world.contoso)] == [1]


def test_what_the_package_holds(world: World, second: User):
    KeyVersion.objects.create(
        tenant=world.contoso, fingerprint=_fingerprint(1), modulus=_modulus(1), bits=2048, state="archived",
        origin="brought", held_at=timezone.now(),
    )  # fmt: skip
    export = ask(world)
    roll(world)
    exports.approve_export(export, actor=second)
    data = download_package(export, actor=second)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = set(archive.namelist())
        templates, settings = (json.loads(archive.read(name)) for name in ("templates.json", "settings.json"))
    (wrapped,) = export.keys
    assert names == {
        "manifest.json",
        "manifest.sig",
        f"keys/{wrapped}.bin",
        "templates.json",
        "settings.json",
        "documents.json",
    }
    assert templates["templates"] and settings["proven_domains"][0]["domain"] == "contoso.example"
    package = read_package(data)
    assert sorted(key.why_absent for key in package.keys.values()) == ["", "held", "later"]
    assert package.keys[package.signed_by].state == "active"
    der = RecipientKey(own_pem(recipient())).unwrap(package.keys[wrapped])
    assert der not in data and der[-200:-100] not in data
    with pytest.raises(SealError):
        RecipientKey(own_pem(own_key())).unwrap(package.keys[wrapped])


def test_a_disabled_key_arrives_disabled(world: World, second: User):
    roll(world)
    disabled = KeyVersion.objects.for_tenant(world.contoso).get(state="archived")
    disable_key(world.contoso, disabled, actor=second)
    export = ask(world)
    exports.approve_export(export, actor=second)
    package = read_package(download_package(export, actor=second))
    KeyVersion.objects.all().delete()
    there = RecipientKey(own_pem(recipient()))
    arrived = {name: key.state for name, key in take_over(world.contoso, package, there).items()}
    assert arrived == {disabled.fingerprint: "disabled", package.signed_by: "archived"}


def test_a_package_that_was_touched_is_refused(world: World, second: User):
    export = ask(world)
    exports.approve_export(export, actor=second)
    data = download_package(export, actor=second)

    def with_member(
        name: str, change: Callable[[bytes], bytes], compression: int = zipfile.ZIP_STORED
    ) -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w", compression) as made:
            for each in source.namelist():
                content = source.read(each)
                made.writestr(each, change(content) if each == name else content)
        return target.getvalue()

    assert read_package(with_member("", bytes)).keys.keys() == set(export.keys)
    touched = [
        with_member("manifest.json", lambda text: text.replace(b"Leaving", b"Staying")),
        with_member("manifest.sig", lambda value: bytes([value[0] ^ 1]) + value[1:]),
        with_member("templates.json", lambda text: text + b" "),
        with_member(f"keys/{export.keys[0]}.bin", lambda wrapped: wrapped[:-1]),
        with_member("", bytes, zipfile.ZIP_DEFLATED),
        data[:-30],
        b"",
    ]
    for each in touched:
        with pytest.raises(PackageError):
            read_package(each)


def test_a_private_half_that_is_made_to_deceive(world: World, second: User):
    """The right modulus, and numbers that do not belong to it: whoever packs and signs a package themselves can do that."""
    export = ask(world)
    exports.approve_export(export, actor=second)
    package = read_package(download_package(export, actor=second))
    (key,) = package.keys.values()
    others = dict.fromkeys(
        ("private_exponent", "prime1", "prime2", "exponent1", "exponent2", "coefficient"), 3
    )
    numbers = Numbers({"version": 0, "modulus": key.public_key.modulus, "public_exponent": 65537, **others})
    encrypt = PublicKey.from_numbers(recipient().public_key().public_numbers().n).encrypt_oaep
    deceiving = replace(key, wrapped=wrap_der(numbers.dump(), encrypt))
    with pytest.raises(SealError):
        RecipientKey(own_pem(recipient())).open(deceiving)


def test_who_may_approve(world: World, second: User):
    export = ask(world)
    alice, bob = world.person("alice"), world.person("bob")
    for person, code in ((alice, "same_person"), (bob, "too_new")):
        with pytest.raises(ChangeRefusedError) as refused:
            exports.approve_export(export, actor=person)
        assert refused.value.code == code
    # Somebody appointed after the request, and one who is the first person under another account.
    give_role(world.contoso, "key_admin", actor=Actor("test"), user=bob)
    with pytest.raises(ChangeRefusedError, match="24 hours"):
        exports.approve_export(export, actor=bob)
    RoleAssignment.objects.filter(user=bob).update(since=timezone.now() - 2 * _DAY)
    User.objects.filter(id=alice.id).update(email="bob+keys@contoso.example")
    with pytest.raises(ChangeRefusedError, match="Somebody else"):
        exports.approve_export(export, actor=bob)
    exports.approve_export(export, actor=second)
    with pytest.raises(ChangeRefusedError, match="approved, ended or expired"):
        exports.approve_export(export, actor=second)


def test_a_shorter_waiting_time_waits_itself(world: World, second: User):
    contoso, alice = world.contoso, world.person("alice")
    RoleAssignment.objects.filter(user=second).update(since=timezone.now() - timedelta(hours=2))
    export = ask(world)
    exports.set_wait(contoso, 1, actor=alice)
    assert exports.wait_of(contoso) == 24 and exports.planned_wait(contoso)
    assert exports.why_not_second(export, second)
    KeyPolicy.objects.update(next_export_wait_at=timezone.now())
    assert exports.wait_of(contoso) == 1 and exports.planned_wait(contoso) is None
    assert exports.why_not_second(export, second) is None
    exports.set_wait(contoso, 48, actor=alice)
    assert exports.wait_of(contoso) == 48 and exports.planned_wait(contoso) is None
    exports.set_wait(contoso, 48, actor=alice)
    assert AdminEvent.objects.filter(action="ChangeKeyExportWait").count() == 2
    for hours in (0, 721):
        with pytest.raises(ChangeRefusedError):
            exports.set_wait(contoso, hours, actor=alice)


def test_how_an_export_ends(world: World, second: User):
    alice = world.person("alice")
    first = ask(world)
    with pytest.raises(ChangeRefusedError, match="under way"):
        ask(world)
    exports.end_export(first, actor=second)
    assert exports.state_of(first) == "rejected"
    cancelled = ask(world)
    exports.approve_export(cancelled, actor=second)
    exports.end_export(cancelled, actor=alice)
    assert exports.state_of(cancelled) == "cancelled"
    late = ask(world)
    exports.approve_export(late, actor=second)
    KeyExport.objects.filter(id=late.id).update(expires_at=timezone.now())
    late.refresh_from_db()
    assert exports.state_of(late) == "expired"
    for export in (first, cancelled, late):
        with pytest.raises(ChangeRefusedError):
            download_package(export, actor=alice)
    ask(world)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (lambda: own_pem(own_key()), "private key"),
        (lambda: public_pem(own_key()), "3072"),
        (lambda: public_pem(ec.generate_private_key(ec.SECP256R1())), "public half"),
        (lambda: b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "public half"),
        (lambda: b"x" * 20_000, "public half"),
    ],
)
def test_recipients_that_are_refused(world: World, pem: Callable[[], bytes], why: str):
    with pytest.raises(KeyRefusedError, match=why):
        exports.request_export(world.contoso, pem(), reason="Leaving", actor=world.person("alice"))
    assert not KeyExport.objects.exists()


def _modulus(number: int) -> bytes:
    return own_key(number).public_key().public_numbers().n.to_bytes(256, "big")


def _fingerprint(number: int) -> str:
    return hashlib.sha256(_modulus(number)).hexdigest()
