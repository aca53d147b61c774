"""Text, guids, times and Base64 as they stand in XrML, and the XML parser."""

import binascii
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID
from xml.etree.ElementTree import Element, ParseError, XMLParser

from rms.errors import LicenseError

_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL: Final = re.compile(r'[&<>"\t\n]')
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;"}
_HEX: Final = "[0-9a-fA-F]"
_GUID: Final = re.compile(rf"\{{?({_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}})\}}?")
_TIME: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)Z?")
_MINUTE: Final = timedelta(minutes=1)


def check_text(value: str) -> str:
    """The text as it can stand in XML: CR LF and CR become LF.

    Raises ValueError with a sentence for people when a character cannot be written in XML 1.0 at all (control
    characters, lone surrogates, U+FFFE and U+FFFF): protocol.md section 1.4.
    """
    wrong = _NOT_XML.search(value)
    if wrong:
        raise ValueError(f"The character U+{ord(wrong[0]):04X} cannot be part of a license.")
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    return value


def escape_text(value: str) -> str:
    """Checked text as element content; line breaks stay what they are (the NAME of a descriptor is signed so)."""
    return check_text(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_attribute(value: str) -> str:
    """Checked text for an attribute in double quotes; tab and line break survive the parser as references."""
    return _SPECIAL.sub(lambda match: _ENTITIES[match[0]], check_text(value))


def format_guid(value: UUID) -> str:
    return f"{{{value}}}"


def parse_guid(text: str) -> UUID | None:
    """The guid with or without braces, in any case; None when the text is something else."""
    match = _GUID.fullmatch(text.strip())
    return UUID(int=int(match[1].replace("-", ""), 16)) if match else None


def to_utc(moment: datetime) -> datetime:
    """The moment in UTC; ValueError when it has no time zone or leaves the calendar."""
    if moment.tzinfo is None:
        raise ValueError("A time in a license needs a time zone.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("A time in a license lies between the years 1 and 9999.") from None


def format_minute(moment: datetime, *, round_up: bool = False) -> str:
    """`YYYY-MM-DDTHH:MM` in UTC. An end rounds up, so that a license never says less than was granted."""
    moment = to_utc(moment)
    whole = moment.replace(second=0, microsecond=0)
    if round_up and whole < moment:
        # After the last minute of the calendar nothing later can be written.
        with suppress(OverflowError):
            whole += _MINUTE
    return whole.replace(tzinfo=None).isoformat(timespec="minutes")


def parse_time(text: str) -> datetime | None:
    """A time to the minute or second, UTC; None when the text is not one."""
    match = _TIME.fullmatch(text.strip())
    if not match:
        return None
    try:
        return datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        return None


def encode_base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def decode_base64(text: str, what: str) -> bytes:
    """The bytes; white space is skipped, anything else that is not Base64 is a LicenseError naming `what`."""
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        raise LicenseError(f"The {what} of this license is not valid Base64.") from None


def parse_xml(text: str, what: str) -> Element:
    """The tree of a piece of XML; LicenseError if it is not well-formed.

    The caller has made sure that it holds no `<!` and no `<?`: without a document type there are no entities but
    the five of XML itself, and nothing to fetch. Expat, because libxml2 as lxml uses it keeps every element name
    it ever met for as long as the thread lives: a stranger could fill the memory with names.
    """
    parser = XMLParser()  # noqa: S314 - see above
    try:
        parser.feed(text)
        return parser.close()
    except (ParseError, UnicodeEncodeError):
        raise LicenseError(f"The {what} of this license is not well-formed XML.") from None


# What may stand once only among its siblings wherever it is read: a second one would be a second truth.
# fmt: off
_SINGLE: Final = frozenset({
    "ALGORITHM", "BODY", "DESCRIPTOR", "DIGEST", "ENABLINGBITS", "FROM", "ID", "ISSUEDPRINCIPALS", "ISSUEDTIME",
    "ISSUER", "METADATA", "NAME", "OBJECT", "OWNER", "PUBLICKEY", "UNTIL", "VALIDITYTIME", "VALUE", "WORK",
})
# fmt: on


def parts(element: Element) -> dict[str, Element]:
    """The direct children by name; LicenseError when one that must be unique is there twice.

    Of names that may repeat the last stands for all: read those by iterating.
    """
    found = {child.tag: child for child in element}
    if len(found) != len(element):
        seen = set()
        for child in element:
            if child.tag in seen and child.tag in _SINGLE:
                raise LicenseError(f"This license has more than one {child.tag} where one is allowed.")
            seen.add(child.tag)
    return found


def text_of(element: Element | None) -> str:
    return "" if element is None else element.text or ""
