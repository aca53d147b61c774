"""Publishing licenses as they are read (protocol.md section 2.2)."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final
from uuid import UUID
from xml.etree.ElementTree import Element

from rms.errors import LicenseError
from rms.xrml.document import RIGHTS_LABEL, Document, read_chain
from rms.xrml.names import LocalName, parse_names
from rms.xrml.public_key import DigestName, PublicKey
from rms.xrml.text import decode_base64, parse_guid, parse_time, parts, text_of

ENCRYPTED_RIGHTS_ID: Final = "Encrypted-Rights-Data"
APPLICATION_DATA_ID: Final = "APPSPECIFIC"
OWN_DATA_ID: Final = "RIGHTSKEEP"
SEALED_NAME: Final = "Rightskeep.Sealed"
# Names that signed application data may not have: they are, or look like, statements of the service itself.
RESERVED_DATA_IDS: Final = frozenset({ENCRYPTED_RIGHTS_ID, APPLICATION_DATA_ID, OWN_DATA_ID, SEALED_NAME})
SEALED_KEY_TYPE: Final = "sealed-key-v2"

LICENSING_URL: Final = "License-Acquisition-URL"
EXTRANET_URL: Final = "Extranet-License-Acquisition-URL"
REFERRAL: Final = "Referral-Info"
POINT_IDS: Final = {
    LICENSING_URL: UUID("0f45fd50-383b-43ee-90a4-ed013cd0cfe5"),
    EXTRANET_URL: UUID("94bf969a-ca04-44d6-aa96-51071281fef2"),
    REFERRAL: UUID("81c42010-208a-458a-bab6-c3c60f06dd5f"),
}
_POINT_KINDS: Final = {identifier: kind for kind, identifier in POINT_IDS.items()}


@dataclass(frozen=True)
class PublishingLicense:
    """A publishing license that verified with the key it names.

    Whoever holds any RSA key can make one: compare `fingerprint` and `tenant_id` with the keys you trust, and refuse
    `is_chained`, before believing a word of it. Times are UTC.
    """

    raw: bytes = field(repr=False)
    documents: tuple[Document, ...] = field(repr=False, compare=False)
    content_id: UUID
    issued_at: datetime
    descriptor_id: UUID | None
    descriptor_version: datetime | None
    issuer_name: str
    server_id: UUID | None
    tenant_id: UUID | None
    public_key: PublicKey = field(repr=False)
    licensing_url: str | None
    extranet_url: str | None
    referral: str | None
    owner_address: str
    valid_from: datetime | None
    valid_until: datetime | None
    application_data: tuple[tuple[str, str], ...]
    sealed: bool
    enabling_bits: bytes | None = field(repr=False)
    encrypted_rights: bytes | None = field(repr=False)
    descriptor_text: str = field(repr=False)

    @property
    def is_chained(self) -> bool:
        """Whether certificates follow the license: a client signed it, not a server."""
        return len(self.documents) > 1

    @property
    def fingerprint(self) -> str:
        return self.public_key.fingerprint

    @property
    def signature_digest(self) -> DigestName:
        return self.documents[0].digest

    @cached_property
    def names(self) -> tuple[LocalName, ...]:
        return parse_names(self.descriptor_text)

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hexadecimal of the bytes as they came."""
        return hashlib.sha256(self.raw).hexdigest()

    @cached_property
    def body_digest(self) -> bytes:
        """SHA-256 of the signed text: the same however the license was encoded on its way."""
        return hashlib.sha256(self.documents[0].body.encode("utf-16-le")).digest()


