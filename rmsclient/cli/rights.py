"""``grant``, ``withdraw``, ``access``, ``admin … what-if``, ``admin limits``: who may open, now and why."""

from collections.abc import Iterable
from urllib.parse import urlencode
from uuid import UUID

from rms.rights import LEVEL_NAMES, LEVELS, SPECIAL_NAMES, SPECIALS
from rmsclient.administration import Record
from rmsclient.cli.context import CommandGroup, CommandParser, Context
from rmsclient.cli.documents import find_document
from rmsclient.cli.policy import grant
from rmsclient.cli.templates import find_template
from rmsclient.errors import Exit
from rmsclient.times import local_time

_LIMITS = ("own_permissions", "outsiders", "anyone")
_OUTCOMES = {
    "granted": "can open it",
    "denied": "has no access",
    "revoked": "cannot open it: access has been revoked",
    "expired": "cannot open it: it has expired",
    "needs factor": "can open it with a second factor only",
    "inactive": "cannot open it: protection is switched off",
    "suspended": "cannot open it: the account is suspended",
}
_REASONS = {
    "issuer": "protected it, which is full control for good",
    "owner": "owns it, which is full control",
    "super user": "is a super user",
    "members": "belongs to the organization",
    "organization": "belongs to an organization that is granted",
    "anyone": "anybody who signs in is granted",
}


def register(group: CommandGroup) -> None:
    give = group.add(
        "grant",
        grant_access,
        "let somebody open a document that was sent already",
        "Changes who may open a document protected for named people, without sending it again. For an address, what "
        "you say here is what its holder has, whatever groups they are in; for anything wider it replaces that grant.",
    )
    give.add_argument("document", metavar="FILE|CONTENT-ID")
    give.add_argument("grants", nargs="+", type=grant, metavar="WHO=LEVEL|RIGHT,…")
    take = group.add("withdraw", withdraw_access, "take access to a document from somebody")
    take.add_argument("document", metavar="FILE|CONTENT-ID")
    take.add_argument("who", nargs="+", metavar="WHO")
    take.add_argument("--yes", action="store_true", help="do not ask")
    for parser in (give, take):
        parser.add_argument("--reason", default="", metavar="TEXT", help="kept in the document's history")
    show = group.add("access", show_access, "show who was granted access to a document, and every change")
    show.add_argument("document", metavar="FILE|CONTENT-ID")
    show.add_argument("--undo", type=UUID, metavar="CHANGE-ID", help="undo one change first")


def register_admin(group: CommandGroup, templates: CommandGroup) -> None:
    parser = templates.add(
        "what-if", template_what_if, "who could open content protected with a template, and why"
    )
    parser.add_argument("template", metavar="ID|NAME")
    _add_question(parser)
    parser.add_argument("--draft", action="store_true", help="by the rules that wait to be published")
    parser.add_argument(
        "--list", choices=("gaining", "losing"), help="with --draft: those who would gain or lose access"
    )
    documents = group.subgroup("documents", "the organization's documents")
    parser = documents.add("what-if", document_what_if, "who can open a document, and why")
    parser.add_argument("document", metavar="FILE|CONTENT-ID")
    _add_question(parser)
    limits = group.subgroup("limits", "what people may grant when they protect")
    limits.add("show", show_limits, "show the limits")
    change = limits.add(
        "set",
        set_limits,
        "change limits; what is not named stays",
        "What is protected already keeps opening. Outsiders are addresses and domains your organization has not proven.",
    )
    for name in _LIMITS:
        change.add_argument(f"--{name.replace('_', '-')}", choices=("yes", "no"))
    change.add_argument(
        "--default-template", metavar="ID|NAME|none", help="offered first, and taken where none is named"
    )


def grant_access(context: Context) -> Exit:
    wanted = [(each.who, ",".join(each.rights)) for each in context.args.grants]
    return _change(context, wanted)


def withdraw_access(context: Context) -> Exit:
    administration, content_id = find_document(context, context.args.document)
    until = administration.document(content_id).optional_moment("access_until")
    lasting = f" What they opened before may stay readable until {local_time(until)}." if until else ""
    context.confirm(f"{', '.join(context.args.who)} cannot open it any more.{lasting}")
    return _change(context, [(who, "") for who in context.args.who])


def show_access(context: Context) -> Exit:
    administration, content_id = find_document(context, context.args.document)
    path = f"/documents/{content_id}/access/"
    if context.args.undo:
        _show(context, administration.create(f"{path}{context.args.undo}/undo/", {}))
    else:
        _show(context, administration.record(path))
    return Exit.OK


def template_what_if(context: Context) -> Exit:
    template = find_template(context.administration(), context.args.template)
    query = {"of": "draft"} if context.args.draft or context.args.list else {}
    if context.args.list:
        query["list"] = context.args.list
    return _answer(context, f"/templates/{template}/what-if/", query)


