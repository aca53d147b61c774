"""`admin keys import-package`: what comes back is said first; the recipient's key leaves only wrapped."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from rms.key_package import write_package
from rms.key_wrapping import unwrap_private_key
from rms.xrml.public_key import PublicKey
from tests.keys.bringing import own_key, own_pem
from tests.rmsclient.stub_server import reply_json

PATH = "POST /api/v1/keys/import-package/"
DER = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.fixture
def files(tmp_path):
    """A package that reads as one, and the recipient's private key."""
    signer = own_key()
    public = PublicKey.from_numbers(signer.public_key().public_numbers().n)
    entry = {
        "fingerprint": public.fingerprint, "modulus": f"{public.modulus:x}", "oaep_hash": "sha256", "state": "active",
        "private": None, "absent": "later",
    }  # fmt: skip
    (tmp_path / "keys.zip").write_bytes(
        write_package(
            {"keys": [entry]}, {}, signer=public.fingerprint,
            sign=lambda data: signer.sign(data, padding.PKCS1v15(), hashes.SHA256()),
        )
    )  # fmt: skip
    (tmp_path / "recipient-key.pem").write_bytes(own_pem(own_key(1)))
    return tmp_path


def test_keys_come_back(server, rightskeep, files):
    keys = [{"fingerprint": "ab" * 32, "fate": "back"}, {"fingerprint": "cd" * 32, "fate": "here"}]
    server.routes[PATH] = reply_json({"dry_run": True, "signed_by": "ab" * 32, "keys": keys, "documents": 0})
    import_key = own_key(2)
    public = import_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    server.routes["POST /api/v1/keys/import-key/"] = reply_json({"public_key": public.decode()}, 201)
    command = (
        "admin",
        "keys",
        "import-package",
        files / "keys.zip",
        "--recipient-key",
        files / "recipient-key.pem",
    )
    asked = rightskeep(*command)
    assert asked.code == 2 and "1 keys come back" in asked.stderr and "abab" in asked.stdout
    assert rightskeep(*command, "--dry-run").code == 0
    assert len(server.requests) == 2
    assert rightskeep(*command, "--yes").code == 0
    sent = json.loads(server.requests[-1].body)
    assert base64.b64decode(sent["package"]) == (files / "keys.zip").read_bytes()
    assert unwrap_private_key(base64.b64decode(sent["wrapped"]), import_key.private_bytes(*DER)) == own_key(
        1
    ).private_bytes(*DER)
    assert all(b"PRIVATE KEY" not in request.body for request in server.requests)


def test_nothing_is_sent_of_another_file(server, rightskeep, files):
    key = files / "recipient-key.pem"
    assert rightskeep("admin", "keys", "import-package", key, "--recipient-key", key, "--yes").code == 2
    assert server.requests == []
