"""Daily usage log files and their proofs: what was handed out as the log of a day, part by part, and how it is linked.

A log is written in parts, numbered from 1. Each part's link covers the part itself and every part before it. A proof
names the parts of one day; the parts of all days together have to give one chain without gaps. A late row makes a part
of yesterday that is numbered after the first of today, so the numbers of one day need not follow each other.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final, Self

from rms.errors import FormatError

PROOF_TYPE: Final = "usage-log-proof+jwt"
_GENESIS_LABEL: Final = b"rightskeep-usage-chain-v1\0"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
MAX_PARTS: Final = 100_000
_LINE: Final = 2**20


class LogProofError(FormatError):
    """A proof of a day's log cannot be read, or was not signed by a key that counts."""

    code = "bad_log_proof"


def genesis(log: str) -> str:
    """What the first part of a log is linked to, hex. A log's name is its organization's id, or `installation`."""
    return hashlib.sha256(_GENESIS_LABEL + log.encode()).hexdigest()


def link(previous: str, sha256: str) -> str:
    """SHA-256(previous link ‖ SHA-256 of the part), over the raw 32 bytes of each; hex in, hex out."""
    return hashlib.sha256(bytes.fromhex(previous) + bytes.fromhex(sha256)).hexdigest()


@dataclass(frozen=True, slots=True)
class Part:
    """`rows` lines of a day's file: the SHA-256 of their bytes, and the link that covers them, both hex."""

    number: int
    rows: int
    sha256: str
    chain: str


@dataclass(frozen=True, slots=True)
class DayProof:
    """What is signed about the file of one UTC day: its header lines, then its parts in the order of the file."""

    issuer: str
    log: str
    day: dt.date
    header_rows: int
    header_sha256: str
    parts: tuple[Part, ...]

    def to_claims(self) -> dict[str, object]:
        return {
            "iss": self.issuer,
            "log": self.log,
            "day": self.day.isoformat(),
            "header": [self.header_rows, self.header_sha256],
            "parts": [[part.number, part.rows, part.sha256, part.chain] for part in self.parts],
        }

    @classmethod
    def from_claims(cls, claims: Mapping[str, object]) -> Self:
        """Raises `LogProofError` for claims of another shape."""
        try:
            issuer, log, day = (_text(claims[name]) for name in ("iss", "log", "day"))
            rows, sha256 = _list(claims["header"])
            parts = tuple(_part(*_list(entry)) for entry in _list(claims["parts"]))
            if not parts or len(parts) > MAX_PARTS:
                raise ValueError
            return cls(issuer, log, dt.date.fromisoformat(day), _count(rows), _digest(sha256), parts)
        except (KeyError, TypeError, ValueError) as error:
            raise LogProofError("This proof of a day's log has another form than it should have.") from error


def find_alteration(proof: DayProof, file: BinaryIO) -> str | None:
    """The first place where a day's file is not what the proof says, as a sentence; None when it is the same.

    Reads the file once, in pieces.
    """
    if _hash_rows(file, proof.header_rows) != proof.header_sha256:
        return "its header was altered"
    first = 1
    for part in proof.parts:
        if _hash_rows(file, part.rows) != part.sha256:
            last = first + part.rows - 1
            return f"something was altered, removed or added in its rows {first} to {last}"
        first += part.rows
    return "rows were added at its end" if file.read(1) else None


def find_breaks(proofs: Iterable[DayProof]) -> Iterator[str]:
    """Where the parts of several days of one log do not give one chain: sentences. Days without calls have no parts."""
    found = sorted(
        ((part, proof.day, proof.log) for proof in proofs for part in proof.parts),
        key=lambda it: it[0].number,
    )
    before: tuple[Part, dt.date] | None = None
    for part, day, log in found:
        if before is None:
            if part.number == 1 and part.chain != link(genesis(log), part.sha256):
                yield f"The log does not begin with part 1 of {day}: it was taken from another log."
        else:
            yield from _break(before, part, day)
        before = part, day


def _break(before: tuple[Part, dt.date], part: Part, day: dt.date) -> Iterator[str]:
    previous, earlier = before
    between = f"around {day}" if earlier == day else f"between {earlier} and {day}"
    if part.number == previous.number:
        yield f"Part {part.number} is there twice, on {earlier} and on {day}."
    elif part.number > previous.number + 1:
        first, last = previous.number + 1, part.number - 1
        missing = (
            f"Part {first} of the log is" if first == last else f"Parts {first} to {last} of the log are"
        )
        yield f"{missing} missing: a day {between} is not here, or not whole."
    elif part.chain != link(previous.chain, part.sha256):
        yield f"Part {part.number} of {day} does not follow part {previous.number} of {earlier}: the order was changed."


def _hash_rows(file: BinaryIO, rows: int) -> str:
    """The SHA-256 of so many lines, each up to and with its line feed."""
    digest = hashlib.sha256()
    while rows and (piece := file.readline(_LINE)):
        digest.update(piece)
        rows -= piece.endswith(b"\n")
    return digest.hexdigest()


def _part(number: object, rows: object, sha256: object, chain: object) -> Part:
    return Part(_count(number), _count(rows), _digest(sha256), _digest(chain))


def _digest(value: object) -> str:
    if not _SHA256.fullmatch(text := _text(value)):
        raise ValueError
    return text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return value
