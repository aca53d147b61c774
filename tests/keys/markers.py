"""Secrets as they would look wherever they had been written: raw, in hexadecimal, Base64, decimal, as Python shows bytes;
and what was written."""

import base64
import logging
import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from django.conf import settings
from django.db import connection


@dataclass(frozen=True)
class Secret:
    """What must not be found, and what it is called when it is."""

    name: str
    value: bytes

    def needles(self) -> list[bytes]:
        """Pieces of it long enough to be no chance."""
        middle = self.value[len(self.value) // 2 :][:12] if len(self.value) > 40 else self.value
        found = [middle, middle[::-1], middle.hex().encode(), middle.hex().upper().encode()]
        found += [
            middle.hex(":").encode(),
            middle.hex(":").upper().encode(),
            str(list(middle))[1:-1].encode(),
        ]
        shown = repr(middle)[2:-1].encode()
        found += [shown, shown.replace(b"'", b"\\'")]
        # Base64 of it inside of something longer begins at one of three places.
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + middle + b"\0" * (-(offset + len(middle)) % 3))
            found.append(encoded[4 if offset else 0 : -4])
        decimal = str(int.from_bytes(self.value, "big")).encode()
        found.append(decimal[20:60] if len(self.value) > 40 else decimal)
        return found


def of_private_key(name: str, der: bytes) -> list[Secret]:
    """The numbers of a private key that nobody may know."""
    key = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    numbers = key.private_numbers()
    parts = {"d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "qinv": numbers.iqmp}
    return [
        Secret(f"{name}, {part}", number.to_bytes((number.bit_length() + 7) // 8, "big"))
        for part, number in parts.items()
    ]


class Haystack:
    """Everything the system wrote, each piece with where it was."""

    def __init__(self) -> None:
        self._pieces: dict[str, bytes] = {}

    def add(self, place: str, written: object) -> None:
        raw = bytes(written) if isinstance(written, (bytes, bytearray, memoryview)) else str(written).encode()
        self._pieces[place] = self._pieces.get(place, b"") + b"\n" + raw

    @property
    def places(self) -> set[str]:
        return set(self._pieces)

    def find(self, secrets: list[Secret]) -> list[str]:
        """Which secrets are where. Base64 is looked for without line breaks, in both alphabets."""
        found = []
        for place, raw in self._pieces.items():
            joined = re.sub(rb"\s|\\n", b"", raw).replace(b"-", b"+").replace(b"_", b"/")
            found += [
                f"{secret.name} in {place}"
                for secret in secrets
                if any(needle in raw or needle in joined for needle in secret.needles())
            ]
        return found


class Written:
    """Collects what is written while it happens; at the end, what lies about."""

    def __init__(self, caplog: Any) -> None:
        self.hay = Haystack()
        self._caplog = caplog

    def answer(self, place: str, response: Any) -> Any:
        content = b"".join(response.streaming_content) if response.streaming else response.content
        self.hay.add(f"answer of {place}", content)
        self.hay.add(f"headers of {place}", dict(response.headers))
        return response

    def failure(self, place: str, error: BaseException) -> None:
        self.hay.add(f"error of {place}", repr(error))
        self.hay.add(f"error of {place}", "".join(traceback.format_exception(error)))

    def collect(self, mails: Any, output: Any) -> None:
        for record in self._caplog.records:
            self.hay.add("logs", logging.Formatter().format(record))
            self.hay.add("logs", vars(record))
        self.hay.add("stdout and stderr", "".join(output))
        for mail in mails:
            self.hay.add("mails", mail.message())
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f'SELECT * FROM "{table}"')
                names = [column[0] for column in cursor.description]
                for row in cursor.fetchall():
                    for name, value in zip(names, row, strict=True):
                        self.hay.add(f"column {table}.{name}", value)
        for path in Path(settings.DATA_DIR).rglob("*"):
            if path.is_file() and path.parent.name != "secrets":
                self.hay.add(f"file {path.name}", path.read_bytes())
