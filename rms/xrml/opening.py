"""What a license keeps from everybody but the service: the content key and the policy."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from rms.content_key import ContentKey
from rms.errors import FormatError, SealError
from rms.sealing import unseal
from rms.xrml.enabling_bits import binding_hash, open_key
from rms.xrml.issuing import RIGHTS_PURPOSE, associated_data
from rms.xrml.license import PublishingLicense
from rms.xrml.rights_document import RightsDocument, parse_rights_document


@dataclass(frozen=True)
class OpenedLicense:
    """The content key and the policy of a license that this service issued."""

    content_key: ContentKey
    rights: RightsDocument


@dataclass(frozen=True)
class SealedSession:
    """What in a license only the organization's private key opens: kept beside it, it can be sealed to another key.

    `body_digest` is the SHA-256 of the signed text, the same however the license was encoded on its way; `block` is the
    RSA-OAEP block with the license's session key.
    """

    body_digest: bytes
    block: bytes = field(repr=False)


def sealed_session(license: PublishingLicense) -> SealedSession:
    """The sealed session of a license. Raises `SealError` when it has none."""
    if license.enabling_bits is None:
        raise SealError
    body = license.documents[0].body.encode("utf-16-le")
    return SealedSession(hashlib.sha256(body).digest(), license.enabling_bits[: license.public_key.size])


def open_license(license: PublishingLicense, *, decrypt: Callable[[bytes], bytes]) -> OpenedLicense:
    """Unseal the content key, then the policy.

    `decrypt` is the RSA-OAEP private operation of the key the license names; it may raise SealError or ValueError.
    Whatever is wrong (another key, a sealed key moved from another license, another organization's policy, a license
    made by other software) is the one SealError.
    """
    if license.is_chained or license.signature_digest != "sha256":
        raise SealError
    if license.enabling_bits is None or license.encrypted_rights is None or license.tenant_id is None:
        raise SealError
    content_key, session_key = open_key(
        license.enabling_bits,
        key_size=license.public_key.size,
        binding=binding_hash(license.documents[0].body),
        decrypt=decrypt,
    )
    plaintext = unseal(
        session_key,
        license.encrypted_rights,
        purpose=RIGHTS_PURPOSE,
        associated=associated_data(license.content_id, license.tenant_id),
    )
    try:
        rights = parse_rights_document(plaintext)
    except FormatError:
        raise SealError from None
    if rights.content_id != license.content_id or rights.tenant_id != license.tenant_id:
        raise SealError
    return OpenedLicense(content_key, rights)
