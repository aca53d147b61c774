"""Small values as the device protocol writes them (protocol.md 1.1 and 1.4)."""

import base64
import binascii
import uuid
from datetime import UTC, datetime
from typing import Any

from licensing.errors import BadInputError
from rms.content_key import ContentKey

# A name among the signed application data: people outside need a second factor. Signed, so it cannot get lost.
OUTSIDERS_NEED_FACTOR = "Rightskeep.OutsidersNeedSecondFactor"
MAX_LICENSE = 1024 * 1024
MAX_LICENSE_TEXT = (MAX_LICENSE * 4) // 3 + 4096  # Base64, with room for line breaks
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)


def guid(value: uuid.UUID) -> str:
    return f"{{{value}}}"


def parse_guid(text: str) -> uuid.UUID:
    """A guid with or without braces. Raises `BadInputError`."""
    try:
        return uuid.UUID(text.strip().removeprefix("{").removesuffix("}"))
    except ValueError as error:
        raise BadInputError(f"“{text[:60]}” is not an identifier.") from error


def time(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def parse_time(text: str) -> datetime:
    """A time with its zone, cut to the second; a time without a zone is UTC. Raises `BadInputError`."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise BadInputError(f"“{text[:40]}” is not a time like 2026-01-31T09:15:00Z.") from error
    return max(moment, _EARLIEST)


def key_object(key: ContentKey) -> dict[str, Any]:
    value = base64.b64encode(key.value).decode("ascii")
    return {"Algorithm": "AES", "CipherMode": str(key.mode), "Size": len(key.value) * 8, "Value": value}


def encode_license(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def decode_license(text: object) -> bytes:
    """The bytes of a license from its JSON member. Raises `BadInputError`."""
    if not isinstance(text, str) or not text:
        raise BadInputError("SerializedPublishingLicense is missing.")
    if len(text) > MAX_LICENSE_TEXT:
        raise BadInputError("The license is larger than 1 MiB.")
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInputError("SerializedPublishingLicense is not Base64.") from error
    if len(raw) > MAX_LICENSE:
        raise BadInputError("The license is larger than 1 MiB.")
    return raw
