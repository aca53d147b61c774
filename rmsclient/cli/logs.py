"""``admin logs download`` and ``verify``: the usage log, one W3C file for each day, with the server's signature."""

from argparse import ArgumentTypeError
from datetime import UTC, date, datetime, timedelta
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO

from rmsclient.administration import Administration
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, RefusalError, UsageError
from rmsclient.files import complete_file, file_exists
from rmsclient.log_proofs import KEYS_FILE, Report, SigningKeys, check_folder, keep_keys

_COMPARE_BYTES = 2**20


def register(group: CommandGroup) -> None:
    logs = group.subgroup("logs", "the organization's logs")
    download = logs.add(
        "download",
        download_logs,
        "download the usage log, one file for each day",
        "Writes rmslog-YYYY-MM-DD.log for each day (UTC) that has a log, with the server's signature beside it "
        "(.proof) when the day is over. A file that is there already is replaced only when the new one begins with "
        "all it holds, or with --force.",
    )
    download.add_argument("--from", dest="first", type=log_day, required=True, metavar="D", help="first day")
    download.add_argument("--to", dest="last", type=log_day, required=True, metavar="D", help="last day")
    download.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    download.add_argument("--force", action="store_true", help="replace files whatever they hold")
    changes = logs.add("changes", list_changes, "list changes of settings, newest first")
    changes.add_argument("--from", dest="first", type=log_day, metavar="D", help="first day, UTC")
    changes.add_argument("--to", dest="last", type=log_day, metavar="D", help="last day, UTC")
    verify = logs.add(
        "verify",
        verify_logs,
        "check downloaded usage logs, without the server",
        "Finds out whether anything in the files was altered, and whether a day between others is missing. Exit code 5 "
        "when it is so.",
    )
    verify.add_argument(
        "folder", type=Path, metavar="DIR", help="folder with the files of admin logs download"
    )
    verify.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help=f"the server's keys (its /.well-known/jwks.json), kept elsewhere; else DIR/{KEYS_FILE}",
    )


def list_changes(context: Context) -> Exit:
    given = {"from": context.args.first, "to": context.args.last}
    asked = {name: day.isoformat() for name, day in given.items() if day is not None}
    found = list(context.administration().records("/logs/admin/", asked or None))
    rows = [
        (each.local_time("time"), each.shown("actor"), each.shown("action"), each.shown("target"))
        for each in found
    ]
    context.output.table(("TIME", "ACTOR", "CHANGE", "OF WHAT"), rows)
    context.output.result({"changes": [each.json for each in found]})
    return Exit.OK


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
    proofs = [
        proof
        for path in written
        if (proof := _download_proof(administration, log_day(path.stem[-10:]), path))
    ]
    if proofs and keep_keys(administration.signing_keys(), args.out / KEYS_FILE):
        context.output.remark("The server signs with another key than before. Both are kept.")
    for path in written:
        context.output.line(str(path))
    if not written:
        context.output.remark("There is no log of these days.")
    context.output.result(
        {"files": [str(path) for path in written], "proofs": [str(path) for path in proofs]}
    )
    return Exit.OK


def verify_logs(context: Context) -> Exit:
    args, output = context.args, context.output
    if not args.folder.is_dir():
        raise UsageError("no_folder", f"{args.folder} is not a folder.")
    keys = SigningKeys.read(args.key or args.folder / KEYS_FILE)
    report = check_folder(args.folder, keys, today=datetime.now(UTC).date())
    for problem in report.problems:
        output.line(problem)
    if report.days:
        first, last = min(report.days), max(report.days)
        count = f"{len(report.days)} days" if len(report.days) > 1 else "1 day"
        rows = f"{report.rows} rows" if report.rows != 1 else "1 row"
        output.line(f"{count} with {rows}, {first} to {last}, are as {report.issuer} wrote them.")
    for name in report.unproven:
        output.remark(f"{name} was not checked: its day was not over when it was downloaded.")
    if report.begins_with > 1:
        output.remark(f"The log begins with part {report.begins_with} here; earlier days were not looked at.")
    if args.key is None:
        output.remark(
            f"The keys were taken from the folder itself (SHA-256 {', '.join(sorted(report.fingerprints)) or 'none used'}). "
            "Whoever could exchange files could exchange them too: name a copy kept elsewhere with --key."
        )
    output.result(_report_value(report))
    return Exit.BAD_FILE if report.problems else Exit.OK


def _report_value(report: Report) -> dict[str, object]:
    return {
        "intact": not report.problems,
        "problems": report.problems,
        "days": [day.isoformat() for day in report.days],
        "rows": report.rows,
        "unproven": report.unproven,
        "begins_with_part": report.begins_with,
        "issuer": report.issuer,
        "log": report.log,
        "keys": sorted(report.fingerprints),
    }


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


def _download_proof(administration: Administration, day: date, path: Path) -> Path | None:
    """None when the server does not sign the day yet."""
    proof = path.with_suffix(".proof")
    try:
        with complete_file(proof, mode=0o600, overwrite=True) as stream:
            administration.download_proof(day, stream)
    except RefusalError as refusal:
        if refusal.status == 404:
            return None
        raise
    return proof


def _continues(earlier: Path, later: BinaryIO) -> bool:
    """Whether ``later`` begins with everything ``earlier`` holds: a log only ever grows."""
    later.seek(0)
    with earlier.open("rb") as known:
        while block := known.read(_COMPARE_BYTES):
            if later.read(len(block)) != block:
                return False
    later.seek(0, SEEK_END)
    return True
