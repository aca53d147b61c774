"""Several connections at once on PostgreSQL: no row may become visible behind the aggregator's back."""

import random
import threading
from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from audit.aggregation import aggregate, day_file, horizon
from audit.models import LogSegment, UsageEvent
from audit.recording import WRITERS_LOCK, Usage, record_usage
from tests.audit.rows import CONTOSO, in_thread

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time"),
]


def usage(name: str) -> Usage:
    return Usage(tenant_id=CONTOSO, request_type="AcquireLicense", result="Success", file_name=name)


class SlowWriter:
    """Writes a row and keeps its transaction open until told how to end."""

    def __init__(self, name: str) -> None:
        self.wrote, self.end, self.roll_back = threading.Event(), threading.Event(), False
        self.name = name
        self.thread = in_thread(self._write)
        assert self.wrote.wait(120)

    def _write(self) -> None:
        with transaction.atomic():
            record_usage(usage(self.name))
            self.wrote.set()
            assert self.end.wait(120)
            transaction.set_rollback(self.roll_back)

    def finish(self, *, roll_back: bool = False) -> None:
        self.roll_back = roll_back
        self.end.set()
        self.thread.join()


@pytest.fixture
def slow() -> Iterator[SlowWriter]:
    writer = SlowWriter("slow")
    yield writer
    writer.finish()


def sealed_names() -> list[str]:
    days = {segment.day for segment in LogSegment.objects.all()}
    lines = [
        line for day in sorted(days) for line in b"".join(day_file(CONTOSO, day)).decode().splitlines()[3:]
    ]
    return [line.split("\t")[11] for line in lines]


def test_a_slow_writer_is_waited_for(slow: SlowWriter):
    record_usage(usage("quick"))  # a higher id, committed first
    assert horizon() is None
    assert aggregate() == 0
    slow.finish()
    assert horizon() == UsageEvent.objects.latest("id").id
    assert aggregate() == 2
    assert sealed_names() == ["slow", "quick"]


def test_a_writer_that_gives_up_is_no_obstacle(slow: SlowWriter):
    record_usage(usage("quick"))
    slow.finish(roll_back=True)
    assert aggregate() == 1
    assert sealed_names() == ["quick"]


def test_others_write_on_while_the_horizon_is_refused(slow: SlowWriter):
    assert horizon() is None
    record_usage(usage("quick"))  # would wait for ever if the exclusive lock were still asked for
    assert UsageEvent.objects.count() == 1


def test_a_writer_draws_its_id_only_when_it_holds_the_lock():
    """Were the id drawn first, the row would appear behind a horizon taken in between."""
    record_usage(usage("before"))
    newest = UsageEvent.objects.latest("id").id
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITERS_LOCK])
        writer = in_thread(lambda: record_usage(usage("after")))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = %s"
        while True:
            cursor.execute(waiting, [WRITERS_LOCK])
            if cursor.fetchone() == (1,):
                break
        cursor.execute("SELECT last_value FROM audit_usageevent_id_seq")
        assert cursor.fetchone() == (newest,)
    writer.join()
    assert UsageEvent.objects.latest("id").id == newest + 1


def test_nothing_is_lost_or_doubled_under_load():
    stop = threading.Event()

    def write(number: int) -> None:
        chance = random.Random(number)
        for row in range(40):
            with transaction.atomic():
                record_usage(usage(f"{number}-{row}"))
                if chance.random() < 0.3:
                    connection.cursor().execute("SELECT pg_sleep(0.01)")

    def run() -> None:
        while not stop.is_set():
            aggregate()

    writers = [in_thread(lambda number=number: write(number)) for number in range(4)]  # type: ignore[misc]  # a bound default
    runners = [in_thread(run), in_thread(run)]
    for thread in writers:
        thread.join()
    stop.set()
    for thread in runners:
        thread.join()
    aggregate()
    names = sealed_names()
    assert sorted(names) == sorted(f"{number}-{row}" for number in range(4) for row in range(40))
    assert sum(segment.rows for segment in LogSegment.objects.all()) == 160
