"""No private key, PIN, key-encryption key or content key is anywhere in clear: all of them are known here and looked for in
everything that a life of the system wrote."""

import base64
import io
import json
import logging
import re
import traceback
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from kombu import Connection

from administration.export import export_of, make_due, open_export, request_export
from audit.aggregation import aggregate
from keys import custody, importing, keeping
from keys.backends import software
from keys.backends.pkcs11 import TokenKey
from keys.custody import active_key, check_usable, find_key, forget_loaded, oidc_signing_key
from keys.errors import KeyCustodyError
from keys.importing import hold_key, restore_key
from keys.models import InstallationKey, KeyVersion, WrappingKey
from keys.rollover import finish_due_rolls
from policies.models import PolicyTemplate
from portal.celery import app
from rms.content_key import ContentKey
from rms.key_wrapping import wrap_private_key
from tenants.freshness import forget_facts
from tenants.models import User
from tests.conftest import PASSWORD, World
from tests.keys.aging import let_announcements_pass
from tests.keys.bringing import own_key, own_pem, wrapped_for
from tests.keys.markers import Haystack, Secret, Written, of_private_key
from tests.keys.test_export import administrator_for_long, public_pem
from tests.keys.tokens import PIN, SoftToken
from tracking.destruction import carry_out_due
from tracking.models import Destruction
from tracking.resealing import continue_resealings

pytestmark = pytest.mark.django_db
KEK = "marker-of-the-key-encryption-key-0123456789"
NEW_KEK = "marker-of-the-new-key-encryption-key-0123456789"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


