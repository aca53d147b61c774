"""``admin templates``: write drafts, publish, archive, order, go back to an earlier version."""

import json
import re
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from uuid import UUID

from rms.rights import LEVEL_NAMES, LEVELS
from rmsclient.administration import Administration, Record
from rmsclient.cli.context import Command, CommandGroup, CommandParser, Context
from rmsclient.cli.policy import grant
from rmsclient.errors import Exit, UsageError
from rmsclient.licensing import GrantRequest
from rmsclient.times import iso_utc, parse_expiry

_RULES = (
    "default_language", "names", "grants", "expiry", "expires_at", "expires_after_days", "offline_days",
    "visible_to_all", "scope",
)  # fmt: skip
_IN_LANGUAGE = re.compile(r"([A-Za-z]{2}(?:-[A-Za-z]{2,4})?)=(.*)", re.DOTALL)
_MAX_FILE = 2**20
Rules = dict[str, object]


def register(group: CommandGroup) -> CommandGroup:
    """Registers ``admin templates`` and hands the group on, for further commands."""
    templates = group.subgroup("templates", "the organization's templates")
    templates.add("list", list_templates, "list all templates, also those you may not choose")
    show = _about_one(templates, "show", show_template, "show one template with its grants")
    show.add_argument("--draft", action="store_true", help="the rules that wait to be published")
    create = templates.add(
        "create",
        create_template,
        "make a template, as a draft",
        "Makes a template, as a draft: publish it next.",
    )
    edit = _about_one(templates, "edit", edit_template, "change the draft of a template; the rest stays")
    edit.add_argument("--ungrant", action="append", default=[], metavar="WHO", help="take a grant out")
    for parser in (create, edit):
        _add_rules(parser)
    for name, run, summary, asks in (
        ("publish", publish_template, "make the draft decide, also about what is protected", True),
        ("discard", discard_draft, "drop the changes that were not published", True),
        ("archive", archive_template, "offer it to nobody any more; what it protects still opens", False),
        ("unarchive", unarchive_template, "offer an archived template again", False),
        ("copy", copy_template, "make a draft with the same rules", False),
        ("delete", delete_template, "delete a template on which nothing hangs", True),
    ):
        parser = _about_one(templates, name, run, summary)
        if asks:
            parser.add_argument("--yes", action="store_true", help="do not ask")
    versions = _about_one(
        templates, "versions", show_versions, "list the versions, or show one with what it changed"
    )
    versions.add_argument("number", nargs="?", type=int)
    restore = _about_one(
        templates, "restore", restore_version, "make the rules of an earlier version the draft"
    )
    restore.add_argument("number", type=int)
    move = _about_one(templates, "move", move_template, "put it at a place of the list, 1 being the first")
    move.add_argument("place", type=_place)
    return templates


def _about_one(templates: CommandGroup, name: str, run: Command, summary: str) -> CommandParser:
    parser = templates.add(name, run, summary)
    parser.add_argument("template", metavar="ID|NAME")
    return parser


def _add_rules(parser: CommandParser) -> None:
    parser.add_argument(
        "--file",
        metavar="FILE|-",
        help="rules as JSON, as `show --json` prints them; the options come on top",
    )
    parser.add_argument("--name", action="append", default=[], metavar="[LANGUAGE=]TEXT")
    parser.add_argument("--description", action="append", default=[], metavar="[LANGUAGE=]TEXT")
    parser.add_argument("--default-language", metavar="LANGUAGE", help="the language others fall back to")
    parser.add_argument(
        "--grant",
        action="append",
        type=grant,
        default=[],
        metavar="WHO=LEVEL|RIGHT,…",
        help="as with protect; replaces what WHO had",
    )
    parser.add_argument("--expires", type=_expires, metavar="never|DATE|DAYSd", help="when content expires")
    parser.add_argument(
        "--offline", type=_offline, metavar="always|never|DAYS", help="how long without asking again"
    )
    parser.add_argument(
        "--offer-to",
        action="append",
        default=[],
        metavar="all|ADDRESS|GROUP",
        help="who sees and chooses it (may be repeated)",
    )


def list_templates(context: Context) -> Exit:
    templates = list(context.administration().templates())
    rows = [
        (
            t.shown("name"),
            t.shown("state"),
            t.shown("version"),
            "yes" if t.json.get("has_draft") else "",
            t.text("id"),
        )
        for t in templates
    ]
    context.output.table(("NAME", "STATE", "VERSION", "DRAFT", "ID"), rows)
    context.output.result({"templates": [template.json for template in templates]})
    return Exit.OK


def show_template(context: Context) -> Exit:
    template = _found(context)
    draft = template.json.get("draft")
    if context.args.draft and not isinstance(draft, dict):
        raise UsageError("no_draft", "Nothing of this template waits to be published.")
    return _print(
        context, template, draft if context.args.draft and isinstance(draft, dict) else template.json
    )


