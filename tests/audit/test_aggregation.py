"""From rows to sealed segments: nothing lost, nothing twice, whatever is killed and whoever runs beside."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from audit import aggregation
from audit.aggregation import aggregate, days, is_due
from audit.chain import verify
from audit.models import AggregationCursor, LogSegment, UsageEvent
from audit.tasks import aggregate_usage
from audit.w3c import HEADER
from tests.audit.rows import (
    CONTOSO,
    DAY,
    FABRIKAM,
    MIDNIGHT,
    NOON,
    SECOND,
    add_rows,
    expected_day,
    read_day,
    seconds,
    segments,
)

pytestmark = pytest.mark.django_db


class KilledError(BaseException):
    """The end of a process; nothing catches it."""


def assert_everything_stands_once(*tenants: uuid.UUID | None) -> None:
    for tenant_id in tenants:
        for day in (DAY, MIDNIGHT.date()):
            assert read_day(tenant_id, day) == expected_day(tenant_id, day)
        assert verify(tenant_id) is None


def test_nothing_to_do():
    assert aggregate() == 0
    assert read_day(CONTOSO) == HEADER
    assert days(CONTOSO) == []


def test_each_log_gets_its_own_files(log_dir: Path):
    add_rows(CONTOSO, seconds(3))
    add_rows(FABRIKAM, seconds(2))
    add_rows(None, seconds(1))
    add_rows(CONTOSO, seconds(2))
    assert aggregate() == 8
    assert [(s.scope, s.number, s.rows) for s in LogSegment.objects.order_by("scope")] == [
        (str(CONTOSO), 1, 5),
        (str(FABRIKAM), 1, 2),
        ("installation", 1, 1),
    ]
    (segment,) = segments(CONTOSO)
    file = log_dir.parent / segment.file
    assert file.parent == log_dir / str(CONTOSO) / "2026-03-01"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == segment.sha256
    assert HEADER + file.read_text() == expected_day(CONTOSO)
    assert_everything_stands_once(CONTOSO, FABRIKAM, None)


def test_again_and_again_changes_nothing():
    add_rows(CONTOSO, seconds(3))
    assert aggregate() == 3
    before = list(LogSegment.objects.values())
    assert aggregate() == 0
    assert list(LogSegment.objects.values()) == before


def test_later_rows_become_the_next_segment():
    for count in (3, 2, 4):
        add_rows(CONTOSO, seconds(count))
        assert aggregate() == count
    assert [(s.number, s.rows) for s in segments(CONTOSO)] == [(1, 3), (2, 2), (3, 4)]
    assert_everything_stands_once(CONTOSO)


def test_rows_not_yet_sealed_are_in_the_file_all_the_same():
    add_rows(CONTOSO, seconds(3))
    assert read_day(CONTOSO) == expected_day(CONTOSO) != HEADER
    aggregate()
    add_rows(CONTOSO, seconds(2), file_name="evening.pdf")
    add_rows(FABRIKAM, seconds(2), file_name="theirs.pdf")
    text = read_day(CONTOSO)
    assert text == expected_day(CONTOSO)
    assert (text.count("evening.pdf"), text.count("theirs.pdf")) == (2, 0)


def test_midnight_with_rows_out_of_order():
    """Rows get their time before their id, so around midnight days alternate: 23:59, 00:00, 23:59, 00:00."""
    add_rows(
        CONTOSO,
        [MIDNIGHT - SECOND, MIDNIGHT, MIDNIGHT - SECOND, MIDNIGHT, MIDNIGHT - dt.timedelta(microseconds=1)],
    )
    aggregate()
    assert [(s.day, s.rows) for s in segments(CONTOSO)] == [(DAY, 3), (MIDNIGHT.date(), 2)]
    add_rows(CONTOSO, [MIDNIGHT - SECOND])  # one more straggler, in a later run
    aggregate()
    assert [(s.day, s.rows) for s in segments(CONTOSO)][2:] == [(DAY, 1)]
    assert read_day(CONTOSO).count("\n") == 3 + 4
    assert_everything_stands_once(CONTOSO)


def test_large_backlog_goes_in_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aggregation, "BATCH_ROWS", 350)
    monkeypatch.setattr(aggregation, "_CHUNK_ROWS", 100)
    for _ in range(5):
        add_rows(CONTOSO, seconds(200))
        add_rows(FABRIKAM, seconds(50))
    assert aggregate() == 1250
    assert len(segments(CONTOSO)) == 4
    assert max(s.rows for s in LogSegment.objects.all()) <= 350
    assert_everything_stands_once(CONTOSO, FABRIKAM)


def test_work_is_found_without_looking_at_every_tenant(django_assert_num_queries: Any):
    for number in range(15):
        add_rows(uuid.UUID(int=number + 1), seconds(1))
    aggregate()
    add_rows(uuid.UUID(int=7), seconds(1))
    with CaptureQueriesContext(connection) as few:
        aggregate()
    for number in range(15, 40):
        add_rows(uuid.UUID(int=number + 1), seconds(1))
    aggregate()
    add_rows(uuid.UUID(int=7), seconds(1))
    with django_assert_num_queries(len(few)):
        aggregate()


# --- killed ------------------------------------------------------------------------------------------------


def fail_at(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int, *, after: bool = False
) -> None:
    """Let call number `call` of `owner.name` end the process, before or after its work is done."""
    real: Callable[..., Any] = getattr(owner, name)
    made = 0

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal made
        made += 1
        result = real(*args, **kwargs) if made != call or after else None
        if made == call:
            raise KilledError
        return result

    monkeypatch.setattr(owner, name, wrapper)


CRASHES = [
    *[(FileSystemStorage, "save", call, after) for call in (1, 2, 3, 4) for after in (False, True)],
    *[(aggregation, "_record", call, after) for call in (1, 2) for after in (False, True)],
    (QuerySet, "bulk_create", 1, False),
    (QuerySet, "bulk_create", 1, True),
    (aggregation, "_end_of_batch", 2, False),
]


@pytest.mark.parametrize(("owner", "name", "call", "after"), CRASHES)
def test_killed_at_any_point_and_run_again(owner: Any, name: str, call: int, after: bool):
    add_rows(CONTOSO, seconds(3, MIDNIGHT - 2 * SECOND))
    add_rows(FABRIKAM, seconds(2))
    add_rows(CONTOSO, seconds(3, MIDNIGHT - 2 * SECOND))
    add_rows(None, seconds(1))
    with pytest.MonkeyPatch.context() as crash:
        crash.setattr(aggregation, "BATCH_ROWS", 6)
        crash.setattr(FileSystemStorage, "delete", lambda *_: None)  # a dead process tidies nothing up
        fail_at(crash, owner, name, call, after=after)
        with pytest.raises(KilledError):
            aggregate()
    assert_everything_stands_once(CONTOSO, FABRIKAM, None)  # whatever state it was left in
    add_rows(CONTOSO, seconds(1))
    aggregate()
    assert_everything_stands_once(CONTOSO, FABRIKAM, None)
    assert sum(s.rows for s in LogSegment.objects.all()) == 10


def test_a_full_disk_does_not_fill_up_further(monkeypatch: pytest.MonkeyPatch, log_dir: Path):
    add_rows(CONTOSO, seconds(2))
    add_rows(FABRIKAM, seconds(2))
    real, saved = FileSystemStorage.save, 0

    def full(self: FileSystemStorage, *args: Any) -> str:
        nonlocal saved
        saved += 1
        if saved % 2 == 0:
            raise OSError(28, "No space left on device")
        return real(self, *args)

    monkeypatch.setattr(FileSystemStorage, "save", full)
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            aggregate()
    assert [path for path in log_dir.rglob("*") if path.is_file()] == []
    assert_everything_stands_once(CONTOSO, FABRIKAM)


# --- two workers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_another_worker_does_the_same_batch_meanwhile(
    at: int, monkeypatch: pytest.MonkeyPatch, log_dir: Path
):
    """The other worker comes between this one's choice of a batch and its record, at every file in turn."""
    monkeypatch.setattr(aggregation, "BATCH_ROWS", 4)
    add_rows(CONTOSO, seconds(4, MIDNIGHT - 2 * SECOND))
    add_rows(FABRIKAM, seconds(4, MIDNIGHT - 2 * SECOND))
    real, made, other = FileSystemStorage.save, 0, []

    def save(self: FileSystemStorage, *args: Any) -> str:
        nonlocal made
        made += 1
        if made == at:
            other.append(aggregate())
        return real(self, *args)

    monkeypatch.setattr(FileSystemStorage, "save", save)
    mine = aggregate()
    assert (mine, other) == ((0, [8]) if at <= 2 else (4, [4]))
    assert LogSegment.objects.count() == 4
    assert_everything_stands_once(CONTOSO, FABRIKAM)
    recorded = {log_dir.parent / s.file for s in LogSegment.objects.all()}
    assert {path for path in log_dir.rglob("*") if path.is_file()} == recorded


