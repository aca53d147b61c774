"""The known answers in vectors/license.json: what was issued once is read the same way for ever."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from rms.content_key import CipherMode, ContentKey
from rms.sealing import unseal
from rms.xrml import open_license, parse_license
from rms.xrml.enabling_bits import binding_hash, open_key
from rms.xrml.rights_document import build_rights_document

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "license.json").read_text(encoding="utf-8")
)
BY_NAME = {vector["name"]: vector for vector in VECTORS["licenses"]}


def decrypt_with(hash_name: str):
    key = serialization.load_pem_private_key(VECTORS["private_key_pem"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    digest = {"sha256": hashes.SHA256(), "sha1": hashes.SHA1()}[hash_name]
    return lambda block: key.decrypt(block, padding.OAEP(padding.MGF1(digest), digest, None))


def text(value: Any) -> Any:
    """Guids and times as the vectors write them."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, tuple):
        return [text(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@pytest.mark.parametrize("name", BY_NAME)
def test_parse(name):
    vector = BY_NAME[name]
    license = parse_license(base64.b64decode(vector["license_base64"]))
    expected = dict(vector["expected"])
    assert [[entry.lcid, entry.name, entry.description] for entry in license.names] == expected.pop("names")
    del expected["rights"]
    assert {member: text(getattr(license, member)) for member in expected} == expected
    assert license.fingerprint == VECTORS["fingerprint"]


@pytest.mark.parametrize("name", BY_NAME)
def test_open(name):
    vector = BY_NAME[name]
    license = parse_license(base64.b64decode(vector["license_base64"]))
    opened = open_license(license, decrypt=decrypt_with(vector["oaep_hash"]))
    key = vector["content_key"]
    assert opened.content_key == ContentKey(bytes.fromhex(key["hex"]), CipherMode(key["mode"]))
    expected = dict(vector["expected"]["rights"])
    assert [[grant.principal, list(grant.rights)] for grant in opened.rights.grants] == expected.pop("grants")
    assert {member: text(getattr(opened.rights, member)) for member in expected} == expected


@pytest.mark.parametrize("name", BY_NAME)
def test_every_step_on_the_way(name):
    vector = BY_NAME[name]
    steps = vector["steps"]
    license = parse_license(base64.b64decode(vector["license_base64"]))
    decrypt = decrypt_with(vector["oaep_hash"])
    assert license.enabling_bits
    assert license.encrypted_rights
    assert decrypt(license.enabling_bits[:256]).hex() == steps["oaep_plaintext_hex"]
    binding = binding_hash(license.documents[0].body)
    assert binding.hex() == steps["binding_hash_hex"]
    _, session_key = open_key(license.enabling_bits, key_size=256, binding=binding, decrypt=decrypt)
    assert session_key.hex() == steps["session_key_hex"]
    policy = unseal(
        session_key,
        license.encrypted_rights,
        purpose=steps["rights_purpose"],
        associated=bytes.fromhex(steps["rights_associated_data_hex"]),
    )
    assert policy.decode() == steps["rights_xml"]
    opened = open_license(license, decrypt=decrypt)
    assert build_rights_document(opened.rights) == policy
