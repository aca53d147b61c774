"""`admin keys`: wrapping at home, bringing, holding, restoring."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization

from rms.key_wrapping import unwrap_private_key
from tests.rmsclient.stub_server import reply_json

KEY_ID = "3f0d1f0a-0000-4000-8000-0000000000bb"
KEY = {"id": KEY_ID, "fingerprint": "ab" * 32, "state": "active", "kind": "software", "origin": "brought", "bits": 2048,
       "activated_at": "2026-11-01T10:00:00Z", "held_at": None, "documents": 3}  # fmt: skip
DER = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.fixture
def files(tmp_path, private_key):
    """A private key, and an import key's public half, as files."""
    (tmp_path / "key.der").write_bytes(private_key.private_bytes(*DER))
    public = private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "import.pem").write_bytes(public)
    return tmp_path


def test_wrapping_sends_nothing_anywhere(server, rightskeep, files, private_key):
    out = files / "wrapped.bin"
    outcome = rightskeep(
        "admin", "keys", "wrap", files / "key.der", "--import-key", files / "import.pem", "--out", out
    )
    assert outcome.code == 0 and server.requests == []
    assert (
        unwrap_private_key(out.read_bytes(), private_key.private_bytes(*DER))
        == (files / "key.der").read_bytes()
    )
    again = rightskeep(
        "admin",
        "keys",
        "wrap",
        files / "import.pem",
        "--import-key",
        files / "import.pem",
        "--out",
        files / "b",
    )
    assert again.code == 2 and not (files / "b").exists()


def test_wrapping_with_a_fresh_import_key(server, rightskeep, files):
    made = {
        "id": KEY_ID,
        "public_key": (files / "import.pem").read_text(),
        "expires_at": "2026-11-08T10:00:00Z",
    }
    server.routes["POST /api/v1/keys/import-key/"] = reply_json(made, 201)
    assert rightskeep("admin", "keys", "wrap", files / "key.der", "--out", files / "wrapped.bin").code == 0
    assert rightskeep("admin", "keys", "import-key", "--out", files / "fresh.pem").code == 0
    assert (files / "fresh.pem").read_text() == made["public_key"]
    assert len(server.requests) == 2 and all(b"PRIVATE" not in request.body for request in server.requests)


def test_a_private_key_is_never_sent_as_it_is(server, rightskeep, files):
    (files / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    assert rightskeep("admin", "keys", "import", files / "key.pem", "--yes").code == 2
    assert server.requests == []


def test_bring_hold_and_restore(server, rightskeep, files):
    (files / "wrapped.bin").write_bytes(b"wrapped")
    server.routes["POST /api/v1/keys/import/"] = reply_json({**KEY, "state": "pending"}, 202)
    server.routes[f"GET /api/v1/keys/{KEY_ID}/"] = reply_json(KEY)
    server.routes["GET /api/v1/keys/"] = reply_json([KEY])
    server.routes[f"POST /api/v1/keys/{KEY_ID}/hold/"] = reply_json(
        {**KEY, "held_at": "2026-11-02T10:00:00Z"}
    )
    server.routes[f"POST /api/v1/keys/{KEY_ID}/restore/"] = reply_json(KEY)
    assert rightskeep("admin", "keys", "import", files / "wrapped.bin").code == 2  # not confirmed
    outcome = rightskeep("admin", "keys", "import", files / "wrapped.bin", "--place", "pkcs11", "--yes")
    assert outcome.code == 0 and "is active" in outcome.stdout
    (sent,) = server.sent("POST /api/v1/keys/import/")
    assert json.loads(sent.body) == {"wrapped": base64.b64encode(b"wrapped").decode(), "place": "pkcs11"}
    assert rightskeep("admin", "keys", "hold", "ab" * 8).code == 2  # not confirmed
    assert rightskeep("admin", "keys", "hold", "abababab", "--yes").code == 0
    assert rightskeep("admin", "keys", "hold", "cdcdcdcd", "--yes").code == 2
    assert rightskeep("admin", "keys", "restore", KEY_ID, files / "wrapped.bin").code == 0
    listed = rightskeep("admin", "keys", "list")
    assert "brought" in listed.stdout
