"""The certificate of a destroyed key: a JSON file that anybody can check without any server.

It is `{"statement", "modulus", "signature"}`. What is signed (RSASSA-PKCS1-v1_5, SHA-256, by the organization's key that was
active then, whose modulus it names) is a fixed label and the statement as JSON with sorted names and without spaces.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rms.errors import FormatError
from rms.xrml.public_key import PublicKey

LABEL: Final = b"rightskeep-key-destroyed-v1\0"
MAX_SIZE: Final = 1 << 20


@dataclass(frozen=True)
class Certificate:
    """What a certificate says, and the fingerprint of the key that signed it: whose key that is, the reader has to know."""

    statement: Mapping[str, Any]
    signed_by: str


def write_certificate(
    statement: Mapping[str, Any], public_key: PublicKey, *, sign: Callable[[bytes], bytes]
) -> str:
    """The signed certificate as text. `statement` holds texts, whole numbers and lists of them."""
    modulus = public_key.modulus.to_bytes(public_key.size, "big")
    content = {
        "statement": statement,
        "modulus": base64.b64encode(modulus).decode(),
        "signature": base64.b64encode(sign(_signed_bytes(statement))).decode(),
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def read_certificate(data: bytes) -> Certificate:
    """Raises `FormatError` unless `data` is a certificate whose signature fits."""
    if len(data) > MAX_SIZE:
        raise FormatError("This is too long for a certificate.")
    try:
        content = json.loads(data)
        statement = content["statement"]
        key = PublicKey.from_numbers(int.from_bytes(_bytes(content["modulus"]), "big"))
        signature, signed = _bytes(content["signature"]), _signed_bytes(statement)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FormatError("This is not a certificate of a destroyed key.") from error
    if not isinstance(statement, dict) or not key.verify(signed, signature):
        raise FormatError("This certificate was altered: its signature does not fit.")
    return Certificate(statement, key.fingerprint)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError from error


def _signed_bytes(statement: object) -> bytes:
    # Beyond ASCII everything is escaped, so that no spelling of a character counts.
    return LABEL + json.dumps(statement, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
