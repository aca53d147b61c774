"""A table of people as a file: found out how it is written, read row by row, each complaint with its line and column.

A CSV file as spreadsheets write it: UTF-8, fields parted by comma, semicolon or tab, the first row naming the columns.
Nothing here knows the database; what a row means for an organization is `tenants.people_import`.
"""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenants.accounts import MAX_ADDRESSES
from tenants.changes import ChangeRefusedError
from tenants.people import clean_address, clean_name

MAX_BYTES: Final = 2_000_000
MAX_ROWS: Final = 10_000
MAX_GROUPS: Final = 100
_SEPARATORS: Final = (";", ",", "\t")
_NAMES: Final = {
    "address": ("address", "email", "e-mail", "mail", "adresse", "e-mail-adresse", "mailadresse", "emailadresse"),
    "name": ("name", "display name", "displayname", "anzeigename"),
    "aliases": ("aliases", "alias", "further addresses", "aliase", "weitere adressen"),
    "groups": ("groups", "group", "gruppen", "gruppe"),
    "licensed": ("licensed", "license", "lizenziert", "lizenz"),
    "language": ("language", "sprache"),
}  # fmt: skip
COLUMNS: Final = tuple(_NAMES)
_COLUMN_OF: Final = {written: column for column, names in _NAMES.items() for written in names}
_WORDS: Final = {
    **dict.fromkeys(("yes", "y", "true", "1", "x", "on", "ja", "j", "wahr"), True),
    **dict.fromkeys(("no", "n", "false", "0", "-", "off", "nein", "falsch"), False),
}
# What a spreadsheet would take for a formula; our own export puts a quote before it.
_FORMULAS: Final = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong in one row; the text is for people."""

    line: int
    column: str
    text: str


@dataclass(slots=True)
class Row:
    """One person as the file has it; None and empty say nothing. `line` counts from 1, with the names of the columns."""

    line: int
    cells: dict[str, str]
    address: str = ""
    name: str = ""
    aliases: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    licensed: bool | None = None
    language: str = ""
    complaints: list[Complaint] = field(default_factory=list)

    def complain(self, column: str, text: Promise | str) -> None:
        self.complaints.append(Complaint(self.line, column, str(text)))

    @property
    def addresses(self) -> list[str]:
        return [self.address, *self.aliases] if self.address else self.aliases


@dataclass(frozen=True, slots=True)
class Table:
    """`ignored`: columns that mean nothing here, as they are written."""

    rows: list[Row]
    columns: list[str]
    ignored: list[str]


def read_table(data: bytes) -> Table:
    """The rows of a file, each cleaned, or with its complaints. Raises `ChangeRefusedError` for what is no such file."""
    text = _decode(data)
    try:
        lines = list(_lines(text, _separator(text)))
    except csv.Error as error:
        raise _refuse(
            "bad_file", _("The file cannot be read as CSV: a field is not closed, or is far too long.")
        ) from error
    if not lines:
        raise _refuse("no_rows", _("The file is empty."))
    names = [_column(cell) for cell in lines[0][1]]
    if "address" not in names:
        raise _refuse(
            "no_address_column",
            _("The first row names the columns, and one of them has to be “address”. Found: %(found)s"),
            found=", ".join(cell[:40] for cell in lines[0][1][:20]),
        )
    columns = [name for name in names if name]
    if len(set(columns)) < len(columns):
        raise _refuse("column_twice", _("A column is named twice."))
    if len(lines) - 1 > MAX_ROWS:
        raise _refuse(
            "too_many_rows", _("A file has at most 10,000 people. Split it, or use directory sync.")
        )
    if len(lines) == 1:
        raise _refuse("no_rows", _("The file names columns and no people."))
    rows = [_row(line, cells, names) for line, cells in lines[1:]]
    ignored = [cell[:40] for cell, name in zip(lines[0][1], names, strict=True) if not name and cell.strip()]
    return Table(rows, columns, ignored)


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _refuse("too_large", _("A file has at most 2 MB. Split it, or use directory sync."))
    not_utf8 = _refuse(
        "not_utf8",
        _(
            "The file is not in UTF-8, so names would be misread. Save it again: in Excel, choose “CSV UTF-8”."
        ),
    )
    if b"\x00" in data or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise not_utf8
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8 from error


def _separator(text: str) -> str:
    """The one that parts a known column off in the first row; a German spreadsheet writes semicolons."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4]

    def known(separator: str) -> int:
        return sum(bool(_column(cell)) for cell in next(csv.reader([first], delimiter=separator), []))

    return max(_SEPARATORS, key=known)


def _lines(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not empty, with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begins = 1
    for cells in reader:
        line, begins = begins, reader.line_num + 1
        hint = line == 1 and cells and cells[0].lower().startswith("sep=")
        if any(cell.strip() for cell in cells) and not hint:
            yield line, cells


def _column(cell: str) -> str:
    return _COLUMN_OF.get(" ".join(cell.split()).lower(), "")


def _row(line: int, cells: list[str], names: list[str]) -> Row:
    given = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name}
    row = Row(line, given)
    if any(cell.strip() for cell in cells[len(names) :]):
        row.complain("", _("This row has more fields than the first row has columns."))
        return row
    row.address = _cleaned(row, "address", given.get("address", ""), clean_address)
    row.name = _cleaned(row, "name", _unquoted(given.get("name", "")), clean_name)
    for alias in _parts(given.get("aliases", ""), ";,"):
        cleaned = _cleaned(row, "aliases", alias, clean_address)
        if cleaned and cleaned not in row.addresses:
            row.aliases.append(cleaned)
    row.groups = list(dict.fromkeys(_unquoted(name) for name in _parts(given.get("groups", ""), ";")))
    _read_words(row, given)
    if len(row.addresses) > MAX_ADDRESSES:
        row.complain("aliases", _("A person has at most 50 addresses."))
    if len(row.groups) > MAX_GROUPS:
        row.complain("groups", _("A row names at most 100 groups."))
    return row


def _read_words(row: Row, given: dict[str, str]) -> None:
    licensed, language = given.get("licensed", "").lower(), given.get("language", "").lower()
    if licensed:
        row.licensed = _WORDS.get(licensed)
        if row.licensed is None:
            row.complain("licensed", _("Write yes or no, or leave it empty."))
    if language:
        row.language = language
        if language not in dict(settings.LANGUAGES):
            row.complain("language", _("This language is not offered here."))


def _cleaned(row: Row, column: str, text: str, clean: Callable[[str], str]) -> str:
    try:
        return clean(text)
    except ChangeRefusedError as error:
        row.complain(column, f"“{text[:80]}”: {error}" if text else _("The address is missing."))
        return ""


def _parts(cell: str, separators: str) -> list[str]:
    for separator in (*separators, "\r"):
        cell = cell.replace(separator, "\n")
    return [part.strip() for part in cell.split("\n") if part.strip()]


def _unquoted(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:].startswith(_FORMULAS) else text


def _refuse(code: str, text: Promise, **values: object) -> ChangeRefusedError:
    return ChangeRefusedError(code, text, **values)
