"""The chain of sealed segments: each one's link covers its own file and every file before it.

A chain begins at the name of its log, so that one log's segments cannot be passed off as another's. What was cut off
at the end is not missed by the chain itself; the signed proofs that people keep with their downloads show that.
"""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.files.storage import default_storage

from audit.errors import LogFormatError, SegmentDamagedError
from audit.models import LogSegment, scope_of
from audit.w3c import parse_row
from rms.daily_log import genesis, link


@dataclass(frozen=True)
class ChainProblem:
    """The first place where a log is not what was written: the number of the segment, and a sentence."""

    number: int
    sentence: str


def read_segment(segment: LogSegment) -> bytes:
    """The rows of a segment, as written. Raises `SegmentDamagedError` when they are not there or not the same."""
    try:
        with default_storage.open(segment.file) as file:
            data: bytes = file.read()
    except OSError as error:
        raise SegmentDamagedError(
            f"Part {segment.number} of the log of {segment.day} cannot be read."
        ) from error
    if hashlib.sha256(data).hexdigest() != segment.sha256:
        raise SegmentDamagedError(
            f"Part {segment.number} of the log of {segment.day} was altered after it was written."
        )
    return data


def verify(tenant_id: uuid.UUID | None) -> ChainProblem | None:
    """Check a whole log, the installation's own when `tenant_id` is None: files, links, numbers, days, counts of rows.

    Returns the first problem found, or None when there is none. Reads every file once.
    """
    return next(_problems(scope_of(tenant_id)), None)


def _problems(scope: str) -> Iterator[ChainProblem]:
    chain = genesis(scope)
    segments = LogSegment.objects.filter(scope=scope).order_by("number")
    for number, segment in enumerate(segments.iterator(), 1):
        if segment.number != number:
            yield ChainProblem(
                number, f"Part {number} is missing: part {segment.number} follows part {number - 1}."
            )
            return
        chain = link(chain, segment.sha256)
        if segment.chain != chain:
            yield ChainProblem(number, f"Part {number} of {segment.day} is not linked to the part before it.")
        try:
            data = read_segment(segment)
        except SegmentDamagedError as error:
            yield ChainProblem(number, str(error))
        else:
            yield from _contradictions(segment, data)


def _contradictions(segment: LogSegment, data: bytes) -> Iterator[ChainProblem]:
    """Where the record of an intact file says something else than the file."""
    lines = data.decode().split("\n")[:-1]
    if len(lines) != segment.rows:
        yield ChainProblem(
            segment.number,
            f"Part {segment.number} holds {len(lines)} rows, but {segment.rows} were recorded.",
        )
    try:
        days = {parse_row(line)["date"] for line in lines}
    except LogFormatError as error:
        yield ChainProblem(segment.number, f"Part {segment.number} cannot be read: {error}")
        return
    if days - {segment.day.isoformat()}:
        yield ChainProblem(
            segment.number, f"Part {segment.number} holds rows of another day than {segment.day}."
        )
