"""``admin organization`` (start, set) and ``admin domains``."""

from argparse import ArgumentTypeError
from uuid import UUID

from rmsclient.administration import Record
from rmsclient.cli import removal
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, UsageError

_FOUND_PROVEN = "proven"


def register(group: CommandGroup, organization: CommandGroup) -> None:
    start = organization.add("start", start_organization, "start an organization of your own")
    start.add_argument("--name", required=True)
    settings = organization.add("set", change_organization, "change name, language or longest use license")
    settings.add_argument("--name")
    settings.add_argument(
        "--language", metavar="CODE", help="language of mails, and of templates by default, for example de"
    )
    settings.add_argument(
        "--template-languages",
        metavar="CODE,…",
        help="what names of templates are asked for in, for example en,de",
    )
    settings.add_argument("--use-license-days", type=_days, metavar="N", help="longest use license, 1 to 365")
    removal.register(organization)
    domains = group.subgroup("domains", "the organization's mail domains")
    domains.add("list", list_domains, "list the domains, proven and waiting")
    add = domains.add("add", add_domain, "add a domain; prints the DNS record that proves it")
    add.add_argument("domain")
    check = domains.add("check", check_domain, "ask the DNS now; fails until the record is found")
    check.add_argument("domain")
    remove = domains.add("remove", remove_domain, "give a domain up")
    remove.add_argument("domain")
    remove.add_argument("--yes", action="store_true", help="do not ask")


def start_organization(context: Context) -> Exit:
    made = context.administration().create("/organization/", {"name": context.args.name})
    context.output.line(
        f"{made.shown('name')} has been started. Next: rightskeep admin organization activate"
    )
    context.output.result(made.json)
    return Exit.OK


def change_organization(context: Context) -> Exit:
    args = context.args
    given = {
        "name": args.name,
        "default_language": args.language,
        "max_use_license_days": args.use_license_days,
        "languages": args.template_languages.split(",") if args.template_languages else None,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise UsageError(
            "usage", "Say what to change: --name, --language, --template-languages or --use-license-days."
        )
    changed = context.administration().change("PATCH", "/organization/", changes)
    context.output.line("Saved.")
    context.output.result(changed.json)
    return Exit.OK


def list_domains(context: Context) -> Exit:
    found = list(context.administration().records("/domains/"))
    rows = [(d.shown("domain"), d.shown("state"), d.local_time("checked_at"), d.shown("id")) for d in found]
    context.output.table(("DOMAIN", "STATE", "LAST LOOK", "ID"), rows)
    context.output.result({"domains": [domain.json for domain in found]})
    return Exit.OK


def add_domain(context: Context) -> Exit:
    added = context.administration().create("/domains/", {"domain": context.args.domain})
    context.output.line(
        "Publish this record, then run: rightskeep admin domains check " + added.shown("domain")
    )
    context.output.fields(
        [("Type", "TXT"), ("Host", added.shown("record_name")), ("Value", added.shown("record_value"))]
    )
    context.output.result(added.json)
    return Exit.OK


def check_domain(context: Context) -> Exit:
    found = _find(context)
    answer = context.administration().post(f"/domains/{found.shown('id')}/check/")
    context.output.line(answer.shown("message"))
    context.output.result(answer.json)
    return Exit.OK if answer.shown("found") == _FOUND_PROVEN else Exit.SERVER


def remove_domain(context: Context) -> Exit:
    found = _find(context)
    name = found.shown("domain")
    context.confirm(f"Addresses that count only because {name} is proven stop counting.")
    context.administration().remove(f"/domains/{UUID(found.shown('id'))}/")
    context.output.line(f"{name} has been removed.")
    context.output.result({"removed": name})
    return Exit.OK


def _find(context: Context) -> Record:
    wanted = context.args.domain.strip().rstrip(".").lower()
    for found in context.administration().records("/domains/"):
        if wanted in (found.shown("domain"), found.shown("id")):
            return found
    raise UsageError("no_such_domain", f"“{wanted}” is not in the organization's list of domains.")


def _days(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 365:
        raise ArgumentTypeError("a number of days from 1 to 365")
    return int(text)
