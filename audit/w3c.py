"""Usage rows as W3C extended log text (protocol.md section 6): formatting and parsing, nothing else.

A value is whatever stands between two tabs. It is never escaped, so nothing that could end a value or a line may be in it;
`single_line` sees to that, when a row is recorded and once more when it is written here.
"""

import datetime as dt
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from audit.errors import LogFormatError

if TYPE_CHECKING:
    from audit.models import UsageEvent

FIELDS: Final = (
    "date",
    "time",
    "row-id",
    "request-type",
    "user-id",
    "result",
    "correlation-id",
    "content-id",
    "owner-email",
    "issuer",
    "template-id",
    "file-name",
    "date-published",
    "c-info",
    "c-ip",
    "admin-action",
    "acting-as-user",
)
_DIRECTIVES: Final = ("#Software: RMS", "#Version: 1.1")
_FIELDS_DIRECTIVE: Final = "#Fields:"
HEADER: Final = "\n".join((*_DIRECTIVES, f"{_FIELDS_DIRECTIVE} " + "\t".join(FIELDS))) + "\n"
# Control characters, every line or paragraph end that Unicode knows, the marks that reverse the order in which a
# line is read, and halves of surrogate pairs, which no encoding takes.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ENCLOSED: Final = {"user-id": "''", "result": "''", "content-id": "{}", "template-id": "{}"}


def file_name(day: dt.date) -> str:
    """What the file of a UTC day is called when it is handed out."""
    return f"rmslog-{day.isoformat()}.log"


def single_line(text: str) -> str:
    """`text` with a blank in place of every character that must not stand in a log."""
    return _UNSAFE.sub(" ", text)


def format_row(event: "UsageEvent") -> str:
    """One line, with its line end. Times are UTC to the second, whatever zone the row's carry."""
    time = event.time.astimezone(dt.UTC)
    published = event.date_published
    values = (
        time.strftime("%Y-%m-%d"),
        time.strftime("%H:%M:%S"),
        str(event.row_id),
        event.request_type,
        f"'{event.user_id}'",
        f"'{event.result}'",
        event.correlation_id,
        _braced(event.content_id),
        event.owner_email,
        event.issuer,
        _braced(event.template_id),
        event.file_name,
        published.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S") if published else "",
        event.c_info,
        event.c_ip,
        "True" if event.admin_action else "False",
        event.acting_as_user,
    )
    return "\t".join(map(single_line, values)) + "\n"


def parse_row(line: str) -> dict[str, str]:
    """The values of one line by field name, without their quotes and braces. Raises `LogFormatError`."""
    values = line.removesuffix("\n").split("\t")
    if len(values) != len(FIELDS):
        raise LogFormatError(f"A row has {len(FIELDS)} values, not {len(values)}.")
    return {name: _bare(name, value) for name, value in zip(FIELDS, values, strict=True)}


def parse_file(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """The rows of a whole file, its header checked. Raises `LogFormatError`, which names the line."""
    number = 0
    for number, line in enumerate(lines, 1):
        if number <= len(_DIRECTIVES):
            if line.rstrip() != _DIRECTIVES[number - 1]:
                raise LogFormatError(f"Line {number} must read {_DIRECTIVES[number - 1]!r}.")
        elif number == len(_DIRECTIVES) + 1:
            if (
                not line.startswith(_FIELDS_DIRECTIVE)
                or tuple(line[len(_FIELDS_DIRECTIVE) :].split()) != FIELDS
            ):
                raise LogFormatError(f"Line {number} must name the fields of a usage log.")
        else:
            try:
                yield parse_row(line)
            except LogFormatError as error:
                raise LogFormatError(f"Line {number}: {error}") from error
    if number <= len(_DIRECTIVES):
        raise LogFormatError("The header of a usage log is missing.")


def _braced(value: uuid.UUID | None) -> str:
    return f"{{{value}}}" if value else ""


def _bare(name: str, value: str) -> str:
    enclosure = _ENCLOSED.get(name)
    if enclosure is None or (not value and enclosure == "{}"):
        return value
    if len(value) < len(enclosure) or (value[0], value[-1]) != tuple(enclosure):
        raise LogFormatError(f"The value of {name} must stand in {enclosure}.")
    return value[1:-1]