def document_what_if(context: Context) -> Exit:
    _administration, content_id = find_document(context, context.args.document)
    return _answer(context, f"/documents/{content_id}/what-if/")


def show_limits(context: Context) -> Exit:
    _show_limits(context, context.administration().record("/organization/limits/"))
    return Exit.OK


def set_limits(context: Context) -> Exit:
    args = vars(context.args)
    body: dict[str, object] = {name: args[name] == "yes" for name in _LIMITS if args[name]}
    wanted = context.args.default_template
    if wanted:
        body["default_template"] = (
            None if wanted == "none" else str(find_template(context.administration(), wanted))
        )
    _show_limits(context, context.administration().change("PATCH", "/organization/limits/", body))
    return Exit.OK


def _add_question(parser: CommandParser) -> None:
    parser.add_argument("--person", metavar="MAIL", help="say what this person could do, and why")


def _change(context: Context, wanted: Iterable[tuple[str, str]]) -> Exit:
    administration, content_id = find_document(context, context.args.document)
    changes = [{"who": who, "rights": rights} for who, rights in wanted]
    body = {"changes": changes, "reason": context.args.reason}
    _show(context, administration.create(f"/documents/{content_id}/access/", body))
    return Exit.OK


def _show(context: Context, access: Record) -> None:
    if access.shown("from_template") == "yes":
        context.output.line("A template decides who may open it.")
    special = access.shown("special")
    if special:
        context.output.line(f"{SPECIAL_NAMES.get(special, special)}.")
    granted = [*access.records("grants"), *access.records("decided")]
    context.output.table(
        ("WHO", "MAY"), [(each.text("principal"), rights_text(each.texts("rights"))) for each in granted]
    )
    history = access.records("history")
    if history:
        context.output.line()
        context.output.table(
            ("TIME", "BY", "WHO", "MAY", "WHY", "CHANGE"),
            [
                (
                    each.local_time("time"),
                    each.text("actor"),
                    each.text("principal"),
                    _after(each),
                    each.shown("reason"),
                    each.text("id"),
                )
                for each in history
            ],
        )
    until = access.optional_moment("access_until")
    if until:
        context.output.line(
            f"What was opened before may stay readable under the old rights until {local_time(until)}."
        )
    context.output.result(access.json)


def _after(change: Record) -> str:
    return "as protected" if change.json.get("after") is None else rights_text(change.texts("after"))


def _answer(context: Context, path: str, query: dict[str, str] | None = None) -> Exit:
    administration, query = context.administration(), query or {}
    if context.args.person:
        answer = administration.record(f"{path}?{urlencode({**query, 'person': context.args.person})}")
        context.output.line(
            f"{answer.text('person')} {_OUTCOMES.get(answer.text('outcome'), answer.text('outcome'))}."
        )
        if answer.texts("rights"):
            context.output.line(f"Rights: {rights_text(answer.texts('rights'))}")
        for reason in answer.records("reasons"):
            context.output.line(f"- {_reason(reason)}")
        if answer.shown("may_belong") == "yes":
            context.output.line(
                "- another organization is granted; only that one knows whether they belong to it"
            )
        context.output.result(answer.json)
        return Exit.OK
    first = administration.record(f"{path}?{urlencode(query)}")
    people = list(administration.records(path, query))
    context.output.line(f"{first.number('count')} of the organization can open it.")
    if "gaining" in first:
        context.output.line(
            f"By publishing the draft, {first.number('gaining')} gain access and {first.number('losing')} lose it."
        )
    context.output.table(("PERSON", "NAME"), [(each.text("person"), each.shown("name")) for each in people])
    for each in first.records("outside"):
        context.output.line(f"Outside: {each.text('principal')}: {rights_text(each.texts('rights'))}")
    context.output.result({**first.json, "next": None, "results": [each.json for each in people]})
    return Exit.OK


def _reason(reason: Record) -> str:
    way = list(reason.texts("way"))
    kind = reason.text("kind")
    granted = reason.json.get("grant")
    if not isinstance(granted, dict):
        return _REASONS.get(kind, kind)
    held = Record(granted, "grant")
    through = " > ".join(way) or held.text("principal")
    text = (
        _REASONS.get(kind)
        or {"group": "in the group", "decided": "decided afterwards for"}.get(kind, "by") + f" {through}"
    )
    return f"{text}: {rights_text(held.texts('rights'))}"


def _show_limits(context: Context, limits: Record) -> None:
    context.output.fields(
        [(name.replace("_", " ").capitalize(), limits.shown(name)) for name in (*_LIMITS, "default_template")]
    )
    context.output.result(limits.json)


def rights_text(rights: Iterable[str]) -> str:
    """The level or special policy that has exactly these rights, else the rights; "nothing" for none."""
    held = list(rights)
    names, known = {**LEVEL_NAMES, **SPECIAL_NAMES}, {**LEVELS, **SPECIALS}
    name = next((names[role] for role, expected in known.items() if set(expected) == set(held)), "")
    return name or ", ".join(held) or "nothing"
