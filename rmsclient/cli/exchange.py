"""``admin templates export`` and ``import``: templates as files."""

import codecs
import sys
from argparse import ArgumentTypeError
from pathlib import Path

from rmsclient.administration import Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.cli.templates import find_template
from rmsclient.errors import Exit, UsageError
from rmsclient.files import complete_file

_MAX_BYTES = 10 * 2**20
_OUTCOMES = {
    "new": "new, {state}",
    "draft": "new draft of the template with this id",
    "same": "nothing: it is the same",
    "copy": "copy, {state}: the template with this id has another draft",
}


def register(templates: CommandGroup) -> None:
    export = templates.add(
        "export",
        export_templates,
        "write templates to a file",
        "Writes all templates, or those that are named, to a file for another organization or installation.",
    )
    export.add_argument("template", metavar="ID|NAME", nargs="*")
    export.add_argument(
        "--format", choices=["xml", "json"], help="default: by the name of the file, else json"
    )
    export.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    export.add_argument("--force", action="store_true", help="replace a file that is there")
    importing = templates.add(
        "import",
        import_templates,
        "make templates from a file",
        "Imports a file whole or not at all. What arrives is archived: nobody is offered it before you publish it.",
    )
    importing.add_argument("file", type=Path, metavar="FILE")
    importing.add_argument("--dry-run", action="store_true", help="say what would happen and do nothing")
    importing.add_argument(
        "--map",
        action="append",
        type=mapping,
        default=[],
        metavar="NAME=WHO",
        help="for a group, person or organization that is not known here: whom to take instead, or nobody (may be "
        "repeated)",
    )
    importing.add_argument(
        "--copies", action="store_true", help="make new templates even of those that are there already"
    )
    importing.add_argument("--yes", action="store_true", help="do not ask")


def mapping(text: str) -> tuple[str, str]:
    """``group:Legal=group:Law``; the last equals sign divides."""
    name, equals, who = text.rpartition("=")
    if not equals or not name.strip() or not who.strip():
        raise ArgumentTypeError(f"“{text}” is not NAME=WHO")
    return name.strip(), who.strip()


def export_templates(context: Context) -> Exit:
    args, administration = context.args, context.administration()
    form = args.format or ("xml" if args.out and args.out.suffix.lower() == ".xml" else "json")
    ids = [find_template(administration, wanted) for wanted in args.template]
    if args.out is None:
        administration.export_templates(form, ids, context.output.content_stream())
        return Exit.OK
    with complete_file(args.out, mode=0o644, overwrite=args.force) as stream:
        administration.export_templates(form, ids, stream)
    context.output.line(str(args.out))
    context.output.result({"file": str(args.out), "format": form})
    return Exit.OK


def import_templates(context: Context) -> Exit:
    args, administration = context.args, context.administration()
    body: dict[str, object] = {
        "file": _read(args.file),
        "mapping": dict(args.map),
        "copies": args.copies,
        "dry_run": True,
    }
    plan = administration.import_templates(body)
    _print(context, plan)
    unknown = [each.text("name") for each in _records(plan, "unknown")]
    if args.dry_run:
        context.output.result(plan.json)
        return Exit.OK
    if unknown:
        names = ", ".join(unknown)
        raise UsageError(
            "unknown_identities",
            f"Not known in this organization: {names}. Say --map NAME=WHO, or NAME=nobody.",
        )
    outcomes = [each.text("outcome") for each in _records(plan, "templates")]
    made, drafts = sum(each in ("new", "copy") for each in outcomes), outcomes.count("draft")
    if not made and not drafts:
        context.output.line("There is nothing to import.")
        context.output.result(plan.json)
        return Exit.OK
    context.confirm(f"{made} templates are made, {drafts} get a new draft. Nothing is published.")
    done = administration.import_templates({**body, "dry_run": False})
    context.output.line("Imported.")
    context.output.result(done.json)
    return Exit.OK


def _read(path: Path) -> str:
    try:
        data = path.read_bytes() if str(path) != "-" else sys.stdin.buffer.read(_MAX_BYTES + 1)
    except OSError as problem:
        raise UsageError("unreadable", f"{path} cannot be read: {problem.strerror}.") from None
    if len(data) > _MAX_BYTES:
        raise UsageError("too_large", f"{path} is larger than {_MAX_BYTES // 2**20} MiB.")
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise UsageError("bad_file", f"{path}, line {line}: this is not UTF-8.") from None


def _print(context: Context, plan: Record) -> None:
    rows = []
    for each in _records(plan, "templates"):
        what = _OUTCOMES.get(each.text("outcome"), each.text("outcome")).format(state=each.text("state"))
        rows.append((each.shown("name"), what, "name taken" if each.texts("names_taken") else ""))
        for who in _records(each, "who"):
            if who.text("how") in ("name", "address", "mapped", "left_out"):
                context.output.remark(
                    f"{who.text('name')}: {who.text('entry')} ({who.text('how').replace('_', ' ')})"
                )
    context.output.table(("TEMPLATE", "WHAT HAPPENS", ""), rows)
    for who in _records(plan, "unknown"):
        context.output.remark(f"{who.text('name')}: not known here. {who.shown('problem')}".rstrip())


def _records(answer: Record, name: str) -> list[Record]:
    value = answer.json.get(name)
    return [Record(row, name) for row in value] if isinstance(value, list) else []
