"""Usage rows as text: exactly the layout of protocol.md section 6, and back."""

import datetime as dt
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import LogFormatError
from audit.models import UsageEvent
from audit.w3c import FIELDS, HEADER, file_name, format_row, parse_file, parse_row

FULL = UsageEvent(
    row_id=uuid.UUID("1c3fe7a9-d9e0-4654-97b7-14fafa72ea63"),
    time=dt.datetime(2026, 3, 1, 1, 2, 3, 999_999, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    request_type="AcquireLicense",
    user_id="o'hara@contoso.example",
    result="Success",
    correlation_id="cab52088-8925-4371-be34-4b71a3112356",
    content_id=uuid.UUID("bb4af47b-cfed-4719-831d-71b98191a4f2"),
    owner_email="alice@contoso.example",
    issuer="alice@contoso.example",
    template_id=uuid.UUID("6d9371a6-4e2d-4e97-9a38-202233fed26e"),
    file_name="Plan – été 2026.docx",
    date_published=dt.datetime(2026, 2, 28, 23, 59, 59, tzinfo=dt.UTC),
    c_info="MSIPC;version=1.0.623.47;AppName=WINWORD.EXE",
    c_ip="2001:db8::1",
    admin_action=True,
    acting_as_user="carol@contoso.example",
)
EMPTY = UsageEvent(
    row_id=FULL.row_id,
    time=dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
    request_type="Certify",
    result="AccessDenied",
)


def test_header():
    assert HEADER.split("\n") == [
        "#Software: RMS",
        "#Version: 1.1",
        "#Fields: date\ttime\trow-id\trequest-type\tuser-id\tresult\tcorrelation-id\tcontent-id\towner-email\tissuer\t"
        "template-id\tfile-name\tdate-published\tc-info\tc-ip\tadmin-action\tacting-as-user",
        "",
    ]
    assert file_name(dt.date(2026, 3, 1)) == "rmslog-2026-03-01.log"


def test_full_row():
    assert format_row(FULL).split("\t") == [
        "2026-02-28",
        "23:02:03",
        "1c3fe7a9-d9e0-4654-97b7-14fafa72ea63",
        "AcquireLicense",
        "'o'hara@contoso.example'",
        "'Success'",
        "cab52088-8925-4371-be34-4b71a3112356",
        "{bb4af47b-cfed-4719-831d-71b98191a4f2}",
        "alice@contoso.example",
        "alice@contoso.example",
        "{6d9371a6-4e2d-4e97-9a38-202233fed26e}",
        "Plan – été 2026.docx",
        "2026-02-28T23:59:59",
        "MSIPC;version=1.0.623.47;AppName=WINWORD.EXE",
        "2001:db8::1",
        "True",
        "carol@contoso.example\n",
    ]


def test_empty_values_leave_nothing_between_the_tabs():
    assert format_row(EMPTY) == (
        "2026-03-01\t00:00:00\t1c3fe7a9-d9e0-4654-97b7-14fafa72ea63\tCertify\t''\t'AccessDenied'"
        "\t\t\t\t\t\t\t\t\t\tFalse\t\n"
    )


texts = st.text(max_size=40)
guids = st.none() | st.uuids()
events = st.builds(
    UsageEvent,
    row_id=st.uuids(),
    time=st.datetimes(
        min_value=dt.datetime(1970, 1, 2), max_value=dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC)
    ),
    request_type=texts,
    user_id=texts,
    result=texts,
    correlation_id=texts,
    content_id=guids,
    owner_email=texts,
    issuer=texts,
    template_id=guids,
    file_name=texts | st.text(alphabet="\t\n\r\v\f\x1c\x85\u2028\u2029'{}#, a", max_size=20),
    c_info=texts,
    c_ip=texts,
    admin_action=st.booleans(),
    acting_as_user=texts,
)


@given(st.lists(events, max_size=3))
@settings(max_examples=50)
def test_whatever_was_recorded_is_one_line_and_comes_back(rows: list[UsageEvent]):
    text = HEADER + "".join(map(format_row, rows))
    text.encode()  # no half of a surrogate pair is left
    assert len(text.splitlines()) == 3 + len(rows)  # by Unicode's idea of a line end, the widest there is
    read = list(parse_file(text.splitlines(keepends=True)))
    assert [list(row) for row in read] == [list(FIELDS)] * len(rows)
    for row, event in zip(read, rows, strict=True):
        assert row["row-id"] == str(event.row_id)
        assert row["content-id"] == str(event.content_id or "")
        assert dt.datetime.fromisoformat(f"{row['date']}T{row['time']}+00:00") == event.time.replace(
            microsecond=0
        )
        if event.user_id.isprintable():
            assert row["user-id"] == event.user_id
        assert len(row["file-name"]) == len(event.file_name)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2026-03-01\t00:00:00\n", "17 values, not 2"),
        (format_row(FULL).replace("'Success'", "Success"), "result must stand in ''"),
        (format_row(FULL).replace("'Success'", "'"), "result must stand in ''"),
        (format_row(FULL).replace("{bb4af47b", "bb4af47b"), "content-id must stand in {}"),
    ],
)
def test_what_is_not_a_row_is_refused(line: str, said: str):
    with pytest.raises(LogFormatError, match=said):
        parse_row(line)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "header of a usage log is missing"),
        ("#Software: RMS\n#Version: 1.1\n", "header of a usage log is missing"),
        (HEADER.replace("RMS", "IIS"), "Line 1 must read '#Software: RMS'"),
        (HEADER.replace("c-ip", "s-ip"), "Line 3 must name the fields"),
        (HEADER + format_row(FULL) + "\n", "Line 5: A row has 17 values"),
    ],
)
def test_what_is_not_a_log_is_refused(text: str, said: str):
    with pytest.raises(LogFormatError, match=said):
        list(parse_file(text.splitlines(keepends=True)))
