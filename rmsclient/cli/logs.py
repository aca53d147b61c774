"""``admin logs download``: the usage log, one W3C file for each day."""

from argparse import ArgumentTypeError
from datetime import UTC, date, datetime, timedelta
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO

from rmsclient.administration import Administration
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, RefusalError, UsageError
from rmsclient.files import complete_file, file_exists

_COMPARE_BYTES = 2**20


def register(group: CommandGroup) -> None:
    logs = group.subgroup("logs", "the organization's logs")
    download = logs.add(
        "download",
        download_logs,
        "download the usage log, one file for each day",
        "Writes rmslog-YYYY-MM-DD.log for each day (UTC) that has a log. A file that is there already is "
        "replaced only when the new one begins with all it holds, or with --force.",
    )
    download.add_argument("--from", dest="first", type=log_day, required=True, metavar="D", help="first day")
    download.add_argument("--to", dest="last", type=log_day, required=True, metavar="D", help="last day")
    download.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    download.add_argument("--force", action="store_true", help="replace files whatever they hold")


def log_day(text: str) -> date:
    """``2026-03-01``, ``today`` or ``yesterday``; log days are UTC."""
    today = datetime.now(UTC).date()
    words = {"today": today, "yesterday": today - timedelta(days=1)}
    try:
        return words.get(text) or date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"“{text}” is not a day such as 2026-03-01") from None


def download_logs(context: Context) -> Exit:
    args = context.args
    if args.last < args.first:
        raise UsageError("bad_range", "The last day lies before the first one.")
    administration = context.administration()
    today = datetime.now(UTC).date()
    days = {day for day in (*administration.log_days(), today) if args.first <= day <= args.last}
    args.out.mkdir(parents=True, exist_ok=True)
    written = [
        path
        for day in sorted(days)
        if (path := _download_day(administration, day, args.out, force=args.force))
    ]
    for path in written:
        context.output.line(str(path))
    if not written:
        context.output.remark("There is no log of these days.")
    context.output.result({"files": [str(path) for path in written]})
    return Exit.OK


def _download_day(administration: Administration, day: date, folder: Path, *, force: bool) -> Path | None:
    path = folder / f"rmslog-{day.isoformat()}.log"
    try:
        with complete_file(path, overwrite=True) as stream:
            administration.download_log(day, stream)
            if not force and path.exists() and not _continues(path, stream):
                raise file_exists(path)
    except RefusalError as refusal:
        if refusal.status == 404:
            return None
        raise
    return path


def _continues(earlier: Path, later: BinaryIO) -> bool:
    """Whether ``later`` begins with everything ``earlier`` holds: a log only ever grows."""
    later.seek(0)
    with earlier.open("rb") as known:
        while block := known.read(_COMPARE_BYTES):
            if later.read(len(block)) != block:
                return False
    later.seek(0, SEEK_END)
    return True
