"""Export of keys by pages, API and command: two people, one package."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from keys import export as exports
from keys.models import KeyExport
from portal.key_export import OPENSSL
from rms.key_package import RecipientKey, read_package
from tenants.models import User
from tests.conftest import World, make_token
from tests.keys.bringing import own_key, own_pem
from tests.keys.test_export import ask, public_pem, recipient, second  # noqa: F401  (a fixture)
from tests.portal.conftest import Browse

pytestmark = pytest.mark.django_db
DOCS = Path(__file__).resolve().parents[2] / "docs"


def upload(pem: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("recipient.pem", pem)


def test_pages(world: World, browse: Browse, second: User):  # noqa: F811
    alice, carol = browse("alice"), browse("carol")
    assert "Ask for an export" in alice.get("/keys/export/").content.decode()
    assert "1 private key is going" in alice.get("/keys/export/new/").content.decode()
    refused = alice.post("/keys/export/new/", {"recipient": upload(own_pem(own_key())), "reason": "Leaving"})
    assert refused.status_code == 400 and "This is a private key" in refused.content.decode()
    asked = alice.post("/keys/export/new/", {"recipient": upload(public_pem()), "reason": "Leaving"})
    assert asked.headers["Location"] == "/keys/export/"
    export = KeyExport.objects.get()
    page = alice.get("/keys/export/").content.decode()
    assert export.recipient_fingerprint in page and "Somebody else than who asked" in page
    again = alice.post("/keys/export/new/", {"recipient": upload(public_pem()), "reason": "Leaving"})
    assert again.status_code == 400 and "under way already" in again.content.decode()

    package, approve = f"/keys/export/{export.id}/package/", f"/keys/export/{export.id}/approve/"
    assert alice.post(package).status_code == 302
    assert "Somebody else" in alice.get(approve).content.decode()
    alice.post(approve)
    assert export.recipient_fingerprint in carol.get(approve).content.decode()
    carol.post(approve)
    assert "Download the package" in alice.get("/keys/export/").content.decode()
    answer = alice.post(package)
    assert answer.headers["Cache-Control"] == "no-store"
    made = read_package(answer.content)
    assert RecipientKey(own_pem(recipient())).unwrap(made.keys[made.signed_by])
    assert "downloaded 1 time" in carol.get(f"/keys/export/{export.id}/end/").content.decode()
    carol.post(f"/keys/export/{export.id}/end/")
    assert "Cancelled" in alice.get("/keys/export/").content.decode()
    assert alice.post(package).headers["Location"] == "/keys/export/"

    assert alice.post("/keys/export/waiting/", {"hours": 0}).status_code == 400
    alice.post("/keys/export/waiting/", {"hours": 2})
    assert "on it is 2 hours" in alice.get("/keys/export/").content.decode()


def test_what_cannot_leave_is_said_before(world: World, browse: Browse):
    world.contoso.refresh_from_db()
    exports.keys_of(world.contoso).update(kind="pkcs11")
    for path in ("/keys/export/", "/keys/export/new/"):
        assert "hardware security module" in browse("alice").get(path).content.decode()
    refused = browse("alice").post("/keys/export/new/", {"recipient": upload(public_pem()), "reason": "x"})
    assert refused.status_code == 400 and "no key that could be exported" in refused.content.decode()


def test_api(world: World, browse: Browse, second: User):  # noqa: F811
    def call(who: str, method: str, path: str, body: Mapping[str, object] | None = None):
        headers = {"Authorization": f"Bearer {make_token(world.person(who))}"}
        sent = {} if method == "get" else {"data": body or {}, "content_type": "application/json"}
        return getattr(browse(""), method)(f"/api/v1/keys/exports/{path}", headers=headers, **sent)

    body = {"reason": "Leaving", "recipient_key": public_pem().decode()}
    asked = call("alice", "post", "", body)
    assert asked.status_code == 201 and asked.json()["state"] == "waiting"
    export = asked.json()["id"]
    assert call("alice", "post", "", body).json()["code"] == "export_under_way"
    assert call("alice", "get", f"{export}/package/").json()["code"] == "export_over"
    assert call("alice", "post", f"{export}/approve/").json()["code"] == "same_person"
    assert call("carol", "post", f"{export}/approve/").json()["state"] == "approved"
    package = call("alice", "get", f"{export}/package/")
    assert package.headers["Content-Type"] == "application/zip" and read_package(package.content).keys
    assert call("alice", "get", "").json()["results"][0]["downloads"] == 1
    assert call("carol", "post", f"{export}/end/").json()["state"] == "cancelled"
    assert call("alice", "put", "waiting/", {"hours": 2}).json()["next_hours"] == 2
    assert call("alice", "post", "", {**body, "recipient_key": "x"}).json()["code"] == "key_refused"
    assert call("bob", "get", "").status_code == 403


def test_the_documented_openssl_commands(world: World, second: User, tmp_path: Path):  # noqa: F811
    """From the manual and the description of the format, on the real program."""
    assert f"# a key for the recipient\n{OPENSSL}" in (DOCS / "administrators.md").read_text()
    text = (DOCS / "formats" / "key-export.md").read_text()
    (script,) = re.findall(r"```sh\n(# unwrap with OpenSSL.*?)```", text, re.DOTALL)
    export = ask(world)
    exports.approve_export(export, actor=second)
    ((_, absent, wrapped),) = exports.sealed_keys(export)
    assert not absent
    (tmp_path / "wrapped.bin").write_bytes(wrapped)
    (tmp_path / "recipient-key.pem").write_bytes(own_pem(recipient()))
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, check=True, capture_output=True)
    show = ["openssl", "rsa", "-inform", "DER", "-in", "key.der", "-noout", "-modulus"]
    shown = subprocess.run(show, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert int(shown.strip().partition("=")[2], 16) == int.from_bytes(
        bytes(exports.keys_of(world.contoso).get().modulus), "big"
    )
