"""Usage rows made in bulk, the segments made of them, and what a day's file must then hold."""

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection

from audit.aggregation import day_file
from audit.models import LogSegment, UsageEvent, scope_of
from audit.w3c import HEADER, format_row

CONTOSO = uuid.UUID("c0000000-0000-4000-8000-000000000001")
FABRIKAM = uuid.UUID("f0000000-0000-4000-8000-000000000002")
DAY = dt.date(2026, 3, 1)
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
MIDNIGHT = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def add_rows(tenant_id: uuid.UUID | None, times: Iterable[dt.datetime], **facts: Any) -> list[UsageEvent]:
    facts = {"request_type": "AcquireLicense", "user_id": "bob@contoso.example", "result": "Success", **facts}
    return UsageEvent.objects.bulk_create(
        UsageEvent(tenant_id=tenant_id, time=time, **facts) for time in times
    )


def seconds(count: int, start: dt.datetime = NOON) -> list[dt.datetime]:
    return [start + dt.timedelta(seconds=number) for number in range(count)]


def segments(tenant_id: uuid.UUID | None) -> list[LogSegment]:
    return list(LogSegment.objects.filter(scope=scope_of(tenant_id)).order_by("number"))


def read_day(tenant_id: uuid.UUID | None, day: dt.date = DAY) -> str:
    return b"".join(day_file(tenant_id, day)).decode()


def expected_day(tenant_id: uuid.UUID | None, day: dt.date = DAY) -> str:
    """The same file straight from the table, the simple way."""
    rows = UsageEvent.objects.for_tenant(tenant_id).order_by("id")
    return HEADER + "".join(format_row(row) for row in rows if row.time.astimezone(dt.UTC).date() == day)


def in_thread(work: Callable[[], None]) -> threading.Thread:
    """Run `work` beside the test, on a database connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