def parse_license(data: bytes) -> PublishingLicense:
    """Read a publishing license and verify the signature of every document in it.

    Raises LicenseError, SignatureError or UnsupportedVersionError with a sentence for people; nothing else.
    """
    documents, body = read_chain(data)
    leaf = documents[0]
    if leaf.type != RIGHTS_LABEL:
        raise LicenseError("This is a certificate, not a publishing license.")
    sections = parts(body)
    issued_at = parse_time(text_of(sections.get("ISSUEDTIME")))
    if issued_at is None:
        raise LicenseError("This license does not say when it was issued.")
    content_id, owner_address = _read_work(sections.get("WORK"))
    descriptor_id, descriptor_version, descriptor_text = _read_descriptor(sections.get("DESCRIPTOR"))
    points = _read_points(body)
    valid_from, valid_until = _read_validity(sections.get("VALIDITYTIME"))
    encrypted_rights, application_data, sealed = _read_data(body)
    return PublishingLicense(
        raw=data,
        documents=documents,
        content_id=content_id,
        issued_at=issued_at,
        descriptor_id=descriptor_id,
        descriptor_version=descriptor_version,
        issuer_name=leaf.issuer.name,
        server_id=parse_guid(leaf.issuer.id),
        tenant_id=parse_guid(leaf.issuer.levels.get("Tenant-ID", "")),
        public_key=leaf.key,
        licensing_url=points.get(LICENSING_URL),
        extranet_url=points.get(EXTRANET_URL),
        referral=points.get(REFERRAL),
        owner_address=owner_address,
        valid_from=valid_from,
        valid_until=valid_until,
        application_data=application_data,
        sealed=sealed,
        enabling_bits=_read_enabling_bits(sections.get("ISSUEDPRINCIPALS")),
        encrypted_rights=encrypted_rights,
        descriptor_text=descriptor_text,
    )


def _read_work(work: Element | None) -> tuple[UUID, str]:
    found = {} if work is None else parts(work)
    identifier = parse_guid(text_of(_descend(found.get("OBJECT"), "ID")))
    if identifier is None:
        raise LicenseError("This license does not name the content it belongs to.")
    return identifier, text_of(_descend(found.get("METADATA"), "OWNER", "OBJECT", "NAME"))


def _descend(element: Element | None, *names: str) -> Element | None:
    for name in names:
        if element is None:
            return None
        element = parts(element).get(name)
    return element


def _read_descriptor(descriptor: Element | None) -> tuple[UUID | None, datetime | None, str]:
    described = _descend(descriptor, "OBJECT")
    if described is None:
        return None, None, ""
    found = parts(described)
    element = found.get("ID")
    identifier = parse_guid(text_of(element))
    if element is not None and identifier is None and element.get("type") == "MS-GUID":
        raise LicenseError("This license names its policy by something that is not a guid.")
    version = None if element is None else parse_time(element.get("version", ""))
    return identifier, version, text_of(found.get("NAME"))


def _read_points(body: Element) -> dict[str, str]:
    """The addresses by kind; the first of a kind counts."""
    points: dict[str, str] = {}
    for element in body.findall("DISTRIBUTIONPOINT"):
        described = _descend(element, "OBJECT")
        if described is None:
            continue
        kind = described.get("type")
        if kind is None:
            identifier = parse_guid(text_of(parts(described).get("ID")))
            kind = _POINT_KINDS.get(identifier, "") if identifier else ""
        for address in described.findall("ADDRESS"):
            points.setdefault(kind, text_of(address))
    return points


def _read_validity(validity: Element | None) -> tuple[datetime | None, datetime | None]:
    if validity is None:
        return None, None
    found = parts(validity)
    times = []
    for name in ("FROM", "UNTIL"):
        element = found.get(name)
        moment = None if element is None else parse_time(text_of(element))
        if element is not None and moment is None:
            # A limit that cannot be understood must not be taken for no limit.
            raise LicenseError("This license states a validity that is not a time.")
        times.append(moment)
    return times[0], times[1]


def _read_data(body: Element) -> tuple[bytes | None, tuple[tuple[str, str], ...], bool]:
    rights: bytes | None = None
    application: list[tuple[str, str]] = []
    sealed = False
    for element in body.findall("AUTHENTICATEDDATA"):
        identifier, name = element.get("id"), element.get("name", "")
        if identifier == ENCRYPTED_RIGHTS_ID:
            if rights is not None:
                raise LicenseError("This license carries its rights twice.")
            rights = decode_base64(text_of(element), "encrypted policy")
        elif identifier == APPLICATION_DATA_ID:
            application.append((name, text_of(element)))
        elif identifier == OWN_DATA_ID and name == SEALED_NAME:
            sealed = sealed or text_of(element) == "true"
    return rights, tuple(application), sealed


def _read_enabling_bits(principals: Element | None) -> bytes | None:
    """The sealed key of the first principal that has one of the kind this library knows."""
    for principal in () if principals is None else principals.findall("PRINCIPAL"):
        bits = parts(principal).get("ENABLINGBITS")
        if bits is not None and bits.get("type") == SEALED_KEY_TYPE:
            return decode_base64(text_of(parts(bits).get("VALUE")), "sealed key")
    return None
