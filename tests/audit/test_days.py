"""The days there are to download, and their files: whole, unaltered, and steady while a run goes on."""

import datetime as dt
from pathlib import Path

import pytest
from django.utils import timezone

from audit import aggregation
from audit.aggregation import aggregate, days
from audit.errors import SegmentDamagedError
from audit.models import UsageEvent
from tests.audit.rows import (
    CONTOSO,
    DAY,
    FABRIKAM,
    MIDNIGHT,
    SECOND,
    add_rows,
    expected_day,
    read_day,
    seconds,
    segments,
)

pytestmark = pytest.mark.django_db


def test_days_newest_first_with_sealed_and_waiting_rows():
    now = timezone.now()
    long_ago, yesterday = now - dt.timedelta(days=40), now - dt.timedelta(days=1)
    add_rows(CONTOSO, [long_ago, long_ago, yesterday])
    add_rows(FABRIKAM, [yesterday])
    aggregate()
    add_rows(CONTOSO, [yesterday, now])
    assert [tuple(day) for day in days(CONTOSO)] == [
        (now.date(), 1, False),
        (yesterday.date(), 2, False),
        (long_ago.date(), 2, True),
    ]
    aggregate()
    assert [day.rows for day in days(CONTOSO)] == [1, 2, 2]
    assert not days(CONTOSO)[0].complete  # today goes on
    assert [day.rows for day in days(FABRIKAM)] == [1]


def test_a_day_is_complete_some_minutes_after_its_end(monkeypatch: pytest.MonkeyPatch):
    add_rows(CONTOSO, [MIDNIGHT - SECOND])
    aggregate()
    clock = MIDNIGHT + dt.timedelta(minutes=9)
    monkeypatch.setattr(timezone, "now", lambda: clock)
    assert not days(CONTOSO)[0].complete
    clock = MIDNIGHT + dt.timedelta(minutes=10)
    assert days(CONTOSO)[0].complete


def test_missing_file_is_said_before_the_download_begins(log_dir: Path):
    add_rows(CONTOSO, seconds(2))
    aggregate()
    (log_dir.parent / segments(CONTOSO)[0].file).unlink()
    with pytest.raises(SegmentDamagedError, match="Part 1 of the log of 2026-03-01 is missing"):
        aggregation.day_file(CONTOSO, DAY)


def test_altered_file_is_never_handed_out(log_dir: Path):
    add_rows(CONTOSO, seconds(2))
    aggregate()
    file = log_dir.parent / segments(CONTOSO)[0].file
    file.write_bytes(file.read_bytes().replace(b"bob@", b"eve@"))
    with pytest.raises(SegmentDamagedError, match="was altered"):
        read_day(CONTOSO)


def test_a_run_moving_on_during_a_download_changes_nothing_in_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aggregation, "_CHUNK_ROWS", 2)
    add_rows(CONTOSO, seconds(3))
    aggregate()
    add_rows(CONTOSO, seconds(5))
    pieces = aggregation.day_file(CONTOSO, DAY)
    read = [next(pieces), next(pieces)]
    aggregate()
    assert b"".join([*read, *pieces]).decode() == expected_day(CONTOSO)


def test_a_run_at_the_very_moment_a_download_begins(monkeypatch: pytest.MonkeyPatch):
    add_rows(CONTOSO, seconds(3))
    real = aggregation._position

    def position() -> int:
        was = real()
        monkeypatch.setattr(aggregation, "_position", real)
        aggregate()
        return was

    for look in (lambda: read_day(CONTOSO).count("\n") - 3, lambda: days(CONTOSO)[0].rows):
        add_rows(CONTOSO, seconds(2))
        rows = UsageEvent.objects.count()
        monkeypatch.setattr(aggregation, "_position", position)
        assert look() == rows
