"""A file's license issued anew under the active key: the same document in everything, for those who may, and logged."""

import base64
import io
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.idp.oidc.models import Token
from django.test import Client
from django.utils import timezone

from administration import reissuing
from administration.devices import create_service
from audit.models import UsageEvent
from keys.custody import find_key, hold_active
from keys.errors import KeyNoLongerActiveError
from keys.models import KeyVersion
from policies.models import PolicyTemplate
from rms.content_key import CipherMode, ContentKey
from rms.integrity import LABEL, IntegrityState, decode_record
from rms.pfile import read_header
from rms.protection import check_integrity, protect, reseal
from rms.xrml import (
    Grant,
    Issuer,
    LocalName,
    OpenedLicense,
    RightsDocument,
    Terms,
    issue_license,
    open_license,
    parse_license,
)
from tenants.freshness import forget_facts
from tenants.models import ServicePrincipal, SuperUserAppointment, Tenant
from tests.conftest import Device, World, license_bytes
from tests.licensing.test_resealing import lose_private_half, roll
from tracking import resealing
from tracking.disabling import disable_key, unregistered_on
from tracking.models import Document, SealedCopy
from tracking.resealing import continue_resealings, hanging_on, request_resealing

pytestmark = pytest.mark.django_db
VIEW = ("dave@fabrikam.example", ["VIEW"])
EDIT = ("carol@contoso.example", ["VIEW", "EDIT"])
EVERYTHING: dict[str, Any] = {
    "PreferDeprecatedAlgorithms": True,
    "AllowAuditedExtraction": True,
    "ReferralInfo": "https://contoso.example/why?a=1&b=2",
    "SignedApplicationData": {"App": "<x>\ty"},
    "OutsidersNeedSecondFactor": True,
    "EncryptedApplicationData": {"Secret": "1 > 0"},
    "Descriptors": [
        {"Name": "Plan: A", "Description": "for; us", "Language": "en"},
        {"Name": "Plan", "Description": "für uns", "Language": "de"},
    ],
    "IntervalTimeInDays": 5,
    "LicenseValidUntil": "2031-01-02T03:04:05Z",
    "Owner": "carol@contoso.example",
    "FileName": "plan.pdf",
}


def file_of(device: Device, answer: dict[str, Any]) -> bytes:
    """A file with the license, sealed by the service."""
    license = answer["SerializedPublishingLicense"]
    path = f"/api/v1/documents/{uuid.UUID(answer['ContentId'])}/seal/"

    def seal(root: bytes, length: int) -> bytes:
        body = {"SerializedPublishingLicense": license, "Root": root.hex(), "Length": length}
        return base64.b64decode(device.post(path, body).json()["Record"])

    target = io.BytesIO()
    key = ContentKey(base64.b64decode(answer["Key"]["Value"]))
    sealed = parse_license(license_bytes(answer)).sealed
    protect(
        io.BytesIO(b"plan " * 3000), target, license=license_bytes(answer), key=key, extension=".txt",
        seal=seal if sealed else None,
    )  # fmt: skip
    return target.getvalue()


def license_in(file: bytes) -> bytes:
    return read_header(io.BytesIO(file)).license


def record_in(file: bytes) -> bytes:
    return read_header(io.BytesIO(file)).metadata


def ask(device: Device, file: bytes, **changes: Any) -> Any:
    """What the service answers to somebody who wants the file resealed."""
    record = record_in(file) if record_in(file).startswith(LABEL) else None
    body = {
        "SerializedPublishingLicense": base64.b64encode(license_in(file)).decode(),
        "Record": base64.b64encode(record).decode() if record else None,
    }
    content_id = changes.pop("content_id", parse_license(license_in(file)).content_id)
    return device.post(f"/api/v1/documents/{content_id}/reseal/", {**body, **changes})


def code_of(response: Any) -> str:
    assert response.status_code == 400, response.content
    return str(response.json()["code"])


def written(file: bytes, answer: dict[str, Any]) -> bytes:
    """The file as a client writes it from the answer."""
    target = io.BytesIO()
    record = base64.b64decode(answer["Record"]) if answer["Record"] else None
    license = base64.b64decode(answer["SerializedPublishingLicense"])
    reseal(io.BytesIO(file), target, license=license, record=record)
    return target.getvalue()


