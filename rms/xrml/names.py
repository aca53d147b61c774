"""Names of a policy per language, as the NAME of a DESCRIPTOR carries them (protocol.md section 2.2).

Each language is `LCID <n>:NAME <name>:DESCRIPTION <text>;` followed by a line feed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rms.xrml.text import check_text

_LINE_BREAKS: Final = re.compile("[\n\x85\u2028\u2029]+")
_START: Final = re.compile(r"LCID ([0-9]{1,9}):NAME ?")
_DESCRIPTION: Final = ":DESCRIPTION"
_MAX_LCID: Final = 0xFFFFF


@dataclass(frozen=True)
class LocalName:
    """A name and a description in the language of this Windows locale id (1033 is American English)."""

    lcid: int
    name: str
    description: str


def clean_name(text: str) -> str:
    """The text without what would end it early: `;` goes, a line break becomes a space.

    Raises ValueError for characters that XML cannot carry.
    """
    return _LINE_BREAKS.sub(" ", check_text(text)).replace(";", "")


def format_names(names: Iterable[LocalName]) -> str:
    """The text of the NAME element, not yet escaped; ValueError for unusable characters or a locale id out of range."""
    lines = []
    for entry in names:
        if not 0 <= entry.lcid <= _MAX_LCID:
            raise ValueError(f"{entry.lcid} is not a locale id.")
        # A name must not look like the place where the description starts.
        name = clean_name(entry.name).replace(_DESCRIPTION, " DESCRIPTION")
        lines.append(f"LCID {entry.lcid}:NAME {name}:DESCRIPTION {clean_name(entry.description)};\n")
    return "".join(lines)


def parse_names(text: str) -> tuple[LocalName, ...]:
    """Every name that can be made out; what does not look like one is skipped, never an error.

    A language starts at the beginning of the text, on a new line or right after `;`.
    """
    starts = [
        match for match in _START.finditer(text) if match.start() == 0 or text[match.start() - 1] in "\n;"
    ]
    ends = [*(match.start() for match in starts), len(text)][1:]
    return tuple(
        _parse_entry(int(match[1]), text[match.end() : end]) for match, end in zip(starts, ends, strict=False)
    )


def _parse_entry(lcid: int, entry: str) -> LocalName:
    entry = entry.rstrip("\r\n").removesuffix(";")
    name, _, description = entry.partition(_DESCRIPTION)
    return LocalName(lcid, name, description.removeprefix(" "))
