"""What a license keeps from everybody but the service: the content key and the policy."""

from collections.abc import Callable
from dataclasses import dataclass

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


def sealed_session(license: PublishingLicense) -> bytes:
    """The RSA-OAEP block with the license's session key: what in it only the organization's private key opens.

    Kept beside the license, it can be sealed to another key. Raises `SealError` when the license has none.
    """
    if license.enabling_bits is None:
        raise SealError
    return license.enabling_bits[: license.public_key.size]


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
