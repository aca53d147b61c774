"""From usage rows to daily files.

Rows are taken in the order of their ids, a batch at a time, over all tenants at once. A batch becomes one file per
tenant and UTC day; then, in one transaction, the records of these files are written and the cursor moves to the end
of the batch, if it still stands where the batch began. So a run that is killed has done nothing or a whole batch, and
of two runs at once one does each batch. Files are written before that transaction: a file without a record is litter
of a killed run and belongs to no log.
"""

import datetime as dt
import hashlib
import os
import secrets
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import groupby, islice
from operator import attrgetter
from typing import NamedTuple

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Count, Max, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from audit.chain import read_segment
from audit.errors import SegmentDamagedError
from audit.models import AggregationCursor, LogSegment, UsageEvent, scope_of
from audit.recording import WRITERS_LOCK
from audit.w3c import HEADER, format_row
from rms.daily_log import genesis, link

BATCH_ROWS = 20_000
# Rows wait this long for company: a file per tenant and run would otherwise make thousands a day for a quiet tenant.
# Nobody waits with them, since `day_file` adds what is not yet in a file.
SETTLING = dt.timedelta(minutes=5)
# A request begun before midnight may still write its row a little later.
DAY_GRACE = dt.timedelta(minutes=10)
# Writers queue behind whoever waits for the exclusive lock, so the wait is cut short and tried again next time.
_LOCK_PATIENCE = "100ms"
_CHUNK_ROWS = 2_000


class LogDay(NamedTuple):
    """One day of a log. `complete`: the day is over and all of it stands in sealed segments."""

    day: dt.date
    rows: int
    complete: bool


def horizon() -> int | None:
    """The id up to which every row is committed, and behind which none will appear any more.

    None when that cannot be said now, because a writer keeps its transaction open. On PostgreSQL writers hold a shared
    lock from before their row's id is drawn until they commit (`recording.record_usage`), and this takes the same
    lock alone for the instant of one query. SQLite has one writer at a time: ids are committed in order.
    """
    if connection.vendor != "postgresql":
        return _newest_id()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_PATIENCE])
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITERS_LOCK])
            return _newest_id()
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == "55P03":  # lock_not_available
            return None
        raise


def is_due() -> bool:
    """Whether rows have waited long enough for a run, or are many enough to fill a batch."""
    waiting = UsageEvent.objects.filter(id__gt=_position()).order_by("id")
    oldest = waiting.values_list("time", flat=True).first()
    if oldest is None:
        return False
    return timezone.now() - oldest >= SETTLING or waiting[BATCH_ROWS - 1 : BATCH_ROWS].exists()


def waiting_rows() -> tuple[int, dt.datetime | None]:
    """How many rows no sealed segment holds yet, over all logs, and the time of the oldest."""
    waiting = UsageEvent.objects.filter(id__gt=_position()).order_by("id")
    return waiting.count(), waiting.values_list("time", flat=True).first()


def aggregate() -> int:
    """Put every row committed so far into sealed segments. Returns how many rows this run has put there.

    May be killed at any point and run in several workers at once: no row is lost and none is written twice.
    """
    top = horizon()
    AggregationCursor.objects.get_or_create(id=1)
    start, written = _position(), 0
    while top is not None and start < top:
        end = _end_of_batch(start, top)
        segments = _write_files(start, end)
        if not _record(start, end, segments):
            _discard(segments)
            break  # another worker was quicker: it goes on
        written += sum(segment.rows for segment in segments)
        start = end
    return written


def days(tenant_id: uuid.UUID | None) -> list[LogDay]:
    """The days on which a log has rows, newest first; the installation's own log when `tenant_id` is None."""
    position = _position()
    sealed = LogSegment.objects.filter(scope=scope_of(tenant_id), last_id__lte=position)
    tail = _tail(tenant_id, position).annotate(day=TruncDate("time", tzinfo=dt.UTC))
    sealed_rows = dict(sealed.values_list("day").annotate(Sum("rows")).order_by())
    tail_rows = dict(tail.values_list("day").annotate(Count("id")).order_by())
    return [
        LogDay(day, sealed_rows.get(day, 0) + tail_rows.get(day, 0), _is_over(day) and day not in tail_rows)
        for day in sorted({*sealed_rows, *tail_rows}, reverse=True)
    ]


def closed_day(tenant_id: uuid.UUID | None, day: dt.date) -> list[LogSegment]:
    """The segments that a day's file consists of for good; none as long as it may still grow."""
    position = _position()
    if not _is_over(day) or _of_day(_tail(tenant_id, position), day).exists():
        return []
    return _segments_up_to(position, tenant_id, day)


