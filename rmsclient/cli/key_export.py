"""``admin keys export …``: asking for the private keys, approving as the second person, downloading the package."""

from pathlib import Path
from uuid import UUID

from rmsclient.administration import Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, UsageError
from rmsclient.files import complete_file

_PATH = "/keys/exports/"
_MAX_PEM = 16 * 1024


def register(keys: CommandGroup) -> None:
    export = keys.subgroup("export", "hand the private keys over, sealed for a recipient")
    request = export.add(
        "request",
        request_export,
        "ask for an export",
        "Asks for all private keys that can be handed over. Another person has to approve; all administrators get a mail.",
    )
    request.add_argument(
        "--recipient", type=Path, required=True, metavar="FILE", help="the public RSA key (PEM) to seal for"
    )
    request.add_argument("--reason", required=True, help="all administrators read it")
    export.add("list", list_exports, "list the exports, newest first")
    show = export.add("show", show_export, "show one export with the recipient's fingerprint")
    approve = export.add("approve", approve_export, "approve an export as the second person")
    end = export.add("end", end_export, "reject or cancel an export")
    download = export.add("download", download_package, "download the package of an approved export")
    for parser in (show, approve, end, download):
        parser.add_argument("export", type=UUID, metavar="ID")
    download.add_argument("--out", type=Path, required=True, metavar="FILE")
    wait = export.add("wait", show_or_set_wait, "show how long approvers have held the role, or change it")
    wait.add_argument(
        "--hours", type=int, help="1 to 720; a shorter time counts when the present one has passed"
    )
    for parser in (request, approve, end):
        parser.add_argument("--yes", action="store_true", help="do not ask")


def request_export(context: Context) -> Exit:
    data = context.args.recipient.read_bytes()
    if b"PRIVATE KEY" in data or len(data) > _MAX_PEM:
        raise UsageError("not_public", "This is not a public key. Nothing was sent.")
    context.confirm(
        "Whoever has the package and the recipient's private key can open everything these keys protect, for ever, whatever "
        "rights say."
    )
    asked = {"reason": context.args.reason, "recipient_key": data.decode("ascii", "replace")}
    made = context.administration().create(_PATH, asked)
    context.output.line(
        f"Asked for. Another administrator approves: rightskeep admin keys export approve {made.text('id')}"
    )
    return _shown(context, made)


def list_exports(context: Context) -> Exit:
    found = list(context.administration().records(_PATH))
    context.output.table(
        ("STATE", "RECIPIENT", "ASKED FOR BY", "ON", "UNTIL", "DOWNLOADS", "ID"),
        [
            (
                one.shown("state"),
                one.shown("recipient_fingerprint")[:16],
                one.shown("requested_by"),
                one.local_time("requested_at"),
                one.local_time("expires_at"),
                one.shown("downloads"),
                one.shown("id"),
            )
            for one in found
        ],
    )
    context.output.result({"exports": [one.json for one in found]})
    return Exit.OK


def show_export(context: Context) -> Exit:
    return _shown(context, context.administration().record(_path(context)))


def approve_export(context: Context) -> Exit:
    administration = context.administration()
    asked = administration.record(_path(context))
    context.confirm(
        f"{asked.shown('requested_by')} asks for the private keys, for the recipient's key "
        f"{asked.shown('recipient_fingerprint')}: {asked.shown('reason')}. Compare that fingerprint with the recipient's."
    )
    return _shown(context, administration.post(f"{_path(context)}approve/"))


def end_export(context: Context) -> Exit:
    context.confirm("The export ends: nothing is downloaded any more.")
    return _shown(context, context.administration().post(f"{_path(context)}end/"))


def download_package(context: Context) -> Exit:
    path = context.args.out
    with complete_file(path) as stream:
        size = context.administration().download(f"{_path(context)}package/", stream)
    context.output.line(f"{path}")
    context.output.result({"file": str(path), "size": size})
    return Exit.OK


def show_or_set_wait(context: Context) -> Exit:
    administration, path = context.administration(), f"{_PATH}waiting/"
    hours = context.args.hours
    wait = (
        administration.record(path) if hours is None else administration.change("PUT", path, {"hours": hours})
    )
    context.output.fields(
        [
            ("approvers have held the role for", f"{wait.shown('hours')} hours"),
            ("from then on fewer hours", wait.shown("next_hours")),
            ("from", wait.local_time("next_at")),
        ]
    )
    context.output.result(wait.json)
    return Exit.OK


def _path(context: Context) -> str:
    return f"{_PATH}{context.args.export}/"


def _shown(context: Context, export: Record) -> Exit:
    names = (
        "id",
        "state",
        "reason",
        "recipient_fingerprint",
        "requested_by",
        "approved_by",
        "ended_by",
        "downloads",
    )
    context.output.fields([(name.replace("_", " "), export.shown(name)) for name in names])
    times = ("requested_at", "approved_at", "expires_at", "ended_at", "downloaded_at")
    context.output.fields([(name.replace("_", " "), export.local_time(name)) for name in times])
    context.output.result(export.json)
    return Exit.OK
