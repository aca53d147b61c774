"""Write license.json anew: `python tests/rms/vectors/make_license.py` from the root of the repository.

Needed only when the format itself changes: every license in the file must stay readable for ever. The key in the
file is kept when there is one.
"""

import base64
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from rms.content_key import CipherMode, ContentKey
from rms.rights import LEVELS
from rms.xrml import Grant, Issuer, LocalName, PublicKey, RightsDocument, Terms, issue_license, parse_license
from rms.xrml.enabling_bits import binding_hash, open_key
from rms.xrml.issuing import RIGHTS_PURPOSE, associated_data
from rms.xrml.rights_document import build_rights_document

TARGET = Path(__file__).with_name("license.json")
TENANT = UUID("6594232e-6968-45f0-9f7e-c711fc49ef58")
ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
BOB = UUID("b0b00000-0000-4000-8000-000000000002")

BY_TEMPLATE = Terms(
    content_id=UUID("23090335-566a-4e3f-9ba8-544ca32e5998"),
    issued_at=datetime(2025, 1, 31, 9, 15, tzinfo=UTC),
    descriptor_id=UUID("760cb90e-8715-4dcb-bf42-806b012d70f2"),
    descriptor_version=datetime(2025, 1, 2, 8, 0, tzinfo=UTC),
    names=(
        LocalName(1033, "Contoso - Confidential", "Staff may read and change."),
        LocalName(1041, "Contoso - 社外秘", "社員は閲覧と編集ができます。"),
    ),
    rights=RightsDocument(
        content_id=UUID("23090335-566a-4e3f-9ba8-544ca32e5998"),
        tenant_id=TENANT,
        issuer_id=BOB,
        issuer_address="bob@contoso.example",
        owner_id=BOB,
        owner_address="bob@contoso.example",
        grants=(Grant("members", LEVELS["AUTHOR"]),),
        interval_days=30,
    ),
    owner_address="bob@contoso.example",
)
AD_HOC = Terms(
    content_id=UUID("1c5e0307-e03d-4de3-af21-81bcf961e73c"),
    issued_at=datetime(2025, 6, 1, 0, 0, tzinfo=UTC),
    descriptor_id=UUID("586b5746-aa26-4310-81b1-ea20d40cfc89"),
    descriptor_version=None,
    names=(LocalName(1031, "Angebot für <Fabrikam> & Söhne", "Nur lesen"),),
    rights=RightsDocument(
        content_id=UUID("1c5e0307-e03d-4de3-af21-81bcf961e73c"),
        tenant_id=TENANT,
        issuer_id=BOB,
        issuer_address="bob@contoso.example",
        owner_id=ALICE,
        owner_address="alice@contoso.example",
        grants=(
            Grant("dave@fabrikam.example", LEVELS["VIEWER"]),
            Grant("group:0f0f0f0f-0000-4000-8000-000000000003", ("VIEW", "com.example.Stamp")),
            Grant("owner", ("OWNER",)),
        ),
        expires_at=datetime(2025, 7, 1, 12, 30, 45, tzinfo=UTC),
        offline_days=0,
        interval_days=0,
        allow_audited_extraction=True,
        encrypted_application_data=(("case", "7 & 8"),),
    ),
    owner_address="alice@contoso.example",
    valid_until=datetime(2025, 7, 1, 12, 30, 45, tzinfo=UTC),
    referral="mailto:bob@contoso.example",
    signed_application_data=(
        ("Microsoft.MSIPC.RequireRmsAwareApplication", "true"),
        ("tab\there", "line\nbreak"),
    ),
    sealed=True,
)