def test_another_worker_does_the_batch_before_this_one_begins_to_write(
    monkeypatch: pytest.MonkeyPatch, log_dir: Path
):
    """Then the numbers differ and no constraint objects: that the cursor has moved is what tells."""
    add_rows(CONTOSO, seconds(4))
    other: list[int] = []
    real = aggregation._write_files

    def write_files(*batch: int) -> list[LogSegment]:
        if not other:
            other.append(0)
            other.append(aggregate())
        return real(*batch)

    monkeypatch.setattr(aggregation, "_write_files", write_files)
    assert (aggregate(), other) == (0, [0, 4])
    assert_everything_stands_once(CONTOSO)
    assert len([path for path in log_dir.rglob("*") if path.is_file()]) == 1


def test_the_number_of_a_segment_is_given_once(monkeypatch: pytest.MonkeyPatch):
    """Should the cursor ever be set back by hand, the constraint still refuses a second segment with a number."""
    add_rows(CONTOSO, seconds(2))
    batch = aggregation._write_files(0, UsageEvent.objects.latest("id").id)
    assert aggregate() == 2
    AggregationCursor.objects.update(last_id=0)
    assert not aggregation._record(0, 1, batch)
    assert LogSegment.objects.count() == 1


# --- any history -------------------------------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("rows"), st.sampled_from([0, 1, 2]), st.lists(st.integers(-3, 3), min_size=1, max_size=5)
        ),
        st.tuples(st.just("run"), st.just(0), st.just([])),
        st.tuples(st.just("crash"), st.integers(1, 4), st.just([])),
    ),
    max_size=10,
)