def opened_with(raw: bytes) -> OpenedLicense:
    license = parse_license(raw)
    key = find_key(license.fingerprint)
    assert key is not None
    return open_license(license, decrypt=key.decrypt)


@pytest.fixture
def bob(device: Callable[[str], Device]) -> Device:
    return device("bob")


@pytest.fixture
def file(bob: Device) -> bytes:
    return file_of(bob, bob.protect_for(VIEW, EDIT, Sealed=True, FileName="plan.pdf"))


@pytest.mark.parametrize("kind", ["everything", "template", "plain"])
def test_everything_but_the_key_stays(world: World, bob: Device, kind: str):
    if kind == "template":
        template = PolicyTemplate.objects.for_tenant(world.contoso).filter(state="published").first()
        answer = bob.publish({"TemplateId": str(template.id), "Sealed": True})
    elif kind == "plain":
        answer = bob.protect_for(VIEW)
    else:
        service = world.person("alice")
        answer = Device(Client(), service).protect_for(VIEW, Sealed=True, **EVERYTHING)
        bob = Device(Client(), service)
    file = file_of(bob, answer)
    old = roll(world)
    rows = UsageEvent.objects.count()
    response = ask(bob, file)
    assert response.status_code == 200, response.content
    made = response.json()
    new = KeyVersion.objects.for_tenant(world.contoso).get(state="active")
    raw = base64.b64decode(made["SerializedPublishingLicense"])
    before, after = parse_license(license_bytes(answer)), parse_license(raw)
    assert (made["Resealed"], made["KeyFingerprint"], after.fingerprint) == (
        True,
        new.fingerprint,
        new.fingerprint,
    )
    for name in (
        "content_id", "issued_at", "descriptor_id", "descriptor_version", "descriptor_text", "issuer_name", "server_id",
        "tenant_id", "licensing_url", "extranet_url", "referral", "owner_address", "valid_from", "valid_until",
        "application_data", "sealed",
    ):  # fmt: skip
        assert getattr(after, name) == getattr(before, name), name
    assert opened_with(raw) == opened_with(license_bytes(answer))

    resealed = written(file, made)
    state = check_integrity(io.BytesIO(resealed)).state
    assert state is (IntegrityState.NO_RECORD if kind == "plain" else IntegrityState.UNALTERED)
    assert bob.open(made["SerializedPublishingLicense"])["Key"] == answer["Key"]
    row = UsageEvent.objects.order_by("id")[rows]
    assert (row.request_type, row.result, row.key_id) == ("SignDigest", "Success", new.id)
    assert UsageEvent.objects.count() == rows + 2  # the other one is the opening
    assert hanging_on([old.id, new.id]) == {old.id: 1, new.id: 1}
    assert Document.objects.count() == 1


def test_the_record_says_what_it_said(world: World, bob: Device, file: bytes):
    roll(world)
    made = ask(bob, file).json()
    before, _ = decode_record(record_in(file))
    after, _ = decode_record(base64.b64decode(made["Record"]))
    assert after.key_fingerprint == made["KeyFingerprint"] != before.key_fingerprint
    assert vars(after) | {"key_fingerprint": ""} == vars(before) | {"key_fingerprint": ""}


def test_the_old_key_is_needed_no_more(
    world: World, device: Callable[[str], Device], bob: Device, file: bytes
):
    other = bob.protect_for(VIEW)
    old = roll(world)
    made = ask(bob, file).json()
    first = base64.b64encode(license_in(file)).decode()
    lose_private_half(old, state="destroyed")
    dave = device("dave")
    assert dave.open(made["SerializedPublishingLicense"])["AccessStatus"] == "AccessGranted"
    for license in (first, other["SerializedPublishingLicense"]):
        assert dave.open(license)["AccessStatus"] == "AccessDenied"
    # The register was not sealed anew either. Those who would be let in are told.
    assert code_of(ask(bob, file)) == "KeyDestroyedException"
    assert code_of(ask(dave, file)) == "ResealRefusedException"
    assert UsageEvent.objects.latest("id").result == "KeyDestroyed"


