"""Who may do what with the content: the plaintext of Encrypted-Rights-Data (protocol.md section 2.4)."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from xml.etree.ElementTree import Element

from rms.errors import LicenseError
from rms.xrml.text import (
    escape_attribute,
    escape_text,
    format_guid,
    parse_guid,
    parse_time,
    parse_xml,
    parts,
    text_of,
    to_utc,
)

OWNER_PRINCIPAL: Final = "owner"
MAX_DAYS: Final = 2**31 - 1
_MIN_DAYS: Final = -(2**31)
_NUMBER: Final = re.compile(r"-?[0-9]{1,10}")
_DATA: Final = "AUTHENTICATEDDATA"
_OWN_DATA: Final = "RIGHTSKEEP"
_APPLICATION_DATA: Final = "APPSPECIFIC"
_OFFLINE_DAYS: Final = "Offline-Days"
_AUDITED_EXTRACTION: Final = "Allow-Audited-Extraction"
# Rights that other software may write as elements of their own name.
_CONDITION_BY_ID: Final = ["CONDITIONLIST", "ACCESS", "PRINCIPAL", "OBJECT", "ID"]
_CONDITION_BY_NAME: Final = [*_CONDITION_BY_ID, "NAME"]
_NAMED_ELEMENTS: Final = ("VIEW", "PRINT", "EDIT", "EXPORT", "EXTRACT", "FORWARD", "VIEWRIGHTSDATA")


@dataclass(frozen=True)
class Grant:
    """What one principal may do; `principal` is one of the forms of protocol.md section 1.4, normalized."""

    principal: str
    rights: tuple[str, ...]


@dataclass(frozen=True)
class RightsDocument:
    """The policy of one protected content, readable by the service only.

    `expires_at` is UTC and kept to the second. `offline_days`: None = as the organization allows, 0 = no offline
    access. `interval_days` is what the publisher asked for, unchanged. Grants of one principal are merged in order
    of appearance and a grant of nothing is dropped.
    """

    content_id: UUID
    tenant_id: UUID
    issuer_id: UUID
    issuer_address: str
    owner_id: UUID | None
    owner_address: str
    grants: tuple[Grant, ...]
    expires_at: datetime | None = None
    offline_days: int | None = None
    interval_days: int = 0
    allow_audited_extraction: bool = False
    encrypted_application_data: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.expires_at is not None:
            object.__setattr__(self, "expires_at", to_utc(self.expires_at).replace(microsecond=0))
        merged: dict[str, dict[str, None]] = {}
        for grant in self.grants:
            if grant.rights:
                merged.setdefault(grant.principal, {}).update(dict.fromkeys(grant.rights))
        grants = tuple(Grant(principal, tuple(rights)) for principal, rights in merged.items())
        object.__setattr__(self, "grants", grants)


def build_rights_document(rights: RightsDocument) -> bytes:
    """The XrML text in UTF-8; ValueError for characters that XML cannot carry or a number out of range."""
    for days in (rights.interval_days, rights.offline_days or 0):
        if not _MIN_DAYS <= days <= MAX_DAYS:
            raise ValueError("A number of days in a license must fit 32 bits.")
    return "".join(
        (
            '<XrML xmlns="" version="1.2"><BODY type="Microsoft Rights Label" version="3.0">',
            f"<ISSUER>{_person(rights.issuer_id, rights.issuer_address)}"
            f'<SECURITYLEVEL name="Tenant-ID" value="{format_guid(rights.tenant_id)}" /></ISSUER>',
            f'<WORK><OBJECT><ID type="MS-GUID">{format_guid(rights.content_id)}</ID></OBJECT>',
            f"<METADATA><OWNER>{_person(rights.owner_id, rights.owner_address)}</OWNER></METADATA>",
            _preconditions(rights),
            '<RIGHTSGROUP name="Main-Rights"><RIGHTSLIST>',
            *_rights(rights.grants),
            "</RIGHTSLIST></RIGHTSGROUP></WORK>",
            _data(_OWN_DATA, _AUDITED_EXTRACTION, "true" if rights.allow_audited_extraction else "false"),
            "" if rights.offline_days is None else _data(_OWN_DATA, _OFFLINE_DAYS, str(rights.offline_days)),
            *(_data(_APPLICATION_DATA, name, value) for name, value in rights.encrypted_application_data),
            "</BODY></XrML>",
        )
    ).encode()


def _person(identifier: UUID | None, address: str) -> str:
    stated = (
        f'<ID type="MS-GUID">{format_guid(identifier)}</ID>' if identifier else '<ID type="Unspecified" />'
    )
    return f"<OBJECT>{stated}<NAME>{escape_text(address)}</NAME></OBJECT>"


def _preconditions(rights: RightsDocument) -> str:
    until = ""
    if rights.expires_at is not None:
        moment = rights.expires_at.replace(tzinfo=None).isoformat(timespec="seconds")
        until = f"<RANGETIME><UNTIL>{moment}</UNTIL></RANGETIME>"
    return f'<PRECONDITIONLIST><TIME>{until}<INTERVALTIME days="{rights.interval_days}" /></TIME></PRECONDITIONLIST>'


def _rights(grants: tuple[Grant, ...]) -> list[str]:
    elements = []
    for grant in grants:
        if grant.principal == OWNER_PRINCIPAL:
            described = '<ID type="Internal">Owner</ID>'
        else:
            described = f'<ID type="Unspecified" /><NAME>{escape_text(grant.principal)}</NAME>'
        end = f"<CONDITIONLIST><ACCESS><PRINCIPAL><OBJECT>{described}</OBJECT></PRINCIPAL></ACCESS></CONDITIONLIST></RIGHT>"
        elements += [f'<RIGHT name="{escape_attribute(right)}">{end}' for right in grant.rights]
    return elements


def _data(identifier: str, name: str, value: str) -> str:
    return f'<AUTHENTICATEDDATA name="{escape_attribute(name)}" id="{identifier}">{escape_text(value)}</AUTHENTICATEDDATA>'


def parse_rights_document(data: bytes) -> RightsDocument:
    """Read what `build_rights_document` wrote; LicenseError for anything it could not have written.

    A restriction that is not understood is an error: leaving it out would grant more than the publisher did.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise LicenseError("The policy of this license is not valid Unicode text.") from None
    if "<!" in text or "<?" in text:
        raise LicenseError("The policy of this license contains markup that is not allowed.")
    root = parse_xml(text, "policy")
    body_element = _need(_understood(root, "BODY"), "BODY")
    body = _understood(body_element, "ISSUER", "WORK", repeated=_DATA)
    issuer = _understood(_need(body, "ISSUER"), "OBJECT", "SECURITYLEVEL")
    work = _understood(_need(body, "WORK"), "OBJECT", "METADATA", "PRECONDITIONLIST", "RIGHTSGROUP")
    issuer_id, issuer_address = _read_person(issuer)
    owner_id, owner_address = _read_person(parts(_need(parts(_need(work, "METADATA")), "OWNER")))
    content_id = parse_guid(text_of(parts(_need(work, "OBJECT")).get("ID")))
    tenant_id = parse_guid(_need(issuer, "SECURITYLEVEL").get("value", ""))
    if content_id is None or tenant_id is None or issuer_id is None:
        raise LicenseError("The policy of this license does not say whose it is.")
    expires_at, interval_days = _read_preconditions(_need(work, "PRECONDITIONLIST"))
    own, application = _read_data(body_element)
    offline_days = own.get(_OFFLINE_DAYS)
    return RightsDocument(
        content_id=content_id,
        tenant_id=tenant_id,
        issuer_id=issuer_id,
        issuer_address=issuer_address,
        owner_id=owner_id,
        owner_address=owner_address,
        grants=_read_grants(_need(work, "RIGHTSGROUP")),
        expires_at=expires_at,
        offline_days=None if offline_days is None else _number(offline_days),
        interval_days=interval_days,
        allow_audited_extraction=own.get(_AUDITED_EXTRACTION) == "true",
        encrypted_application_data=application,
    )