def main() -> None:
    key = load_key()
    public = PublicKey.from_numbers(key.public_key().public_numbers().n)
    vectors = {
        "description": "Publishing licenses of Rightskeep; docs/formats/vectors.md explains every member.",
        "private_key_pem": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        "fingerprint": public.fingerprint,
        "licenses": [
            describe("by template", BY_TEMPLATE, key, public, ContentKey(bytes(range(32))), "sha256"),
            describe("ad hoc", AD_HOC, key, public, ContentKey(bytes(range(16)), CipherMode.CBC512), "sha1"),
        ],
    }
    TARGET.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_key() -> rsa.RSAPrivateKey:
    if not TARGET.exists():
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = json.loads(TARGET.read_text(encoding="utf-8"))["private_key_pem"]
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def describe(
    name: str,
    terms: Terms,
    key: rsa.RSAPrivateKey,
    public: PublicKey,
    content_key: ContentKey,
    oaep_hash: Any,
) -> dict[str, Any]:
    issuer = Issuer(
        tenant_id=TENANT,
        name="Contoso",
        server_id=UUID("407999b7-d71b-47ff-b672-d9e369f59c23"),
        base_url=f"https://rms.example.org/t/{TENANT}",
        public_key=public,
        oaep_hash=oaep_hash,
    )
    digest = {"sha256": hashes.SHA256(), "sha1": hashes.SHA1()}[oaep_hash]
    data = issue_license(
        terms, issuer, content_key, sign=lambda body: key.sign(body, padding.PKCS1v15(), hashes.SHA256())
    )
    license = parse_license(data)
    blocks: list[bytes] = []

    def decrypt(block: bytes) -> bytes:
        blocks.append(key.decrypt(block, padding.OAEP(padding.MGF1(digest), digest, None)))
        return blocks[0]

    binding = binding_hash(license.documents[0].body)
    _, session_key = open_key(
        license.enabling_bits or b"", key_size=public.size, binding=binding, decrypt=decrypt
    )
    return {
        "name": name,
        "license_base64": base64.b64encode(data).decode(),
        "oaep_hash": oaep_hash,
        "content_key": {"hex": content_key.value.hex(), "mode": content_key.mode.value},
        "steps": {
            "oaep_plaintext_hex": blocks[0].hex(),
            "session_key_hex": session_key.hex(),
            "binding_hash_hex": binding.hex(),
            "rights_purpose": RIGHTS_PURPOSE,
            "rights_associated_data_hex": associated_data(terms.content_id, TENANT).hex(),
            "rights_xml": build_rights_document(terms.rights).decode(),
        },
        "expected": expected(terms, issuer),
    }


def expected(terms: Terms, issuer: Issuer) -> dict[str, Any]:
    rights = terms.rights
    return {
        "content_id": str(terms.content_id),
        "issued_at": moment(terms.issued_at),
        "descriptor_id": str(terms.descriptor_id),
        "descriptor_version": moment(terms.descriptor_version),
        "names": [[entry.lcid, entry.name, entry.description] for entry in terms.names],
        "issuer_name": issuer.name,
        "server_id": str(issuer.server_id),
        "tenant_id": str(issuer.tenant_id),
        "licensing_url": f"{issuer.base_url}/_wmcs/licensing",
        "referral": terms.referral,
        "owner_address": terms.owner_address,
        # The end in the license is a whole minute, rounded up; the policy has the second.
        "valid_until": "2025-07-01T12:31:00+00:00" if terms.valid_until else None,
        "application_data": [list(pair) for pair in terms.signed_application_data],
        "sealed": terms.sealed,
        "rights": {
            "issuer_id": str(rights.issuer_id),
            "issuer_address": rights.issuer_address,
            "owner_id": str(rights.owner_id),
            "owner_address": rights.owner_address,
            "grants": [[grant.principal, list(grant.rights)] for grant in rights.grants],
            "expires_at": moment(rights.expires_at),
            "offline_days": rights.offline_days,
            "interval_days": rights.interval_days,
            "allow_audited_extraction": rights.allow_audited_extraction,
            "encrypted_application_data": [list(pair) for pair in rights.encrypted_application_data],
        },
    }


def moment(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


if __name__ == "__main__":
    main()