def test_what_the_register_sealed_anew_needs_no_old_key(world: World, bob: Device, file: bytes):
    old = roll(world)
    request_resealing(world.contoso, old, actor=world.person("alice"))
    assert continue_resealings() == 1
    lose_private_half(old, state="destroyed")
    made = ask(bob, file).json()
    assert made["Resealed"]
    assert check_integrity(io.BytesIO(written(file, made))).state is IntegrityState.UNALTERED
    # The next time: one document with two licenses gets off this key, and both open without it.
    second = roll(world)
    assert hanging_on([old.id, second.id]) == {old.id: 0, second.id: 1}
    request_resealing(world.contoso, second, actor=world.person("alice"))
    assert continue_resealings() == 1
    lose_private_half(second, state="destroyed")
    for license in (license_in(file), base64.b64decode(made["SerializedPublishingLicense"])):
        assert bob.open(base64.b64encode(license).decode())["AccessStatus"] == "AccessGranted"


def test_under_the_active_key_there_is_nothing_to_do(world: World, bob: Device, file: bytes):
    active = KeyVersion.objects.for_tenant(world.contoso).get()
    rows = UsageEvent.objects.count()
    assert ask(bob, file).json() == {
        "Resealed": False,
        "KeyFingerprint": active.fingerprint,
        "SerializedPublishingLicense": None,
        "Record": None,
    }
    assert (SealedCopy.objects.count(), UsageEvent.objects.count()) == (1, rows + 1)


def test_who_may(world: World, device: Callable[[str], Device], bob: Device, file: bytes):
    roll(world)
    rows = UsageEvent.objects.count()
    assert ask(device("carol"), file).status_code == 200  # may edit
    assert [code_of(ask(device(name), file)) for name in ("dave", "mallory", "erin", "alice")] == [
        "ResealRefusedException"
    ] * 4
    assert ask(device(""), file).status_code == 401
    assert UsageEvent.objects.count() == rows + 5 and SealedCopy.objects.count() == 2


def test_revoked_and_expired(world: World, device: Callable[[str], Device], bob: Device, file: bytes):
    old = file_of(bob, bob.protect_for(EDIT, Sealed=True, LicenseValidUntil="2020-01-01T00:00:00Z"))
    roll(world)
    Document.objects.update(revoked_at=timezone.now())
    carol = device("carol")
    assert code_of(ask(carol, file)) == "AccessRevokedException"
    Document.objects.update(revoked_at=None)
    forget_facts()
    assert code_of(ask(carol, old)) == "ContentExpiredException"
    assert ask(bob, old).status_code == 200  # whoever published it goes on opening it


def test_files_that_are_not_what_is_registered(world: World, bob: Device, file: bytes):
    other = file_of(bob, bob.protect_for(VIEW, Sealed=True))
    roll(world)
    copies = SealedCopy.objects.count()
    assert code_of(ask(bob, file, Record=None)) == "FileAlteredException"
    for record in (record_in(other), b"nonsense", record_in(file)[:400] + b"x" + record_in(file)[401:]):
        assert code_of(ask(bob, file, Record=base64.b64encode(record).decode())) == "FileAlteredException"
    assert ask(bob, file, Record="?").status_code == 400
    assert code_of(ask(bob, file, content_id=uuid.uuid4())) == "BadInputException"
    Document.objects.update(integrity_root="00" * 32)
    forget_facts()
    assert code_of(ask(bob, file)) == "FileAlteredException"
    Document.objects.all().delete()
    forget_facts()
    assert code_of(ask(bob, file)) == "BadInputException"
    assert SealedCopy.objects.count() == 0 and copies == 2
    assert not unregistered_on(KeyVersion.objects.for_tenant(world.contoso).get(state="archived")).exists()