def day_file(tenant_id: uuid.UUID | None, day: dt.date) -> Iterator[bytes]:
    """The file of one UTC day, in pieces: the header, the sealed segments, the rows that are not yet in one.

    So it holds everything committed by the time it is read. Raises `SegmentDamagedError`: at once when a segment is
    missing, from the iterator when one turns out to be altered.
    """
    # In this order nothing is read twice or missed while a run moves the cursor: segments of batches up to `position`
    # are all recorded, later ones are left out, and every row after `position` is read from the table.
    position = _position()
    segments = _segments_up_to(position, tenant_id, day)
    for segment in segments:
        if not default_storage.exists(segment.file):
            raise SegmentDamagedError(f"Part {segment.number} of the log of {day} is missing.")
    tail = _of_day(_tail(tenant_id, position), day)
    return _pieces(segments, tail.order_by("id").iterator(_CHUNK_ROWS))


def _pieces(segments: Iterable[LogSegment], tail: Iterator[UsageEvent]) -> Iterator[bytes]:
    yield HEADER.encode()
    for segment in segments:
        yield read_segment(segment)
    while rows := "".join(map(format_row, islice(tail, _CHUNK_ROWS))):
        yield rows.encode()


def _tail(tenant_id: uuid.UUID | None, position: int) -> QuerySet[UsageEvent]:
    """The rows of a log that no sealed segment holds yet."""
    return UsageEvent.objects.for_tenant(tenant_id).filter(id__gt=position)


def _segments_up_to(position: int, tenant_id: uuid.UUID | None, day: dt.date) -> list[LogSegment]:
    found = LogSegment.objects.filter(scope=scope_of(tenant_id), day=day, last_id__lte=position)
    return list(found.order_by("number"))


def _of_day(rows: QuerySet[UsageEvent], day: dt.date) -> QuerySet[UsageEvent]:
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    return rows.filter(time__gte=midnight, time__lt=midnight + dt.timedelta(days=1))


def _is_over(day: dt.date) -> bool:
    return day < (timezone.now() - DAY_GRACE).astimezone(dt.UTC).date()


def _position() -> int:
    return AggregationCursor.objects.values_list("last_id", flat=True).first() or 0


def _newest_id() -> int:
    newest: int | None = UsageEvent.objects.aggregate(newest=Max("id"))["newest"]
    return newest or 0


def _end_of_batch(start: int, top: int) -> int:
    ids = UsageEvent.objects.filter(id__gt=start, id__lte=top).order_by("id").values_list("id", flat=True)
    return ids[BATCH_ROWS - 1 : BATCH_ROWS].first() or top


def _write_files(start: int, end: int) -> list[LogSegment]:
    """Write one file per tenant and day of the batch and return their records, not yet saved."""
    batch = UsageEvent.objects.filter(id__gt=start, id__lte=end).order_by("tenant_id", "id")
    segments: list[LogSegment] = []
    with ExitStack() as undo:  # a full disk must not fill up further at each attempt
        for tenant_id, events in groupby(batch.iterator(_CHUNK_ROWS), key=attrgetter("tenant_id")):
            for segment in _segments_of(tenant_id, events):
                undo.callback(default_storage.delete, segment.file)
                segments.append(segment)
        undo.pop_all()
    return segments


def _segments_of(tenant_id: uuid.UUID | None, events: Iterable[UsageEvent]) -> Iterator[LogSegment]:
    by_day: dict[dt.date, list[UsageEvent]] = defaultdict(list)
    for event in events:
        by_day[event.time.astimezone(dt.UTC).date()].append(event)
    scope = scope_of(tenant_id)
    last = LogSegment.objects.filter(scope=scope).order_by("-number").first()
    number, chain = (last.number, last.chain) if last else (0, genesis(scope))
    for day, rows in sorted(by_day.items()):
        data = "".join(map(format_row, rows)).encode()
        number += 1
        sha256 = hashlib.sha256(data).hexdigest()
        chain = link(chain, sha256)
        yield LogSegment(
            tenant_id=tenant_id,
            scope=scope,
            number=number,
            day=day,
            first_id=rows[0].id,
            last_id=rows[-1].id,
            rows=len(rows),
            # The random part keeps two runs that write the same segment out of each other's files.
            file=_write_file(f"logs/{scope}/{day.isoformat()}/{number:08d}-{secrets.token_hex(6)}.log", data),
            sha256=sha256,
            chain=chain,
        )


def _write_file(name: str, data: bytes) -> str:
    """Save a file and, where the storage is a local directory, force it to the disk before it is recorded."""
    name = default_storage.save(name, ContentFile(data))
    try:
        path = default_storage.path(name)
    except NotImplementedError:
        return name  # an object store acknowledges what it keeps
    for place in (path, os.path.dirname(path)):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return name


def _record(start: int, end: int, segments: list[LogSegment]) -> bool:
    """Make the files part of the log, unless another worker has moved the cursor since. False: nothing was recorded."""
    try:
        with transaction.atomic():
            if not AggregationCursor.objects.filter(last_id=start).update(last_id=end):
                return False
            LogSegment.objects.bulk_create(segments)
    except IntegrityError:
        return False
    return True


def _discard(segments: Iterable[LogSegment]) -> None:
    for segment in segments:
        default_storage.delete(segment.file)
