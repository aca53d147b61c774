"""Write cipher.json, seal.json and pfile.json anew: `python tests/rms/vectors/make_files.py` from the repository's root.

Needed only when a format itself changes: every file in them must stay readable for ever. Uses the key and the
licenses of license.json, which `make_license.py` writes.
"""

import base64
import io
import json
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from rms.ciphers import Encryptor
from rms.content_key import CipherMode, ContentKey
from rms.integrity import SealedRecord, TreeHash, encode_record
from rms.pfile import read_header
from rms.protection import protect
from rms.xrml import parse_license

HERE = Path(__file__).resolve().parent
ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
SEALED_AT = datetime(2025, 6, 1, 0, 0, 30, tzinfo=UTC)
SIZES = {
    CipherMode.CBC4K: (0, 1, 15, 16, 17, 4095, 4096, 4097, 8192, 20_000),
    CipherMode.CBC512: (16, 496, 512, 528, 4096, 20_000),
    CipherMode.ECB: (0, 16, 512, 20_000),
}
TREE_SIZES = (0, 1, 1_048_575, 1_048_576, 1_048_577, 2_097_152, 3_145_728, 5_242_881)


def pattern(size: int) -> bytes:
    """The plaintext of every vector: SHA-256 of 0, 1, 2 … as little-endian u32, one after the other, cut to size."""
    return b"".join(sha256(n.to_bytes(4, "little")).digest() for n in range(-(-size // 32)))[:size]


def main() -> None:
    write("cipher", {"ciphertexts": ciphertexts()})
    licenses = json.loads((HERE / "license.json").read_text(encoding="utf-8"))
    signer = serialization.load_pem_private_key(licenses["private_key_pem"].encode(), None)
    assert isinstance(signer, rsa.RSAPrivateKey)
    write("seal", {"trees": trees(), "record": record_vector(signer, licenses["fingerprint"])})
    by_name = {entry["name"]: entry for entry in licenses["licenses"]}
    files = [
        file_vector("without record", by_name["by template"], 5000, None),
        file_vector("with record", by_name["ad hoc"], 4608, signer),
    ]
    write("pfile", {"files": files})


def write(name: str, members: dict[str, Any]) -> None:
    content = {"description": "Explained in docs/formats/vectors.md.", **members}
    (HERE / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def ciphertexts() -> list[dict[str, Any]]:
    answers = []
    for mode, sizes in SIZES.items():
        for key_size in (16, 24, 32):
            key = ContentKey(bytes(range(key_size)), mode)
            for size in sizes:
                encryptor = Encryptor(key)
                data = encryptor.update(pattern(size)) + encryptor.finalize()
                answer = {
                    "mode": mode.value,
                    "key": key.value.hex(),
                    "size": size,
                    "sha256": sha256(data).hexdigest(),
                }
                answers.append(answer | {"length": len(data), "last_block": data[-16:].hex()})
    return answers


def trees() -> list[dict[str, Any]]:
    answers = []
    for size in TREE_SIZES:
        tree = TreeHash()
        tree.update(pattern(size))
        answers.append({"size": size, "root": tree.root().hex()})
    return answers


def record_vector(signer: rsa.RSAPrivateKey, fingerprint: str) -> dict[str, Any]:
    record = SealedRecord(
        content_id=UUID("1c5e0307-e03d-4de3-af21-81bcf961e73c"),
        content_length=4608,
        root=sha256(b"root").digest(),
        publisher_id=ALICE,
        publisher_address="alice@contoso.example",
        sealed_at=SEALED_AT,
        key_fingerprint=fingerprint,
    )
    signed = record.to_signed_bytes()
    signature = sign(signer, signed)
    return {
        "content_id": str(record.content_id),
        "content_length": record.content_length,
        "root": record.root.hex(),
        "publisher_id": str(record.publisher_id),
        "publisher_address": record.publisher_address,
        "sealed_at": record.sealed_at.isoformat(),
        "key_fingerprint": fingerprint,
        "modulus_hex": f"{signer.public_key().public_numbers().n:x}",
        "signed_hex": signed.hex(),
        "signature_hex": signature.hex(),
        "record_base64": base64.b64encode(encode_record(record, signature)).decode(),
    }


def sign(signer: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return signer.sign(data, padding.PKCS1v15(), hashes.SHA256())


def file_vector(
    name: str, entry: dict[str, Any], size: int, signer: rsa.RSAPrivateKey | None
) -> dict[str, Any]:
    license = base64.b64decode(entry["license_base64"])
    parsed = parse_license(license)
    key = ContentKey(bytes.fromhex(entry["content_key"]["hex"]), CipherMode(entry["content_key"]["mode"]))

    def seal(root: bytes, length: int) -> bytes:
        assert signer
        record = SealedRecord(
            parsed.content_id, length, root, ALICE, "alice@contoso.example", SEALED_AT, parsed.fingerprint
        )
        return encode_record(record, sign(signer, record.to_signed_bytes()))

    target = io.BytesIO()
    result = protect(
        io.BytesIO(pattern(size)),
        target,
        license=license,
        key=key,
        extension=".bin",
        clear_text="Protected.\r\n",
        seal=seal if signer else None,
    )
    file = read_header(target)
    return {
        "name": name,
        "file_base64": base64.b64encode(target.getvalue()).decode(),
        "content_key": entry["content_key"],
        "version": list(file.version),
        "clear_text": file.clear_text,
        "extension": file.extension,
        "license_sha256": sha256(file.license).hexdigest(),
        "original_size": file.original_size,
        "metadata_offset": file.metadata_offset,
        "metadata_length": len(file.metadata),
        "content_offset": file.content_offset,
        "content_length": file.content_length,
        "root": result.root.hex(),
        "plaintext_sha256": sha256(pattern(size)).hexdigest(),
        "integrity": "unaltered" if signer else "no record",
    }


if __name__ == "__main__":
    main()