def test_a_license_that_a_thief_wrote_with_the_old_key(world: World, bob: Device, file: bytes):
    """It opens as long as the key does; it does not get into the new key's name."""
    stolen = find_key(parse_license(license_in(file)).fingerprint)
    person, document = world.person("bob"), Document.objects.get()
    rights = RightsDocument(
        document.content_id, world.contoso.id, person.id, person.email, person.id, person.email,
        (Grant("anyone", ("VIEW",)),),
    )  # fmt: skip
    terms = Terms(
        document.content_id,
        timezone.now(),
        uuid.uuid4(),
        None,
        (LocalName(1033, "Mine", ""),),
        rights,
        person.email,
    )
    issuer = Issuer(
        world.contoso.id, "Contoso", world.contoso.server_id, "https://x.test/t/1", stolen.public_key
    )
    forged = issue_license(terms, issuer, ContentKey.generate(256, CipherMode.CBC4K), sign=stolen.sign)
    roll(world)
    text = base64.b64encode(forged).decode()
    assert bob.open(text)["AccessStatus"] == "AccessGranted"
    answer = ask(bob, file, SerializedPublishingLicense=text, Record=None)
    assert code_of(answer) == "FileAlteredException"  # the registered root asks for a record
    Document.objects.update(integrity_root="")
    forget_facts()
    assert code_of(ask(bob, file, SerializedPublishingLicense=text, Record=None)) == "BadInputException"
    assert SealedCopy.objects.count() == 1


def test_a_document_from_before_copies_were_kept(world: World, bob: Device, file: bytes):
    SealedCopy.objects.all().delete()
    old = roll(world)
    assert hanging_on([old.id]) == {old.id: 1}
    assert ask(bob, file).json()["Resealed"]
    new = KeyVersion.objects.for_tenant(world.contoso).get(state="active")
    assert hanging_on([old.id, new.id]) == {old.id: 1, new.id: 1}


def test_the_register_does_not_grow_without_end(
    world: World, bob: Device, file: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(resealing, "MAX_LICENSES", 2)
    roll(world)
    assert [ask(bob, file).status_code for _ in range(2)] == [200, 200]
    assert code_of(ask(bob, file)) == "LicensesUsedUpException"
    assert (
        SealedCopy.objects.count() == 3
        and UsageEvent.objects.latest("id").result == "LicensesUsedUpException"
    )


def test_rolled_in_between(world: World, bob: Device, file: bytes, monkeypatch: pytest.MonkeyPatch):
    roll(world)
    rows, held = UsageEvent.objects.count(), []

    def rolled_once(handle: Any) -> None:
        held.append(handle)
        if len(held) == 1:
            raise KeyNoLongerActiveError("The key was rolled in between.")
        hold_active(handle)

    monkeypatch.setattr(reissuing, "hold_active", rolled_once)
    assert ask(bob, file).json()["Resealed"]
    assert (len(held), SealedCopy.objects.count(), UsageEvent.objects.count()) == (2, 2, rows + 1)


def test_keys_that_cannot_be_used(world: World, bob: Device, file: bytes):
    old = roll(world)
    new = KeyVersion.objects.for_tenant(world.contoso).get(state="active")
    KeyVersion.objects.filter(id=new.id).update(held_at=timezone.now())
    forget_facts()
    assert code_of(ask(bob, file)) == "KeyHeldException"
    KeyVersion.objects.filter(id=new.id).update(held_at=None)
    disable_key(world.contoso, old, actor=world.person("alice"))
    assert code_of(ask(bob, file)) == "KeyDisabledException"
    assert SealedCopy.objects.count() == 1


def test_a_service_does_a_whole_share(world: World, bob: Device, file: bytes):
    """A super user may be a program of the organization."""
    create_service(world.contoso, "Share", {"licensing"}, actor="operator")
    service = ServicePrincipal.objects.for_tenant(world.contoso).get()
    token = Token(type=Token.Type.ACCESS_TOKEN, client=service.client)
    token.expires_at = timezone.now() + timedelta(hours=1)
    token.set_value("of-the-service")
    token.set_scopes(service.client.get_scopes())
    token.save()
    program = Device(Client(), None)
    program.token = "of-the-service"
    roll(world)
    assert code_of(ask(program, file)) == "ResealRefusedException"
    Tenant.objects.filter(id=world.contoso.id).update(super_users_enabled=True)
    since = timezone.now()
    SuperUserAppointment.objects.create(tenant=world.contoso, service=service, since=since, reason="Roll")
    forget_facts()
    assert (
        check_integrity(io.BytesIO(written(file, ask(program, file).json()))).state
        is IntegrityState.UNALTERED
    )
    assert UsageEvent.objects.latest("id").admin_action
