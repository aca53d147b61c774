"""What a log's chain gives away: every change, removal, insertion or exchange of sealed rows."""

import hashlib
from pathlib import Path

import pytest
from django.db import connection

from audit.aggregation import aggregate
from audit.chain import verify
from audit.models import LogSegment
from rms.daily_log import genesis, link
from tests.audit.rows import CONTOSO, FABRIKAM, add_rows, seconds

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(log_dir: Path) -> Path:
    for count in (3, 2, 4):
        add_rows(CONTOSO, seconds(count))
        add_rows(FABRIKAM, seconds(count))
        aggregate()
    return log_dir.parent


def segment(number: int) -> LogSegment:
    return LogSegment.objects.get(scope=str(CONTOSO), number=number)


def tamper(number: int, column: str, value: str | int) -> None:
    """What somebody with access to the database itself can do."""
    table, key = LogSegment._meta.db_table, segment(number).id
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [value, key])


def problem() -> tuple[int, str]:
    found = verify(CONTOSO)
    assert found is not None
    assert verify(FABRIKAM) is None
    return found.number, found.sentence


def test_a_sound_log_has_no_problem(root: Path):
    assert verify(CONTOSO) is None
    assert verify(FABRIKAM) is None
    assert verify(None) is None


def test_links_as_documented(root: Path):
    chain = hashlib.sha256(b"rightskeep-usage-chain-v1\0" + str(CONTOSO).encode()).digest()
    assert genesis(str(CONTOSO)) == chain.hex()
    for number in (1, 2, 3):
        file = root / segment(number).file
        chain = hashlib.sha256(chain + hashlib.sha256(file.read_bytes()).digest()).digest()
        assert segment(number).chain == chain.hex()


def test_altered_file(root: Path):
    file = root / segment(2).file
    file.write_bytes(file.read_bytes().replace(b"Success", b"Denied!"))
    assert problem() == (2, "Part 2 of the log of 2026-03-01 was altered after it was written.")


def test_missing_file(root: Path):
    (root / segment(2).file).unlink()
    assert problem() == (2, "Part 2 of the log of 2026-03-01 cannot be read.")


def test_altered_file_with_its_hash_adjusted(root: Path):
    file = root / segment(2).file
    file.write_bytes(file.read_bytes().replace(b"Success", b"Denied!"))
    tamper(2, "sha256", hashlib.sha256(file.read_bytes()).hexdigest())
    assert problem() == (2, "Part 2 of 2026-03-01 is not linked to the part before it.")
    tamper(2, "chain", link(segment(1).chain, segment(2).sha256))
    assert problem() == (3, "Part 3 of 2026-03-01 is not linked to the part before it.")


def test_removed_segment(root: Path):
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {LogSegment._meta.db_table} WHERE id = %s", [segment(2).id])
    assert problem() == (2, "Part 2 is missing: part 3 follows part 1.")


def test_exchanged_segments(root: Path):
    first, second = segment(1), segment(2)
    tamper(1, "file", second.file)
    tamper(1, "sha256", second.sha256)
    tamper(2, "file", first.file)
    tamper(2, "sha256", first.sha256)
    assert problem()[0] == 1


def test_another_logs_segments(root: Path):
    """Fabrikam's whole log under Contoso's name: every file and link intact, and yet not Contoso's."""
    theirs = {s.number: s for s in LogSegment.objects.filter(scope=str(FABRIKAM))}
    for number, other in theirs.items():
        for column in ("file", "sha256", "chain"):
            tamper(number, column, getattr(other, column))
    assert problem() == (1, "Part 1 of 2026-03-01 is not linked to the part before it.")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("rows", 5, "Part 2 holds 2 rows, but 5 were recorded."),
        ("day", "2026-02-28", "Part 2 holds rows of another day than 2026-02-28."),
    ],
)
def test_records_that_contradict_their_file(root: Path, column: str, value: str | int, said: str):
    tamper(2, column, value)
    assert problem() == (2, said)
