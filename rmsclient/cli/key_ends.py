"""``admin keys disable | enable | destroy | approve | cancel | certificate | verify-certificate``: the end of a key."""

from itertools import islice
from pathlib import Path

from rms.destruction import MAX_SIZE, read_certificate
from rms.errors import FormatError
from rmsclient.administration import Administration, Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.cli.keys import find_key
from rmsclient.errors import Exit, UsageError
from rmsclient.files import complete_file

_SHOWN = 100


def register(keys: CommandGroup) -> None:
    disable = keys.add(
        "disable",
        disable_key,
        "let an archived key open nothing, until it is enabled again",
        "Names the documents that then open for nobody, whose they are and who opened them last; then asks.",
    )
    disable.add_argument("--dry-run", action="store_true", help="only name the documents, change nothing")
    enable = keys.add("enable", enable_key, "let a disabled key open again")
    destroy = keys.add(
        "destroy",
        destroy_key,
        "ask for a disabled key to be destroyed for good",
        "Another administrator approves it (rightskeep admin keys approve); then the days of grace begin.",
    )
    destroy.add_argument("--reason", required=True, help="all administrators read it")
    destroy.add_argument("--grace", type=int, metavar="DAYS", help="1 to 90 days after the approval (7)")
    approve = keys.add("approve", approve_destruction, "approve the destruction that somebody else asked for")
    cancel = keys.add("cancel", cancel_destruction, "cancel a destruction, until the last moment")
    certificate = keys.add("certificate", download_certificate, "fetch the certificate of a destroyed key")
    certificate.add_argument("--out", required=True, metavar="FILE")
    for parser in (disable, enable, destroy, approve, cancel, certificate):
        parser.add_argument("key", metavar="ID|FINGERPRINT", help="the beginning of a fingerprint is enough")
    for parser in (disable, enable, destroy, approve, cancel):
        parser.add_argument("--yes", action="store_true", help="do not ask")
    verify = keys.add(
        "verify-certificate",
        verify_certificate,
        "check the certificate of a destroyed key, without the server",
    )
    verify.add_argument("certificate", metavar="FILE")
    verify.add_argument("--signed-by", metavar="FINGERPRINT", help="the key that has to have signed it")


def disable_key(context: Context) -> Exit:
    administration, key = _key(context)
    rows = list(islice(administration.records(f"/keys/{key.guid('id')}/documents/"), _SHOWN))
    context.output.table(
        ("DOCUMENT", "PROTECTED BY", "LAST OPENED BY", "ID"),
        [
            (
                row.shown("file_name") or row.shown("name"),
                row.shown("issuer"),
                ", ".join(row.texts("last_readers")),
                row.shown("content_id"),
            )
            for row in rows
        ],
    )
    if context.args.dry_run:
        context.output.result({"key": key.json, "documents": [row.json for row in rows]})
        return Exit.OK
    context.confirm(_losses(key, "open for nobody until it is enabled again"))
    return _changed(context, administration.post(f"/keys/{key.guid('id')}/disable/"))


def enable_key(context: Context) -> Exit:
    administration, key = _key(context)
    context.confirm(f"What is sealed to {key.shown('fingerprint')[:16]} opens again, to whom it is granted.")
    return _changed(context, administration.post(f"/keys/{key.guid('id')}/enable/"))


def destroy_key(context: Context) -> Exit:
    administration, key = _key(context)
    context.confirm(_losses(key, "never open again"))
    grace = {} if context.args.grace is None else {"grace_days": context.args.grace}
    asked = administration.change(
        "POST", f"/keys/{key.guid('id')}/destroy/", {"reason": context.args.reason, **grace}
    )
    context.output.line("It waits for another administrator: rightskeep admin keys approve")
    context.output.result(asked.json)
    return Exit.OK


def approve_destruction(context: Context) -> Exit:
    administration, key = _key(context)
    asked = key.record("destruction")
    if asked is None:
        raise UsageError("not_asked", "Nobody asked for this key to be destroyed.")
    context.confirm(
        f"{asked.shown('asked_by')} asks for it: {asked.shown('reason')}. "
        + _losses(key, f"never open again {asked.shown('grace_days')} days from now")
    )
    done = administration.change(
        "POST", f"/keys/{key.guid('id')}/destroy/approve/", {"destruction": asked.text("id")}
    )
    context.output.line(f"The key is destroyed on {done.local_time('due_at')}; rightskeep admin keys cancel")
    context.output.result(done.json)
    return Exit.OK


def cancel_destruction(context: Context) -> Exit:
    administration, key = _key(context)
    context.confirm("The key is not destroyed; it stays disabled.")
    done = administration.post(f"/keys/{key.guid('id')}/destroy/cancel/")
    context.output.line("The destruction is canceled.")
    context.output.result(done.json)
    return Exit.OK


def download_certificate(context: Context) -> Exit:
    administration, key = _key(context)
    with complete_file(Path(context.args.out)) as stream:
        administration.download(f"/keys/{key.guid('id')}/certificate/", stream)
    context.output.line(f"{context.args.out}: check it with: rightskeep admin keys verify-certificate")
    context.output.result({"out": context.args.out})
    return Exit.OK


def verify_certificate(context: Context) -> Exit:
    name, wanted = context.args.certificate, context.args.signed_by
    try:
        with Path(name).open("rb") as stream:
            found = read_certificate(stream.read(MAX_SIZE + 1))
    except OSError as error:
        raise UsageError("file_unreadable", f"{name} cannot be read: {error.strerror}.") from error
    except FormatError as error:
        raise UsageError("bad_certificate", f"{name}: {error}") from error
    if wanted and not (len(wanted) >= 16 and found.signed_by.startswith(wanted.casefold())):
        raise UsageError("other_signer", f"{name} is signed by the key {found.signed_by}, not by {wanted}.")
    for title, value in found.statement.items():
        lines = value if isinstance(value, list) else [value]
        if isinstance(value, dict):
            lines = [f"{part}: {each}" for part, each in value.items()]
        context.output.fields([(title.replace("_", " "), "; ".join(map(str, lines)))])
    context.output.line(
        f"The signature fits. It is by the key {found.signed_by}: compare that with a key you know to be the organization's."
    )
    context.output.result({"signed_by": found.signed_by, "statement": dict(found.statement)})
    return Exit.OK


def _key(context: Context) -> tuple[Administration, Record]:
    administration = context.administration()
    return administration, administration.key(find_key(administration, context.args.key).shown("id"))


def _losses(key: Record, what: str) -> str:
    return (
        f"{key.shown('need_private_key')} registered documents that need the key {key.shown('fingerprint')[:16]}, and "
        f"{key.shown('unregistered')} that were seen and are in no register, {what}."
    )


def _changed(context: Context, key: Record) -> Exit:
    context.output.line(f"The key {key.shown('fingerprint')[:16]} is {key.shown('state')} now.")
    context.output.result(key.json)
    return Exit.OK