def create_template(context: Context) -> Exit:
    rules = _changed(context, _from_file(context))
    made = context.administration().create("/templates/", rules)
    context.output.line("Made as a draft. Next: rightskeep admin templates publish")
    return _print(context, made, made.json)


def edit_template(context: Context) -> Exit:
    template = _found(context)
    draft = template.json.get("draft")
    known = draft if isinstance(draft, dict) else template.json
    rules = _changed(context, {name: known.get(name) for name in _RULES} | _from_file(context))
    body = rules | {"revision": template.number("revision")}
    saved = context.administration().change("PUT", _path(template), body)
    context.output.line("Saved as a draft. It decides when you publish it.")
    shown = saved.json.get("draft")
    return _print(context, saved, shown if isinstance(shown, dict) else saved.json)


def publish_template(context: Context) -> Exit:
    template = _found(context)
    name = template.shown("name")
    context.confirm(
        f"The draft of “{name}” decides from now on, also about what was protected with it long ago."
    )
    revision = {"revision": template.number("revision")}
    published = context.administration().change("POST", f"{_path(template)}publish/", revision)
    context.output.line(f"Version {published.shown('version')} decides now.")
    context.output.result(published.json)
    return Exit.OK


def discard_draft(context: Context) -> Exit:
    template = _found(context)
    context.confirm(f"The changes of “{template.shown('name')}” that were not published are dropped.")
    context.administration().remove(f"{_path(template)}draft/")
    context.output.line("The draft was discarded.")
    context.output.result({"discarded": template.text("id")})
    return Exit.OK


def archive_template(context: Context) -> Exit:
    return _done(
        context, "archive", "Archived: nobody can choose it any more, and what it protects still opens."
    )


def unarchive_template(context: Context) -> Exit:
    return _done(context, "unarchive", "The template is offered again.")


def copy_template(context: Context) -> Exit:
    made = context.administration().create(f"{_path(_found(context))}copy/", {})
    context.output.line(f"Made as a draft: {made.shown('name')}")
    context.output.result(made.json)
    return Exit.OK


def delete_template(context: Context) -> Exit:
    template = _found(context)
    context.confirm(f"“{template.shown('name')}” is deleted with all its versions. This cannot be undone.")
    context.administration().remove(_path(template))
    context.output.line("The template is deleted.")
    context.output.result({"deleted": template.text("id")})
    return Exit.OK


def show_versions(context: Context) -> Exit:
    path = f"{_path(_found(context))}versions/"
    administration = context.administration()
    if context.args.number is None:
        versions = list(administration.records(path))
        context.output.table(
            ("VERSION", "PUBLISHED", "BY"),
            [(v.shown("number"), v.local_time("published_at"), v.shown("published_by")) for v in versions],
        )
        context.output.result({"versions": [version.json for version in versions]})
        return Exit.OK
    version = administration.record(f"{path}{context.args.number}/")
    context.output.fields(
        [("Version", version.shown("number")), ("Published", version.local_time("published_at"))]
    )
    difference = version.json.get("difference")
    for each in difference if isinstance(difference, list) else []:
        change = Record(each, "difference")
        values = [json.dumps(change.json.get(side), ensure_ascii=False) for side in ("before", "after")]
        context.output.line(f"{change.text('field')}: {values[0]} → {values[1]}")
    context.output.result(version.json)
    return Exit.OK


def restore_version(context: Context) -> Exit:
    template = _found(context)
    path = f"{_path(template)}versions/{context.args.number}/restore/"
    restored = context.administration().change("POST", path, {"revision": template.number("revision")})
    context.output.line(
        f"The draft has the rules of version {context.args.number}. Publish it to let them decide."
    )
    context.output.result(restored.json)
    return Exit.OK


def move_template(context: Context) -> Exit:
    path = f"{_path(_found(context))}move/"
    moved = context.administration().change("POST", path, {"position": context.args.place - 1})
    context.output.line(f"It stands at place {moved.number('position') + 1} now.")
    context.output.result(moved.json)
    return Exit.OK


def _done(context: Context, action: str, sentence: str) -> Exit:
    changed = context.administration().change("POST", f"{_path(_found(context))}{action}/", {})
    context.output.line(sentence)
    context.output.result(changed.json)
    return Exit.OK


def _found(context: Context) -> Record:
    administration = context.administration()
    return administration.template(find_template(administration, context.args.template))


def find_template(administration: Administration, wanted: str) -> UUID:
    """The id of the template with this id or name. Raises UsageError."""
    wanted = wanted.strip()
    found = [
        template.text("id")
        for template in administration.templates()
        if template.text("id").casefold() == wanted.strip("{}").casefold()
        or template.shown("name").casefold() == wanted.casefold()
    ]
    if len(found) != 1:
        many = "several templates are called" if found else "there is no template"
        raise UsageError("no_such_template", f"{many.capitalize()} “{wanted}”.")
    return UUID(found[0])


