"""``track``, ``revoke``, ``restore``: what became of the documents one protected."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

from rmsclient.administration import Administration, Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, UsageError
from rmsclient.inspection import license_of
from rmsclient.times import local_time

_RESULTS = {
    "Success": "opened",
    "AccessDenied": "refused",
    "AccessRevoked": "refused: revoked",
    "ContentExpired": "refused: expired",
}


def register(group: CommandGroup) -> None:
    track = group.add(
        "track",
        track_documents,
        "list your documents, or show who opened one",
        "Without an argument: the documents you may track. With one: its openings and refusals.",
    )
    track.add_argument("document", nargs="?", metavar="FILE|CONTENT-ID")
    track.add_argument("--search", metavar="TEXT", help="only documents whose name or owner contains TEXT")
    revoke = group.add(
        "revoke",
        revoke_document,
        "withdraw access to a document",
        "Withdraws access for everybody but you, the one who protected it. Whoever opened the document "
        "before may have a license on their device that lasts some time yet; the answer says until when.",
    )
    revoke.add_argument("document", metavar="FILE|CONTENT-ID")
    revoke.add_argument("--reason", default="", metavar="TEXT", help="for the log")
    revoke.add_argument("--yes", action="store_true", help="do not ask")
    restore = group.add("restore", restore_document, "undo a revocation")
    restore.add_argument("document", metavar="FILE|CONTENT-ID")


def track_documents(context: Context) -> Exit:
    if context.args.document is None:
        return _list(context)
    administration, content_id = find_document(context, context.args.document)
    document = administration.document(content_id)
    openings = list(administration.openings(content_id))
    _show(context, document)
    context.output.line()
    if openings:
        context.output.table(
            ("TIME", "WHO", "RESULT", "FROM", "APPLICATION"), [_opening_row(opening) for opening in openings]
        )
    else:
        context.output.line("Nobody has asked to open it yet.")
    context.output.result({**document.json, "openings": [opening.json for opening in openings]})
    return Exit.OK


def revoke_document(context: Context) -> Exit:
    administration, content_id = find_document(context, context.args.document)
    document = administration.document(content_id)
    context.confirm(
        f"{_title(document)} can then be opened by nobody but the person who protected it. "
        + _lasting(document.optional_moment("access_until"))
    )
    revoked = administration.revoke(content_id, context.args.reason)
    context.output.line(f"Access to {_title(revoked)} is revoked.")
    context.output.line(_lasting(revoked.optional_moment("access_until")))
    context.output.result(revoked.json)
    return Exit.OK


def restore_document(context: Context) -> Exit:
    administration, content_id = find_document(context, context.args.document)
    restored = administration.restore(content_id)
    context.output.line(f"Access to {_title(restored)} is restored.")
    context.output.result(restored.json)
    return Exit.OK


def _list(context: Context) -> Exit:
    documents = list(context.administration().documents(context.args.search))
    if not documents:
        context.output.line("No documents.")
    else:
        context.output.table(
            ("PROTECTED", "NAME", "POLICY", "OPENED", "REFUSED", "STATE", "CONTENT ID"),
            [_document_row(document) for document in documents],
        )
    context.output.result({"documents": [document.json for document in documents]})
    return Exit.OK


def find_document(context: Context, given: str) -> tuple[Administration, UUID]:
    """The document meant, and the server to ask: the file's own, or for an id the usual one."""
    path = Path(given)
    if path.exists():
        parsed = license_of(path)
        transport = context.connections.for_license(parsed.licensing_url)
        return Administration(transport), parsed.content_id
    try:
        return context.administration(), UUID(given.strip("{}"))
    except ValueError:
        raise UsageError("no_such_file", f"“{given}” is neither a file nor a content id.") from None


def _show(context: Context, document: Record) -> None:
    context.output.fields(
        [
            ("Document", _title(document)),
            ("Content id", document.shown("content_id")),
            ("Protected by", document.shown("issuer")),
            ("Owner", document.shown("owner")),
            ("Policy", document.shown("name")),
            ("Protected on", document.local_time("published_at")),
            ("Expires", document.local_time("expires_at") or "never"),
            ("Revoked", document.local_time("revoked_at")),
            ("Opened", document.shown("opened")),
            ("Refused", document.shown("denied")),
        ]
    )


def _document_row(document: Record) -> tuple[str, ...]:
    return (
        document.local_time("published_at"),
        _title(document),
        document.shown("name"),
        document.shown("opened"),
        document.shown("denied"),
        "revoked" if "revoked_at" in document else "",
        document.shown("content_id"),
    )


def _opening_row(opening: Record) -> tuple[str, ...]:
    result = opening.shown("result").strip("'")
    who = opening.shown("user") or "(unknown)"
    owner = opening.shown("acting_as_user")  # whose document a super user opened by that power
    return (
        opening.local_time("time"),
        f"{who} (super user, for {owner})" if owner else who,
        _RESULTS.get(result, f"refused: {result}"),
        opening.shown("ip"),
        _application(opening.shown("application")),
    )


def _application(text: str) -> str:
    """``AppName=…;AppVersion=…;DevicePlatform=…;`` as devices state it, for people."""
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    if "AppName" not in parts:
        return text
    known = (parts["AppName"], parts.get("AppVersion", ""), parts.get("DevicePlatform", ""))
    return " ".join(filter(None, known))


def _lasting(until: datetime | None) -> str:
    """What licenses handed out before still allow: nothing recalls them."""
    if until is None:
        return "No license on any device allows reading on."
    return f"Whoever opened it before may go on reading without asking again until {local_time(until)}."


def _title(document: Record) -> str:
    return document.shown("file_name") or document.shown("content_id")
