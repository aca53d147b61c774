"""The policy options of ``protect``: from the command line to what is asked of the server."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import datetime
from uuid import UUID

from rms.rights import parse_level_or_rights
from rmsclient.errors import UsageError
from rmsclient.licensing import GrantRequest, PolicyRequest, Template, list_templates
from rmsclient.times import parse_expiry
from rmsclient.transport import Transport

_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_WORDS = frozenset({"members", "anyone", "owner"})


def add_options(parser: ArgumentParser) -> None:
    policy = parser.add_argument_group("policy (a template, or one grant or more; else the default template)")
    policy.add_argument("--template", metavar="T", help="name or id of a template (rightskeep templates)")
    policy.add_argument(
        "--grant",
        action="append",
        type=grant,
        default=[],
        metavar="WHO=LEVEL|RIGHT,…",
        help="WHO: an address, group:NAME, @domain, members, anyone, owner; LEVEL: Viewer, Reviewer, Co-Author, "
        "Co-Owner, Do-Not-Forward, Encrypt-Only; or rights such as VIEW,PRINT (may be repeated)",
    )
    policy.add_argument(
        "--expires",
        type=expiry,
        metavar="DATE",
        help="end of access: 2026-12-31 (end of that day) or with a time",
    )
    policy.add_argument(
        "--offline-days",
        type=offline_days,
        metavar="N",
        help="days a reader may go on without asking again; 0: ask every time (default: as the organization allows)",
    )
    policy.add_argument(
        "--outsiders-need-second-factor",
        action="store_true",
        help="people outside your organization open only with a second factor",
    )
    policy.add_argument("--owner", type=address, metavar="MAIL", help="protect on behalf of this person")


def grant(text: str) -> GrantRequest:
    """``dave@fabrikam.example=Viewer``; the last equals sign divides, an address may have others."""
    who, equals, rights = text.rpartition("=")
    if not equals or not who.strip():
        raise ArgumentTypeError(f"“{text}” is not WHO=LEVEL or WHO=RIGHT,RIGHT")
    try:
        return GrantRequest(_principal(who.strip()), parse_level_or_rights(rights))
    except ValueError as problem:
        raise ArgumentTypeError(str(problem).rstrip(".")) from None


def expiry(text: str) -> datetime:
    try:
        return parse_expiry(text)
    except ValueError as problem:
        raise ArgumentTypeError(str(problem).rstrip(".")) from None


def offline_days(text: str) -> int:
    if not text.isdecimal() or int(text) > 36500:
        raise ArgumentTypeError(f"“{text}” is not a number of days (0 for no offline access)")
    return int(text)


def address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ArgumentTypeError(f"“{text}” is not a mail address")
    return text


def check_options(args: Namespace) -> None:
    """Raises UsageError for options that make no policy, before any server is asked."""
    if args.template and args.grant:
        raise UsageError(
            "two_policies", "Say who may open it: either --template T, or --grant WHO=LEVEL (one or more)."
        )
    if not args.grant and (
        args.expires or args.offline_days is not None or args.outsiders_need_second_factor
    ):
        raise UsageError(
            "template_decides",
            "Expiry, offline days and the second factor come with --grant only; a template decides for itself.",
        )


def read_policy(args: Namespace, transport: Transport) -> PolicyRequest:
    """The policy asked for; a template is looked up by id or name. Raises UsageError, ServerError."""
    if args.template:
        return PolicyRequest(template=find_template(transport, args.template), owner=args.owner)
    return PolicyRequest(
        grants=tuple(args.grant),
        expires_at=args.expires,
        offline_days=args.offline_days,
        owner=args.owner,
        outsiders_need_factor=args.outsiders_need_second_factor,
    )


def find_template(transport: Transport, wanted: str) -> Template:
    templates = list_templates(transport)
    identifier = _guid(wanted)
    found = [t for t in templates if t.id == identifier or t.name.casefold() == wanted.strip().casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(str(template.id) for template in found)
        raise UsageError("ambiguous_template", f"Several templates are called “{wanted}”; use an id: {ids}.")
    names = ", ".join(f"“{template.name}”" for template in templates) or "none at all"
    raise UsageError(
        "no_such_template", f"There is no template “{wanted}” for you to choose. There are: {names}."
    )


def _principal(who: str) -> str:
    if _ADDRESS.fullmatch(who) or who.lower() in _WORDS:
        return who.lower() if who.lower() in _WORDS else who
    kind, colon, name = who.partition(":")
    if colon and name and (kind == "group" or (kind == "tenant" and _guid(name))):
        return who
    if who.startswith("@") and len(who) > 1 and "@" not in who[1:]:
        return who
    raise ValueError(
        f"“{who}” does not say who is meant: use an address, group:NAME, @domain, tenant:ID, members, anyone or owner."
    )


def _guid(text: str) -> UUID | None:
    try:
        return UUID(text.strip().strip("{}"))
    except ValueError:
        return None