def _path(template: Record) -> str:
    return f"/templates/{UUID(template.text('id'))}/"


def _from_file(context: Context) -> Rules:
    name = context.args.file
    if name is None:
        return {}
    try:
        text = sys.stdin.read(_MAX_FILE) if name == "-" else Path(name).read_text("utf-8")[:_MAX_FILE]
        value = json.loads(text)
    except (OSError, ValueError, RecursionError) as problem:
        raise UsageError("bad_file", f"{name} cannot be read as JSON: {problem}") from None
    if not isinstance(value, dict):
        raise UsageError("bad_file", f"{name} holds no JSON object.")
    return {member: value[member] for member in _RULES if member in value}


def _changed(context: Context, rules: Rules) -> Rules:
    """`rules` with what the options say."""
    args = context.args
    if args.default_language:
        rules["default_language"] = args.default_language
    if args.name or args.description:
        default = str(rules.get("default_language") or "") or context.administration().organization().text(
            "default_language"
        )
        rules["names"] = _names(rules.get("names"), args.name, args.description, default)
        rules.setdefault("default_language", default)
    removed = {who.casefold() for who in getattr(args, "ungrant", [])}
    if args.grant or removed:
        rules["grants"] = _grants(rules.get("grants"), args.grant, removed)
    if args.expires is not None:
        rules |= args.expires
    if args.offline is not None:
        rules["offline_days"] = args.offline[0]
    if args.offer_to:
        everybody = args.offer_to == ["all"]
        rules |= {"visible_to_all": everybody, "scope": [] if everybody else args.offer_to}
    return rules


def _names(known: object, names: list[str], descriptions: list[str], default: str) -> list[dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for each in known if isinstance(known, list) else []:
        texts[str(each.get("language"))] = dict(each)
    for member, given in (("name", names), ("description", descriptions)):
        for text in given:
            matched = _IN_LANGUAGE.fullmatch(text)
            language, value = matched.groups() if matched else (default, text)
            entry = texts.setdefault(
                language.lower(), {"language": language.lower(), "name": "", "description": ""}
            )
            entry[member] = value
    return [text for text in texts.values() if text["name"] or text.get("description")]


def _grants(known: object, given: list[GrantRequest], removed: set[str]) -> list[object]:
    new = {each.who.casefold(): each for each in given}
    kept = [
        each
        for each in (known if isinstance(known, list) else [])
        if str(each.get("principal")).casefold() not in removed | set(new)
    ]
    return [*kept, *({"principal": each.who, "rights": list(each.rights)} for each in new.values())]


def _expires(text: str) -> Rules:
    if text == "never":
        return {"expiry": "never", "expires_at": None, "expires_after_days": None}
    if text.endswith("d") and text[:-1].isdecimal():
        return {"expiry": "days", "expires_at": None, "expires_after_days": int(text[:-1])}
    try:
        return {"expiry": "date", "expires_at": iso_utc(parse_expiry(text)), "expires_after_days": None}
    except ValueError as problem:
        raise ArgumentTypeError(str(problem).rstrip(".")) from None


def _offline(text: str) -> tuple[int | None]:
    """In a tuple, so that "as long as the organization allows" (None) differs from an option not given."""
    words: dict[str, int | None] = {"always": None, "never": 0}
    if text in words:
        return (words[text],)
    if not text.isdecimal() or int(text) > 365:
        raise ArgumentTypeError(f"“{text}” is not always, never or a number of days up to 365")
    return (int(text),)


def _place(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 100_000:
        raise ArgumentTypeError(f"“{text}” is not a place in the list, 1 being the first")
    return int(text)


def _print(context: Context, template: Record, rules: Rules) -> Exit:
    shown = Record(rules, "template")
    facts = [
        (name.replace("_", " ").capitalize(), template.shown(name))
        for name in ("name", "state", "version", "id")
    ]
    limits = [
        ("Expires", shown.local_time("expires_at") or shown.shown("expires_after_days") or "never"),
        ("Offline days", shown.shown("offline_days") or "as the organization allows"),
    ]
    context.output.fields([*facts, *limits])
    grants = rules.get("grants")
    for each in grants if isinstance(grants, list) else []:
        context.output.line(f"Grants       {_grant_text(Record(each, 'grant'))}")
    context.output.result(template.json)
    return Exit.OK


def _grant_text(entry: Record) -> str:
    """``members: Co-Author``, or the rights one by one where they are no level."""
    rights = entry.texts("rights")
    level = next((LEVEL_NAMES[role] for role, held in LEVELS.items() if set(held) == set(rights)), None)
    return f"{entry.text('principal')}: {level or ', '.join(rights)}"
