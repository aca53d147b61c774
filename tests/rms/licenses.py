"""Keys, terms and issued licenses for tests of the XrML formats. The keys are for tests only."""

import os
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from rms.content_key import ContentKey
from rms.rights import LEVELS
from rms.xrml import Grant, Issuer, LocalName, PublicKey, RightsDocument, Terms, issue_license
from rms.xrml.text import encode_base64

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLES = Path(os.environ.get("RIGHTSKEEP_SAMPLES", REPOSITORY.parent / "shared" / "samples"))

CONTENT = UUID("23090335-566a-4e3f-9ba8-544ca32e5998")
TENANT = UUID("6594232e-6968-45f0-9f7e-c711fc49ef58")
SERVER = UUID("407999b7-d71b-47ff-b672-d9e369f59c23")
POLICY = UUID("760cb90e-8715-4dcb-bf42-806b012d70f2")
ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
BOB = UUID("b0b00000-0000-4000-8000-000000000002")
ISSUED = datetime(2025, 1, 31, 9, 15, tzinfo=UTC)
KEY = ContentKey(bytes(range(32)))


class SigningKey:
    """A private RSA key with the two operations the library asks a caller for."""

    def __init__(self, bits: int) -> None:
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        self.public = PublicKey.from_numbers(self.private.public_key().public_numbers().n)

    def sign(self, data: bytes, digest: hashes.HashAlgorithm | None = None) -> bytes:
        return self.private.sign(data, padding.PKCS1v15(), digest or hashes.SHA256())

    def decrypt(self, block: bytes, digest: hashes.HashAlgorithm | None = None) -> bytes:
        digest = digest or hashes.SHA256()
        return self.private.decrypt(block, padding.OAEP(padding.MGF1(digest), digest, None))


@lru_cache
def signing_key(name: str = "contoso", bits: int = 2048) -> SigningKey:
    """One key per name and size in a test run."""
    return SigningKey(bits)


def make_issuer(key: SigningKey, **changes: Any) -> Issuer:
    values = {
        "tenant_id": TENANT,
        "name": "Contoso",
        "server_id": SERVER,
        "base_url": f"https://rms.example.org/t/{TENANT}",
        "public_key": key.public,
    }
    return Issuer(**{**values, **changes})


def make_rights(**changes: Any) -> RightsDocument:
    values: dict[str, Any] = {
        "content_id": CONTENT,
        "tenant_id": TENANT,
        "issuer_id": BOB,
        "issuer_address": "bob@contoso.example",
        "owner_id": ALICE,
        "owner_address": "alice@contoso.example",
        "grants": (Grant("dave@fabrikam.example", LEVELS["VIEWER"]), Grant("owner", ("OWNER",))),
        "expires_at": datetime(2025, 3, 1, 12, 30, 45, tzinfo=UTC),
        "offline_days": 7,
        "interval_days": 30,
    }
    return RightsDocument(**{**values, **changes})


def make_terms(**changes: Any) -> Terms:
    values: dict[str, Any] = {
        "content_id": CONTENT,
        "issued_at": ISSUED,
        "descriptor_id": POLICY,
        "descriptor_version": datetime(2025, 1, 2, 8, 0, tzinfo=UTC),
        "names": (LocalName(1033, "Contoso - Confidential", "Staff may read and change."),),
        "rights": make_rights(),
        "owner_address": "alice@contoso.example",
    }
    return Terms(**{**values, **changes})


def issue(terms: Terms | None = None, *, key: SigningKey | None = None, **issuer: Any) -> bytes:
    key = key or signing_key()
    return issue_license(terms or make_terms(), make_issuer(key, **issuer), KEY, sign=key.sign)


def cut(license: bytes) -> tuple[str, str, str]:
    """What stands before BODY, BODY itself, and what stands after it, of a license of one document."""
    text = license.decode("utf-8")
    start, end = text.index("<BODY"), text.index("</BODY>") + len("</BODY>")
    return text[:start], text[start:end], text[end:]


def sign_again(license: bytes, body: str, key: SigningKey) -> bytes:
    """The license with another BODY, properly signed: what somebody who holds a key can make."""
    signed = body.encode("utf-16-le", "surrogatepass")
    digest = hashes.Hash(hashes.SHA256())
    digest.update(signed)
    signature = (
        "<SIGNATURE><DIGEST><ALGORITHM>SHA256</ALGORITHM>"
        f'<VALUE encoding="base64" size="256">{encode_base64(digest.finalize())}</VALUE></DIGEST>'
        f"<ALGORITHM>RSA PKCS#1-V1.5</ALGORITHM><VALUE>{encode_base64(key.sign(signed))}</VALUE></SIGNATURE></XrML>"
    )
    return (cut(license)[0] + body + signature).encode("utf-8", "surrogatepass")


def sample_license(name: str) -> bytes:
    """The license in a real protected file, found by the offsets in its header (protocol.md section 5)."""
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"The sample files are not at {SAMPLES}; set RIGHTSKEEP_SAMPLES to where they are.")
    data = path.read_bytes()
    header = 18 + int.from_bytes(data[14:18], "little")
    offset, length = (int.from_bytes(data[header + at : header + at + 4], "little") for at in (12, 16))
    return data[offset : offset + length]