@given(history=steps)
@examples(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_history_of_rows_runs_and_crashes(history: list[tuple[str, int, list[int]]], log_dir: Path):
    tenants = [uuid.uuid4(), uuid.uuid4(), None]
    with pytest.MonkeyPatch.context() as small:
        small.setattr(aggregation, "BATCH_ROWS", 4)
        for kind, number, offsets in history:
            if kind == "rows":
                add_rows(tenants[number], [MIDNIGHT + SECOND * offset for offset in offsets])
            elif kind == "run":
                aggregate()
            else:
                with pytest.MonkeyPatch.context() as crash:
                    fail_at(crash, FileSystemStorage, "save", number)
                    with suppress(KilledError):
                        aggregate()
    assert_everything_stands_once(*tenants)
    aggregate()
    assert_everything_stands_once(*tenants)
    newest = UsageEvent.objects.order_by("-id").first()
    assert newest is None or AggregationCursor.objects.get().last_id == newest.id


# --- when to run -------------------------------------------------------------------------------------------


def test_rows_wait_for_company_but_not_for_long(monkeypatch: pytest.MonkeyPatch):
    assert not is_due()
    add_rows(CONTOSO, [timezone.now()])
    assert not is_due()
    aggregate_usage()
    assert not LogSegment.objects.exists()
    add_rows(CONTOSO, [timezone.now()] * 3)
    monkeypatch.setattr(aggregation, "BATCH_ROWS", 5)
    assert not is_due()
    monkeypatch.setattr(aggregation, "BATCH_ROWS", 4)
    assert is_due()


def test_the_task_seals_what_has_waited():
    add_rows(CONTOSO, [NOON])
    aggregate_usage()
    assert [s.rows for s in segments(CONTOSO)] == [1]
    aggregate_usage()
    assert LogSegment.objects.count() == 1