class Spy:
    """Knows every secret as it comes into being, by standing beside the places that make or open them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secrets = [
            Secret("KEK", KEK.encode()),
            Secret("new KEK", NEW_KEK.encode()),
            Secret("PIN", PIN.encode()),
        ]
        self.content_keys: list[Secret] = []
        generate, fresh = software.generate, ContentKey.generate.__func__  # type: ignore[attr-defined]

        def seen(bits: int) -> tuple[int, bytes]:
            modulus, der = generate(bits)
            self.secrets += of_private_key(f"private key {len(self.secrets)}", der)
            return modulus, der

        def seen_content_key(cls: Any, *args: Any, **kwargs: Any) -> ContentKey:
            made: ContentKey = fresh(cls, *args, **kwargs)
            self.content_keys.append(Secret(f"content key {len(self.content_keys)}", made.value))
            return made

        def seen_decrypt(decrypt: Any) -> Any:
            def note(key: Any, block: bytes) -> bytes:
                session_key: bytes = decrypt(key, block)
                self.secrets.append(Secret(f"session key {len(self.secrets)}", session_key))
                return session_key

            return note

        for kept in (software.SoftwareKey, TokenKey):
            monkeypatch.setattr(kept, "decrypt", seen_decrypt(kept.decrypt))
        monkeypatch.setattr(software, "generate", seen)
        monkeypatch.setattr(ContentKey, "generate", classmethod(seen_content_key))
        self.secrets += of_private_key("brought key", software.to_der(own_key()))

    def note_wrapping_keys(self) -> None:
        for row in WrappingKey.objects.all():
            self.secrets.append(Secret(f"wrapping key of {row.key_id}", keeping.WRAPPING.get(row)))


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Spy:
    settings.KEY_ENCRYPTION_KEY = KEK
    monkeypatch.setattr(importing, "IMPORT_BITS", 2048)
    return Spy(monkeypatch)


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> Iterator[Written]:
    with caplog.at_level(logging.DEBUG):
        yield Written(caplog)


def test_no_secret_is_written_anywhere(
    spy: Spy, world: World, written: Written, device: Any, settings: Any, soft_token: SoftToken,
    mailoutbox: Any, capfd: Any, tmp_path: Path,
):  # fmt: skip
    settings.NEW_KEYS = "software"
    alice, tenant = world.person("alice"), world.contoso
    oidc_signing_key()
    use(written, device, "a made key")
    roll(written, browser(world, "alice"))
    bring_and_hold(written, world, device)
    settings.NEW_KEYS = "pkcs11"
    use_token(written, world, device, settings, soft_token)
    spy.note_wrapping_keys()
    settings.KEY_ENCRYPTION_KEY, settings.KEY_ENCRYPTION_KEY_PREVIOUS = NEW_KEK, KEK
    call_command("rotate_kek")
    lose_the_kek(written, device, settings)
    aggregate()
    export_keys(written, world, device)
    end_a_key(written, world, device)
    break_unexpectedly(written, device)
    request_export(tenant, actor=alice)
    make_due()
    look(written, world, device)
    queue_every_task(written, tmp_path)
    show_objects(written, world)
    written.collect(mailoutbox, capfd.readouterr())

    assert {
        "logs", "column keys_keyversion.sealed_private", "column keys_wrappingkey.sealed", "column audit_adminevent.after",
        "column keys_importkey.sealed_private", "answer of /keys/", "answer of /api/v1/logs/admin/", "repr",
        "error of the token", "files of the export", "broker messages", "answer of a key package",
        "answer of a certificate", "answer of the record of an incident", "answer of an unexpected failure",
        "column tracking_destruction.certificate", "column tracking_sealedcopy.block", "column keys_incidentstep.facts",
        "column tenants_outgoingmail.text", "column audit_usageevent.result",
    } <= written.hay.places  # fmt: skip
    assert len(spy.content_keys) >= 3 and len(spy.secrets) > 40
    assert written.hay.find(spy.secrets) == []
    # Only the publisher and who opens get a content key, in their answers.
    told = [where for where in written.hay.find(spy.content_keys) if "in answer of licensing" not in where]
    assert told == []


@pytest.mark.parametrize("encode", [
    bytes, bytes.hex, lambda value: base64.b64encode(b"x" + value), lambda value: base64.urlsafe_b64encode(value),
    lambda value: base64.encodebytes(b"xy" + value + b"z"), repr, lambda value: int.from_bytes(value, "big"),
    lambda value: json.dumps({"key": base64.b64encode(value).decode()}), lambda value: value[::-1], list,
    lambda value: "\n    ".join(re.findall(".{1,45}", value.hex(":"))),
], ids=["raw", "hex", "base64", "url", "pem", "repr", "decimal", "json", "little-endian", "list", "openssl"])  # fmt: skip
def test_a_secret_would_be_found(encode: Any):
    symmetric = Secret("wrapping key", bytes(range(150, 182)))
    for secret in (*of_private_key("key", software.to_der(own_key())), symmetric):
        hay = Haystack()
        hay.add("a log", encode(secret.value))
        assert hay.find([secret]) == [f"{secret.name} in a log"]


def browser(world: World, name: str) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(world.person(name), backend=BACKEND)
    return client


def use(written: Written, device: Any, place: str) -> str:
    """Protect and open, with somebody who may not among those who try."""
    shared = device("bob").protect_for(("dave@fabrikam.example", ["VIEW"]))
    license: str = shared["SerializedPublishingLicense"]
    written.hay.add("answer of licensing", shared)
    for name in ("dave", "mallory"):
        answer = device(name).post("/my/v2/enduserlicenses", {"SerializedPublishingLicense": license})
        written.answer("licensing" if name == "dave" else f"a refusal, {place}", answer)
    broken = base64.b64encode(base64.b64decode(license)[:-200]).decode()
    answer = device("dave").post("/my/v2/enduserlicenses", {"SerializedPublishingLicense": broken})
    written.answer("a broken license", answer)
    return license


def switch() -> None:
    let_announcements_pass()
    assert finish_due_rolls() >= 1
    forget_facts()


def roll(written: Written, client: Client) -> None:
    written.answer("/keys/roll/", client.get("/keys/roll/"))
    written.answer("/keys/roll/", client.post("/keys/roll/", {"bits": 2048}))
    switch()


def bring_and_hold(written: Written, world: World, device: Any) -> None:
    alice = device("alice")
    made = written.answer("import-key", alice.post("/api/v1/keys/import-key/", {}))
    wrapped = wrap_private_key(own_pem(own_key()), made.json()["public_key"].encode())
    for bad in (wrapped[:-3] + b"bad", own_pem(own_key(1)), wrapped[:100]):
        body = {"wrapped": base64.b64encode(bad).decode()}
        written.answer("a bad import", alice.post("/api/v1/keys/import/", body))
    answer = alice.post("/api/v1/keys/import/", {"wrapped": base64.b64encode(wrapped).decode()})
    assert written.answer("import", answer).status_code == 202
    switch()
    license = use(written, device, "a brought key")
    key = KeyVersion.objects.get(id=answer.json()["id"])
    hold_key(key, actor=world.person("alice"))
    forget_facts()
    held = device("dave").post("/my/v2/enduserlicenses", {"SerializedPublishingLicense": license})
    assert written.answer("a held key", held).json()["AccessStatus"] == "AccessDenied"
    key.refresh_from_db()
    again = wrapped_for(world.contoso, world.person("alice"), own_key())
    restore_key(key, again, actor=world.person("alice"))
    forget_facts()


def use_token(written: Written, world: World, device: Any, settings: Any, soft_token: SoftToken) -> None:
    roll(written, browser(world, "alice"))
    assert KeyVersion.objects.for_tenant(world.contoso).get(state="active").kind == "pkcs11"
    license = use(written, device, "a token")
    keeping._token().run(lambda session: session.raw.close())
    soft_token.pull_out()
    try:
        body = {"SerializedPublishingLicense": license}
        answer = written.answer("a lost token", device("dave").post("/my/v2/enduserlicenses", body))
        assert answer.status_code == 500
    finally:
        soft_token.put_back()
    settings.PKCS11_TOKEN_PIN = PIN + "!"
    forget_loaded()
    forget_facts()
    with pytest.raises(KeyCustodyError) as caught:
        active_key(world.contoso.id)
    written.failure("the token", caught.value)
    settings.PKCS11_TOKEN_PIN = PIN
    for path in soft_token.directory.rglob("*"):
        if path.is_file():
            written.hay.add("files of the token", path.read_bytes())


def lose_the_kek(written: Written, device: Any, settings: Any) -> None:
    known = settings.KEY_ENCRYPTION_KEY, settings.KEY_ENCRYPTION_KEY_PREVIOUS
    settings.KEY_ENCRYPTION_KEY, settings.KEY_ENCRYPTION_KEY_PREVIOUS = "w" * 40, ""
    forget_loaded()
    forget_facts()
    for action in (oidc_signing_key, lambda: check_usable(_software_key())):
        with pytest.raises(KeyCustodyError) as caught:
            action()
        written.failure("the wrong KEK", caught.value)
    written.answer("no KEK", Client(raise_request_exception=False).get("/readyz"))
    settings.KEY_ENCRYPTION_KEY, settings.KEY_ENCRYPTION_KEY_PREVIOUS = known
    forget_loaded()
    forget_facts()


def export_keys(written: Written, world: World, device: Any) -> None:
    """Two people, and a package of which every byte is looked at."""
    carol, path = administrator_for_long(world), "/api/v1/keys/exports/"
    for pem in (own_pem(own_key()), public_pem()):
        body = {"reason": "Leaving", "recipient_key": pem.decode()}
        asked = written.answer("a key export", device("alice").post(path, body))
    approved = device("carol").post(f"{path}{asked.json()['id']}/approve/", {})
    assert written.answer("a key export", approved).status_code == 200, carol
    package = written.answer("a key package", device("alice").get(f"{path}{asked.json()['id']}/package/"))
    assert len(zipfile.ZipFile(io.BytesIO(package.content)).namelist()) > 5


def end_a_key(written: Written, world: World, device: Any) -> None:
    """An incident of an archived key: an exercise, then in earnest, to the certificate of its destruction and the record."""
    old, alice = _software_key(), device("alice")
    for drill in (True, False):
        body = {"kind": "weak", "key": str(old.id), "reason": "Too short", "drill": drill}
        opened = written.answer("an incident", alice.post("/api/v1/keys/incidents/", body))
        incident = f"/api/v1/keys/incidents/{opened.json()['id']}/"
        for step in ("roll", "reseal", "destroy", "tell"):
            written.answer("a step", alice.post(f"{incident}steps/{step}/", {}))
        assert drill or continue_resealings() > 0
    path = f"/api/v1/keys/{old.id}/"
    asked = written.answer("a destruction", alice.post(f"{path}destroy/", {"reason": "Too short"}))
    body = {"destruction": asked.json()["id"]}
    approved = written.answer("a destruction", device("carol").post(f"{path}destroy/approve/", body))
    assert approved.status_code == 200, approved.content
    Destruction.objects.update(due_at=timezone.now())
    assert carry_out_due() == 1
    assert written.answer("a certificate", alice.get(f"{path}certificate/")).status_code == 200
    written.answer("an incident", alice.post(f"{incident}close/", {}))
    assert written.answer("the record of an incident", alice.get(incident)).json()["closed_at"]
    client = browser(world, "alice")
    for page in (f"/keys/{old.id}/", f"/keys/{old.id}/certificate.json", incident.removeprefix("/api/v1"),
                 f"{incident.removeprefix('/api/v1')}report/", f"{incident.removeprefix('/api/v1')}message/"):  # fmt: skip
        assert written.answer("a page of the end of a key", client.get(page)).status_code == 200, page


def break_unexpectedly(written: Written, device: Any) -> None:
    """An error that nobody foresaw, in the middle of using a key: the page, the log with its trace, and every repr on the way."""

    def fail(*_: Any) -> None:
        raise RuntimeError("unforeseen")

    active = KeyVersion.objects.get(tenant__slug="contoso", state="active")
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(TokenKey, "sign", fail)
        broken.setattr(software.SoftwareKey, "sign", fail)
        template = PolicyTemplate.objects.for_tenant(active.tenant).order_by("position")[0]
        answer = device("bob").post("/my/v2/publishinglicenses", {"TemplateId": str(template.id)})
        assert written.answer("an unexpected failure", answer).status_code == 500
        with pytest.raises(RuntimeError) as caught:
            active_key(active.tenant_id).sign(b"license")
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    written.hay.add("a trace with every variable", "".join(trace.format()))


def _software_key() -> KeyVersion:
    return KeyVersion.objects.filter(kind="software", state="archived")[0]


def look(written: Written, world: World, device: Any) -> None:
    """Pages, the API's answers, the operators' site, the export."""
    client = browser(world, "alice")
    for path in (
        "/keys/",
        "/keys/export/",
        "/keys/bring/",
        "/keys/place/",
        "/logs/changes/",
        "/logs/",
        "/documents/",
    ):
        assert written.answer(path, client.get(path)).status_code == 200
    for path in ("keys/", "logs/admin/", "keys/place/", "documents/", "schema/"):
        assert written.answer(f"/api/v1/{path}", device("alice").get(f"/api/v1/{path}")).status_code == 200
    written.answer("jwks", client.get("/.well-known/jwks.json"))
    User.objects.create_superuser("operator@rightskeep.example", PASSWORD)
    operator = Client()
    operator.login(email="operator@rightskeep.example", password=PASSWORD)
    operator.force_login(User.objects.get(email="operator@rightskeep.example"), backend=BACKEND)
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        written.answer("operator", operator.get(reverse(f"{name}_changelist")))
        for row in model._default_manager.all()[:5]:
            written.answer("operator", operator.get(reverse(f"{name}_change", args=[row.pk])))
    export = export_of(world.contoso)
    assert export is not None
    with (
        open_export(export, actor=world.person("alice")) as file,
        zipfile.ZipFile(io.BytesIO(file.read())) as archive,
    ):
        for member in archive.namelist():
            written.hay.add("files of the export", archive.read(member))


def queue_every_task(written: Written, folder: Path) -> None:
    """As beat does it, into a broker whose messages lie open."""
    options = {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(folder / "c"),
    }
    with Connection("filesystem://", transport_options=options) as broker:
        for entry in app.conf.beat_schedule.values():
            app.send_task(entry["task"], connection=broker)
    messages = [path for path in folder.iterdir() if path.is_file()]
    assert len(messages) == len(app.conf.beat_schedule)
    for path in messages:
        written.hay.add("broker messages", path.read_bytes())
        written.hay.add("broker messages", base64.b64decode(json.loads(path.read_bytes())["body"]))


def show_objects(written: Written, world: World) -> None:
    handles = [find_key(key.fingerprint) for key in KeyVersion.objects.exclude(state="pending")]
    token = keeping._token()
    shown: list[Any] = [
        *handles,
        token,
        token.place,
        *KeyVersion.objects.all(),
        *InstallationKey.objects.all(),
    ]
    shown += [handle._key for handle in handles if handle is not None]
    for thing in [*shown, custody._loaded._entries, custody._used._entries]:
        written.hay.add("repr", f"{thing!r} {thing!s}")
        written.hay.add("repr", getattr(thing, "__dict__", ""))
