"""What the command prints: sentences and tables for people, one JSON document with ``--json``.

Results go to stdout, remarks and progress to stderr. Text from servers and files is stripped of
control characters first: a file name must not be able to drive the terminal.
"""

import json
import sys
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO, TextIO

from rmsclient.errors import ClientError, Exit

_HARMLESS = frozenset("\n\t")


def printable(text: str) -> str:
    """``text`` without control characters, direction overrides and lone surrogates."""
    if text.isprintable():
        return text
    return "".join(
        c
        if c in _HARMLESS or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn")
        else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


class Output:
    """Prints the outcome of one command."""

    def __init__(self, *, as_json: bool, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr
        self._results = self._stdout
        # What has to happen around a line while a progress bar is on the terminal.
        self.around_line: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def shows_progress(self) -> bool:
        return not self.as_json and self._stderr.isatty()

    @property
    def is_interactive(self) -> bool:
        return not self.as_json and sys.stdin.isatty() and self._stderr.isatty()

    def content_stream(self) -> BinaryIO:
        """stdout for a document's bytes; results then go to stderr."""
        self._results = self._stderr
        return self._stdout.buffer

    def line(self, text: str = "") -> None:
        """A line of the result for people; nothing with ``--json``."""
        if not self.as_json:
            with self.around_line():
                print(printable(text), file=self._results, flush=True)

    def remark(self, text: str) -> None:
        """Something worth saying beside the result."""
        with self.around_line():
            print(printable(text), file=self._stderr, flush=True)

    def event(self, value: dict[str, object], text: str) -> None:
        """Something the caller must know before the end: a line on stdout, with ``--json`` one on stderr."""
        if self.as_json:
            print(json.dumps(value), file=self._stderr, flush=True)
        else:
            self.line(text)

    def result(self, value: object) -> None:
        """The result for machines; nothing without ``--json``."""
        if self.as_json:
            print(json.dumps(value, indent=2, ensure_ascii=True), file=self._results, flush=True)

    def error(self, failure: ClientError) -> None:
        self.failure(failure.code, str(failure), failure.exit_code)

    def failure(self, code: str, message: str, exit_code: Exit) -> None:
        if self.as_json:
            self.result({"error": error_value(code, message, exit_code)})
        else:
            print(f"rightskeep: {printable(message)}", file=self._stderr, flush=True)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns two spaces apart, as wide as their content."""
        if self.as_json:
            return
        cells = [[" ".join(printable(cell).split()) for cell in row] for row in (headings, *rows)]
        widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
            print("  ".join(padded).rstrip(), file=self._results)

    def fields(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names and values below each other; empty values are left out."""
        shown = [(name, value) for name, value in rows if value]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self.line(f"{name:<{width}}  {' '.join(value.split())}")


def error_value(code: str, message: str, exit_code: Exit) -> dict[str, object]:
    return {"code": code, "message": printable(message), "exit": int(exit_code)}


def _width(text: str) -> int:
    """Columns on the terminal: wide East Asian characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
