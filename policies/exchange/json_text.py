"""JSON with the place of every value. Stricter than Python's own reader: no name twice, no depth, no endless numbers."""

import re
from json.decoder import (  # type: ignore[attr-defined]  # the stubs do not know what json itself reads texts with
    JSONDecodeError,
    scanstring,
)
from typing import Final

from django.utils.translation import gettext_lazy as _

from policies.exchange.shapes import MAX_DEPTH, MAX_PARTS, FileRefusedError, Node, Place

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?![0-9.eE])")
_WORDS: Final = (("true", True), ("false", False), ("null", None))


def parse_json(text: str) -> Node:
    """The one value that the text is. Raises `FileRefusedError`."""
    return _Scanner(text).read()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._line, self._line_start = 1, 0
        self._parts = 0

    def read(self) -> Node:
        self._skip()
        node = self._value(0)
        if self._at < len(self._text):
            raise FileRefusedError(_("Something follows after the end of the JSON."), self._place())
        return node

    def _place(self, at: int | None = None) -> Place:
        return Place(self._line, (self._at if at is None else at) - self._line_start + 1)

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match is not None  # the pattern matches nothing, too
        lines = match[0].count("\n")
        if lines:
            self._line += lines
            self._line_start = self._at + match[0].rindex("\n") + 1
        self._at = match.end()

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _value(self, depth: int) -> Node:
        place = self._place()
        self._parts += 1
        if depth > MAX_DEPTH:
            raise FileRefusedError(_("This is nested too deeply."), place)
        if self._parts > MAX_PARTS:
            raise FileRefusedError(_("There are too many values in this file."), place)
        match self._next():
            case "{":
                return Node(self._object(depth), place)
            case "[":
                return Node(self._array(depth), place)
            case '"':
                return Node(self._string(), place)
        return Node(self._plain(), place)

    def _object(self, depth: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        self._step()
        while self._next() != "}":
            if members:
                self._take(",")
            place = self._place()
            if self._next() != '"':
                raise FileRefusedError(_("A name in quotes is expected here."), place)
            name = self._string()
            if name in members:
                raise FileRefusedError(_("“%(name)s” stands here twice."), place, name=name[:80])
            self._take(":")
            members[name] = self._value(depth + 1)
        self._step()
        return members

    def _array(self, depth: int) -> list[Node]:
        entries: list[Node] = []
        self._step()
        while self._next() != "]":
            if entries:
                self._take(",")
            entries.append(self._value(depth + 1))
        self._step()
        return entries

    def _string(self) -> str:
        try:
            value, end = scanstring(self._text, self._at + 1, True)
        except JSONDecodeError as error:
            raise FileRefusedError(
                _("This text in quotes is damaged or does not end."), self._place(error.pos)
            ) from None
        self._at = end
        self._skip()
        return str(value)

    def _plain(self) -> int | bool | None:
        for word, value in _WORDS:
            if self._text.startswith(word, self._at):
                self._step(len(word))
                return value
        match = _NUMBER.match(self._text, self._at)
        if match is None:
            raise FileRefusedError(
                _("This is not JSON: a value is expected here, numbers are whole."), self._place()
            )
        self._step(match.end() - self._at)
        return int(match[0])

    def _take(self, sign: str) -> None:
        if self._next() != sign:
            raise FileRefusedError(
                _("This is not JSON: “%(sign)s” is expected here."), self._place(), sign=sign
            )
        self._step()

    def _step(self, length: int = 1) -> None:
        self._at += length
        self._skip()
