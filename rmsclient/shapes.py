"""Reading JSON that a server sent: every member is checked before it is used.

A server is another program, possibly a hostile one. Whatever has the wrong shape ends in one
ServerError that names the member, never in a KeyError somewhere later.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from rmsclient.errors import ServerError

MAX_TEXT = 100_000


class Answer:
    """A JSON object from a server; ``where`` names it in errors."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise wrong_shape(where)
        self._members: Mapping[object, object] = value
        self._where = where

    def __contains__(self, name: str) -> bool:
        return self._members.get(name) is not None

    def text(self, name: str) -> str:
        value = self._members.get(name)
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise self._wrong(name)
        return value

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if name in self else None

    def number(self, name: str) -> int:
        value = self._members.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(name)
        return value

    def optional_number(self, name: str) -> int | None:
        return self.number(name) if name in self else None

    def flag(self, name: str) -> bool:
        value = self._members.get(name)
        if not isinstance(value, bool):
            raise self._wrong(name)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._members.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(name)
        return tuple(value)

    def object(self, name: str) -> "Answer":
        return Answer(self._members.get(name), f"{self._where}.{name}")

    def guid(self, name: str) -> UUID:
        return read_guid(self.text(name), f"{self._where}.{name}")

    def moment(self, name: str) -> datetime:
        """An ISO 8601 time; without a zone it is UTC. Returned as UTC."""
        try:
            value = datetime.fromisoformat(self.text(name))
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self._wrong(name) from None

    def optional_moment(self, name: str) -> datetime | None:
        return self.moment(name) if name in self else None

    def decoded(self, name: str, limit: int) -> bytes:
        """Standard base64, at most ``limit`` bytes when decoded."""
        value = self._members.get(name)
        if not isinstance(value, str) or len(value) > limit * 4 // 3 + 4:
            raise self._wrong(name)
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise self._wrong(name) from None
        if not data or len(data) > limit:
            raise self._wrong(name)
        return data

    def _wrong(self, name: str) -> ServerError:
        return wrong_shape(f"{self._where}.{name}")


def answers(value: object, where: str) -> tuple[Answer, ...]:
    """An array of objects."""
    if not isinstance(value, list):
        raise wrong_shape(where)
    return tuple(Answer(item, f"{where}[{index}]") for index, item in enumerate(value))


def read_guid(text: str, where: str) -> UUID:
    """A GUID with or without braces."""
    try:
        return UUID(text.strip("{}"))
    except ValueError:
        raise wrong_shape(where) from None


def wrong_shape(where: str) -> ServerError:
    return ServerError(
        "unexpected_answer",
        f"The server's answer is not what was expected (at {where}). Is this a Rightskeep server?",
    )