def _understood(element: Element, *names: str, repeated: str = "") -> dict[str, Element]:
    """The children by name, when they are these only and each but the repeated one stands once."""
    found = {}
    for child in element:
        if (child.tag not in names and child.tag != repeated) or (
            child.tag in found and child.tag != repeated
        ):
            raise LicenseError(
                f"The policy of this license states something about {element.tag} that is not understood."
            )
        found[child.tag] = child
    return found


def _need(found: dict[str, Element], name: str) -> Element:
    element = found.get(name)
    if element is None:
        raise LicenseError(f"The policy of this license lacks its {name}.")
    return element


def _number(text: str) -> int:
    number = int(text) if _NUMBER.fullmatch(text) else MAX_DAYS + 1
    if not _MIN_DAYS <= number <= MAX_DAYS:
        raise LicenseError("The policy of this license states a number of days that is none.")
    return number


def _read_person(found: dict[str, Element]) -> tuple[UUID | None, str]:
    details = parts(_need(found, "OBJECT"))
    return parse_guid(text_of(details.get("ID"))), text_of(details.get("NAME"))


def _read_preconditions(conditions: Element) -> tuple[datetime | None, int]:
    times = _understood(_need(_understood(conditions, "TIME"), "TIME"), "RANGETIME", "INTERVALTIME")
    interval = _number(_need(times, "INTERVALTIME").get("days", ""))
    span = times.get("RANGETIME")
    if span is None:
        return None, interval
    until = parse_time(text_of(_understood(span, "UNTIL").get("UNTIL")))
    if until is None:
        raise LicenseError("The policy of this license states an expiry that is not a time.")
    return until, interval


def _read_grants(group: Element) -> tuple[Grant, ...]:
    grants: dict[str, list[str]] = {}
    for element in _need(_understood(group, "RIGHTSLIST"), "RIGHTSLIST"):
        right = element.get("name") if element.tag == "RIGHT" else element.tag
        if right is None or (element.tag != "RIGHT" and right not in _NAMED_ELEMENTS):
            raise LicenseError("The policy of this license states a right that is not understood.")
        principal = _read_principal(element)
        if principal in grants:
            grants[principal].append(right)
        else:
            grants[principal] = [right]
    return tuple(Grant(principal, tuple(rights)) for principal, rights in grants.items())


def _read_principal(right: Element) -> str:
    """Whom the one condition of a right names."""
    # Names in document order: with these, no other nesting says anything else.
    elements = list(right.iter())[1:]
    names = [element.tag for element in elements]
    last = elements[-1] if elements else right
    if names == _CONDITION_BY_NAME and elements[-2].get("type") == "Unspecified":
        return text_of(last)
    if names == _CONDITION_BY_ID and last.get("type") == "Internal" and last.text == "Owner":
        return OWNER_PRINCIPAL
    raise LicenseError("The policy of this license states a condition that is not understood.")


def _read_data(body: Element) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    own: dict[str, str] = {}
    application = []
    for element in body.findall(_DATA):
        name, value = element.get("name", ""), text_of(element)
        if element.get("id") == _APPLICATION_DATA:
            application.append((name, value))
        elif name in own or name not in (_OFFLINE_DAYS, _AUDITED_EXTRACTION):
            raise LicenseError("The policy of this license states something that is not understood.")
        else:
            own[name] = value
    return own, tuple(application)
