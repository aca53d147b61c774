"""``admin people import``: look at a CSV file on the server, say what it does, and do it after a yes."""

from collections.abc import Sequence
from pathlib import Path

from rmsclient.administration import Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, UsageError
from rmsclient.shapes import Answer, answers

MAX_BYTES = 2_000_000
_NUMBERS = ("new", "changed", "unchanged", "left_out")


def register(people: CommandGroup) -> None:
    parser = people.add("import", import_people, "add people from a CSV file")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
    parser.add_argument(
        "--leave-out", action="store_true", help="import the good rows where others are wrong"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def import_people(context: Context) -> Exit:
    args, administration = context.args, context.administration()
    body = {"csv": _read(args.file), "leave_out": args.leave_out}
    plan = administration.create("/people/import/", {**body, "dry_run": True})
    wrong = answers(plan.json.get("wrong_rows"), "wrong_rows")
    if args.dry_run or (wrong and not args.leave_out):
        _show(context, plan, wrong)
        return Exit.USAGE if wrong and not args.dry_run else Exit.OK
    for error in wrong:
        context.output.remark(_sentence(error))
    context.confirm(
        f"{plan.shown('new')} people are added, {plan.shown('changed')} change, {plan.shown('left_out')} rows are left out."
    )
    _show(context, administration.create("/people/import/", body), ())
    return Exit.OK


def _read(path: Path) -> str:
    """The text of the file; what is in no other encoding than UTF-8 would arrive misread."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError("no_such_file", f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise UsageError("too_large", f"{path} has more than 2 MB. Split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("not_utf8", f"{path} is not in UTF-8. Save it again as “CSV UTF-8”.") from error


def _show(context: Context, plan: Record, wrong: Sequence[Answer]) -> None:
    context.output.fields([(name.replace("_", " ").capitalize(), plan.shown(name)) for name in _NUMBERS])
    for error in wrong:
        context.output.line(_sentence(error))
    context.output.result(plan.json)


def _sentence(error: Answer) -> str:
    column = f" ({error.text('column')})" if error.text("column") else ""
    return f"line {error.number('line')}{column}: {error.text('message')}"
