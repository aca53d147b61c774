"""Publishing licenses as the service writes them: element by element after pl-skeleton.xml."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from rms.content_key import ContentKey
from rms.errors import SignatureError
from rms.sealing import seal
from rms.xrml.document import MAX_SIZE, RIGHTS_LABEL
from rms.xrml.enabling_bits import SESSION_KEY_SIZE, binding_hash, locate_value, seal_key, sealed_size
from rms.xrml.license import (
    APPLICATION_DATA_ID,
    ENCRYPTED_RIGHTS_ID,
    EXTRANET_URL,
    LICENSING_URL,
    OWN_DATA_ID,
    POINT_IDS,
    REFERRAL,
    RESERVED_DATA_IDS,
    SEALED_KEY_TYPE,
    SEALED_NAME,
)
from rms.xrml.names import LocalName, format_names
from rms.xrml.public_key import DigestName, PublicKey
from rms.xrml.rights_document import RightsDocument, build_rights_document
from rms.xrml.text import encode_base64, escape_attribute, escape_text, format_guid, format_minute

RIGHTS_PURPOSE: Final = "rightskeep encrypted-rights-data v1"
_START: Final = '\ufeff<?xml version="1.0"?><XrML xmlns="" version="1.2">'
_CLUSTER: Final = "DRM Server Cluster"


@dataclass(frozen=True)
class Issuer:
    """The organization in whose name a license is signed.

    `base_url` is the public URL with the tenant's own path, without a slash at the end. `oaep_hash` is a property of
    the key, "sha256" unless its token offers SHA-1 only.
    """

    tenant_id: UUID
    name: str
    server_id: UUID
    base_url: str
    public_key: PublicKey
    oaep_hash: DigestName = "sha256"


@dataclass(frozen=True)
class Terms:
    """What a license says. Times in the license are whole minutes: `issued_at` is cut, `valid_until` rounded up."""

    content_id: UUID
    issued_at: datetime
    descriptor_id: UUID
    descriptor_version: datetime | None
    names: tuple[LocalName, ...]
    rights: RightsDocument
    owner_address: str
    valid_until: datetime | None = None
    referral: str | None = None
    signed_application_data: tuple[tuple[str, str], ...] = ()
    sealed: bool = False


def associated_data(content_id: UUID, tenant_id: UUID) -> bytes:
    """What the encrypted rights are bound to."""
    return content_id.bytes + tenant_id.bytes


def issue_license(
    terms: Terms, issuer: Issuer, content_key: ContentKey, *, sign: Callable[[bytes], bytes]
) -> bytes:
    """The bytes of a signed publishing license with the content key sealed to the issuer's key.

    `sign` makes a big-endian RSASSA-PKCS1-v1_5 SHA-256 signature. Raises ValueError with a sentence for people when
    the terms cannot be written (characters XML does not have, reserved names, more than 1 MiB) and SignatureError
    when `sign` does not hold the private half of `issuer.public_key`.
    """
    if terms.rights.content_id != terms.content_id or terms.rights.tenant_id != issuer.tenant_id:
        raise ValueError("The rights belong to other content or to another organization than the license.")
    session_key = os.urandom(SESSION_KEY_SIZE)
    rights = seal(
        session_key,
        build_rights_document(terms.rights),
        purpose=RIGHTS_PURPOSE,
        associated=associated_data(terms.content_id, issuer.tenant_id),
    )
    unbound = _body(terms, issuer, encode_base64(rights), sealed_size(issuer.public_key, content_key))
    bits = seal_key(
        content_key,
        session_key,
        public_key=issuer.public_key,
        oaep_hash=issuer.oaep_hash,
        binding=binding_hash(unbound),
    )
    at, _ = locate_value(unbound)
    body = unbound[:at] + encode_base64(bits) + unbound[at:]
    signed = body.encode("utf-16-le")
    signature = sign(signed)
    digest = hashlib.sha256(signed).digest()
    # A faulty signature would be found by the reader only, when the key and the moment are gone.
    if not issuer.public_key.verify_digest(digest, signature, "sha256"):
        raise SignatureError("The license was not signed with the key of its issuer.")
    data = f"{_START}{body}{_signature(digest, signature)}</XrML>".encode()
    if len(data) > MAX_SIZE:
        raise ValueError("The names, people and data of this policy make a license larger than 1 MiB.")
    return data


def _body(terms: Terms, issuer: Issuer, rights: str, bits_size: int) -> str:
    server = (
        f'<OBJECT type="MS-DRM-Server"><ID type="MS-GUID">{format_guid(issuer.server_id)}</ID>'
        f"<NAME>{escape_text(issuer.name)}</NAME>"
        f'<ADDRESS type="URL">{escape_text(issuer.base_url)}/_wmcs</ADDRESS></OBJECT>{issuer.public_key.to_xml()}'
    )
    levels = (
        '<SECURITYLEVEL name="Server-Version" value="2.0.0.0" /><SECURITYLEVEL name="Server-SKU" value="RMS 2.0" />'
        f'<SECURITYLEVEL name="Tenant-ID" value="{format_guid(issuer.tenant_id)}" />'
    )
    licensing = escape_text(issuer.base_url) + "/_wmcs/licensing"
    return "".join(
        (
            f'<BODY type="{RIGHTS_LABEL}" version="3.0"><ISSUEDTIME>{format_minute(terms.issued_at)}</ISSUEDTIME>',
            _validity(terms),
            _descriptor(terms),
            f"<ISSUER>{server}{levels}</ISSUER>",
            _point(LICENSING_URL, licensing, _CLUSTER),
            _point(EXTRANET_URL, licensing, _CLUSTER),
            "" if terms.referral is None else _point(REFERRAL, escape_text(terms.referral), None),
            f'<ISSUEDPRINCIPALS><PRINCIPAL internal-id="1">{server}<ENABLINGBITS type="{SEALED_KEY_TYPE}">'
            f'<VALUE encoding="base64" size="{bits_size * 8}"></VALUE></ENABLINGBITS>{levels}</PRINCIPAL>'
            "</ISSUEDPRINCIPALS>",
            f'<WORK><OBJECT><ID type="MS-GUID">{format_guid(terms.content_id)}</ID></OBJECT>'
            f'<METADATA><OWNER><OBJECT><ID type="Unspecified" /><NAME>{escape_text(terms.owner_address)}</NAME>'
            "</OBJECT></OWNER></METADATA></WORK>",
            f'<AUTHENTICATEDDATA id="{ENCRYPTED_RIGHTS_ID}">{rights}</AUTHENTICATEDDATA>',
            *_data(terms),
            "</BODY>",
        )
    )


def _validity(terms: Terms) -> str:
    if terms.valid_until is None:
        return ""
    start, end = format_minute(terms.issued_at), format_minute(terms.valid_until, round_up=True)
    return f"<VALIDITYTIME><FROM>{start}</FROM><UNTIL>{end}</UNTIL></VALIDITYTIME>"


def _descriptor(terms: Terms) -> str:
    version = ""
    if terms.descriptor_version is not None:
        version = f' version="{format_minute(terms.descriptor_version)}"'
    return (
        f'<DESCRIPTOR><OBJECT><ID type="MS-GUID"{version}>{format_guid(terms.descriptor_id)}</ID>'
        f"<NAME>{escape_text(format_names(terms.names))}</NAME></OBJECT></DESCRIPTOR>"
    )


def _point(kind: str, address: str, name: str | None) -> str:
    named = "" if name is None else f"<NAME>{name}</NAME>"
    return (
        f'<DISTRIBUTIONPOINT><OBJECT type="{kind}"><ID type="MS-GUID">{format_guid(POINT_IDS[kind])}</ID>{named}'
        f'<ADDRESS type="URL">{address}</ADDRESS></OBJECT></DISTRIBUTIONPOINT>'
    )


def _data(terms: Terms) -> list[str]:
    entries = [(OWN_DATA_ID, SEALED_NAME, "true")] if terms.sealed else []
    for name, value in terms.signed_application_data:
        if name in RESERVED_DATA_IDS:
            raise ValueError(f"“{name}” is a reserved name; application data cannot use it.")
        entries.append((APPLICATION_DATA_ID, name, value))
    return [
        f'<AUTHENTICATEDDATA name="{escape_attribute(name)}" id="{identifier}">{escape_text(value)}</AUTHENTICATEDDATA>'
        for identifier, name, value in entries
    ]


def _signature(digest: bytes, signature: bytes) -> str:
    return (
        "<SIGNATURE><DIGEST><ALGORITHM>SHA256</ALGORITHM>"
        '<PARAMETER name="codingtype"><VALUE encoding="string">surface-coding</VALUE></PARAMETER>'
        f'<VALUE encoding="base64" size="{len(digest) * 8}">{encode_base64(digest)}</VALUE></DIGEST>'
        "<ALGORITHM>RSA PKCS#1-V1.5</ALGORITHM>"
        f'<VALUE encoding="base64" size="{len(signature) * 8}">{encode_base64(signature)}</VALUE></SIGNATURE>'
    )
