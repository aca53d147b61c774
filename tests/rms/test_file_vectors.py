"""The known answers in vectors/{cipher,seal,pfile}.json: what was written once is read the same way for ever."""

import base64
import hashlib
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from rms.ciphers import Decryptor, Encryptor
from rms.content_key import CipherMode, ContentKey
from rms.integrity import SealedRecord, TreeHash, decode_record, encode_record
from rms.pfile import read_header
from rms.protection import check_integrity, unprotect
from rms.xrml import PublicKey


def load(name: str) -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / f"{name}.json").read_text())
    return vectors


def pattern(size: int) -> bytes:
    """As docs/formats/vectors.md describes it."""
    data = bytearray()
    number = 0
    while len(data) < size:
        data += hashlib.sha256(number.to_bytes(4, "little")).digest()
        number += 1
    return bytes(data[:size])


@pytest.mark.parametrize(
    "vector", load("cipher")["ciphertexts"], ids=lambda v: f"{v['mode'][10:]}-{len(v['key']) * 4}-{v['size']}"
)
def test_ciphertexts(vector):
    key = ContentKey(bytes.fromhex(vector["key"]), CipherMode(vector["mode"]))
    encryptor, decryptor = Encryptor(key), Decryptor(key)
    data = encryptor.update(pattern(vector["size"])) + encryptor.finalize()
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    assert (len(data), data[-16:].hex()) == (vector["length"], vector["last_block"])
    assert decryptor.update(data) + decryptor.finalize() == pattern(vector["size"])


@pytest.mark.parametrize("vector", load("seal")["trees"], ids=lambda vector: str(vector["size"]))
def test_tree_hashes(vector):
    tree = TreeHash()
    tree.update(pattern(vector["size"]))
    assert tree.root().hex() == vector["root"]


def test_record():
    vector = load("seal")["record"]
    record = SealedRecord(
        content_id=UUID(vector["content_id"]),
        content_length=vector["content_length"],
        root=bytes.fromhex(vector["root"]),
        publisher_id=UUID(vector["publisher_id"]),
        publisher_address=vector["publisher_address"],
        sealed_at=datetime.fromisoformat(vector["sealed_at"]),
        key_fingerprint=vector["key_fingerprint"],
    )
    signature = bytes.fromhex(vector["signature_hex"])
    data = base64.b64decode(vector["record_base64"])
    assert record.to_signed_bytes().hex() == vector["signed_hex"]
    assert encode_record(record, signature) == data
    assert decode_record(data) == (record, signature)
    public = PublicKey.from_numbers(int(vector["modulus_hex"], 16))
    assert public.fingerprint == vector["key_fingerprint"]
    assert public.verify(record.to_signed_bytes(), signature, "sha256")


@pytest.mark.parametrize("vector", load("pfile")["files"], ids=lambda vector: vector["name"])
def test_files(vector):
    source = io.BytesIO(base64.b64decode(vector["file_base64"]))
    file = read_header(source)
    assert list(file.version) == vector["version"]
    for name in (
        "clear_text",
        "extension",
        "original_size",
        "metadata_offset",
        "content_offset",
        "content_length",
    ):
        assert getattr(file, name) == vector[name]
    assert len(file.metadata) == vector["metadata_length"]
    assert hashlib.sha256(file.license).hexdigest() == vector["license_sha256"]
    key = ContentKey(bytes.fromhex(vector["content_key"]["hex"]), CipherMode(vector["content_key"]["mode"]))
    target = io.BytesIO()
    integrity = unprotect(source, target, key=key)
    assert integrity == check_integrity(source)
    assert integrity.state == vector["integrity"]
    assert hashlib.sha256(target.getvalue()).hexdigest() == vector["plaintext_sha256"]
    tree = TreeHash()
    tree.update(source.getvalue()[file.content_offset :])
    assert tree.root().hex() == vector["root"]
