"""``admin organization export``, ``delete`` and ``keep``: taking the data along, and deleting the organization."""

import time
from pathlib import Path

from rmsclient.administration import Administration, Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, ServerError
from rmsclient.files import complete_file

_POLL_SECONDS = 2.0
_EXPORT = "/organization/export/"
_REMOVAL = "/organization/removal/"


def register(organization: CommandGroup) -> None:
    export = organization.add("export", export_data, "have an archive of everything made, and download it")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="the ZIP file to write")
    export.add_argument(
        "--timeout", type=int, default=3600, metavar="SECONDS", help="how long to wait (3600)"
    )
    delete = organization.add("delete", delete_organization, "ask for the deletion of the organization")
    delete.add_argument("--reason", required=True)
    delete.add_argument("--yes", action="store_true", help="do not ask")
    organization.add("keep", keep_organization, "take the deletion back, as long as it has not begun")


def export_data(context: Context) -> Exit:
    administration, path = context.administration(), context.args.out
    with complete_file(path) as stream:  # before the server is asked: a file in the way is told at once
        ready = _wait(context, administration, administration.create(_EXPORT, {}))
        administration.download(f"{_EXPORT}file/", stream)
    context.output.line(f"{path}")
    context.output.result({**ready.json, "file": str(path)})
    return Exit.OK


def delete_organization(context: Context) -> Exit:
    administration = context.administration()
    organization, state = administration.organization(), administration.record(_REMOVAL)
    name, days = organization.text("name"), state.shown("grace_days")
    context.confirm(
        f"{name} is deleted in {days} days with all its people, keys, templates and logs; what it protected can never be "
        "opened again. Until then it can be taken back (rightskeep admin organization keep)."
    )
    asked = administration.create(_REMOVAL, {"name": name, "reason": context.args.reason})
    context.output.line(f"{name} is going to be deleted in {days} days.")
    context.output.result(asked.json)
    return Exit.OK


def keep_organization(context: Context) -> Exit:
    kept = context.administration().change("DELETE", _REMOVAL, {})
    context.output.line("The organization is not going to be deleted.")
    context.output.result(kept.json)
    return Exit.OK


def _wait(context: Context, administration: Administration, export: Record) -> Record:
    deadline = time.monotonic() + context.args.timeout
    while export.text("state") == "being_made":
        if time.monotonic() > deadline:
            raise ServerError("export_pending", "The archive is still being made; ask for it again later.")
        time.sleep(_POLL_SECONDS)
        export = administration.record(_EXPORT)
    if export.text("state") != "ready":
        raise ServerError("export_failed", "The archive could not be made. Tell the operator.")
    return export
