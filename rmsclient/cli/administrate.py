"""``admin templates``, ``admin organization``."""

from uuid import UUID

from rms.rights import LEVEL_NAMES, LEVELS
from rmsclient.administration import Record
from rmsclient.cli import factors
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, UsageError


def register(group: CommandGroup) -> None:
    templates = group.subgroup("templates", "the organization's templates")
    templates.add("list", list_templates, "list all templates, also those you may not choose")
    show = templates.add("show", show_template, "show one template with its grants")
    show.add_argument("template", metavar="ID|NAME")


def organization_group(group: CommandGroup) -> CommandGroup:
    """Registers ``admin organization`` and hands the group on, for the commands that change it."""
    organization = group.subgroup("organization", "the organization as a whole")
    organization.add("show", show_organization, "show name, state and domains")
    factors.register_organization(organization)
    organization.add("activate", activate, "switch protection on")
    deactivate_parser = organization.add(
        "deactivate",
        deactivate,
        "switch protection off",
        "Switches protection off: nothing can be protected or opened until it is activated again. Nothing "
        "is deleted.",
    )
    deactivate_parser.add_argument("--yes", action="store_true", help="do not ask")
    return organization


def list_templates(context: Context) -> Exit:
    templates = list(context.administration().templates())
    context.output.table(
        ("NAME", "STATE", "ID"), [(t.shown("name"), t.shown("state"), _identifier(t)) for t in templates]
    )
    context.output.result({"templates": [template.json for template in templates]})
    return Exit.OK


def show_template(context: Context) -> Exit:
    administration = context.administration()
    template = administration.template(_template_id(context, list(administration.templates())))
    context.output.fields(_all_fields(template))
    grants = template.json.get("grants")
    for grant in grants if isinstance(grants, list) else []:
        context.output.line(f"Grants       {_grant_text(Record(grant, 'grant'))}")
    context.output.result(template.json)
    return Exit.OK


def show_organization(context: Context) -> Exit:
    organization = context.administration().organization()
    _print_organization(context, organization)
    return Exit.OK


def activate(context: Context) -> Exit:
    organization = context.administration().activate()
    context.output.line("Protection is active.")
    _print_organization(context, organization)
    return Exit.OK


def deactivate(context: Context) -> Exit:
    administration = context.administration()
    name = administration.organization().shown("name")
    context.confirm(
        f"Nobody can protect or open anything of {name} until it is activated again; licenses already on devices "
        "end on their own."
    )
    organization = administration.deactivate()
    context.output.line("Protection is switched off.")
    _print_organization(context, organization)
    return Exit.OK


def _template_id(context: Context, templates: list[Record]) -> UUID:
    wanted = context.args.template.strip()
    found = [
        t
        for t in templates
        if _identifier(t).casefold() == wanted.strip("{}").casefold()
        or t.shown("name").casefold() == wanted.casefold()
    ]
    if len(found) != 1:
        many = "several templates are called" if found else "there is no template"
        raise UsageError("no_such_template", f"{many.capitalize()} “{wanted}”.")
    return UUID(_identifier(found[0]))


def _print_organization(context: Context, organization: Record) -> None:
    context.output.fields(_all_fields(organization))
    context.output.result(organization.json)


def _identifier(template: Record) -> str:
    return template.text("id")


def _all_fields(record: Record) -> list[tuple[str, str]]:
    """Every plain member with a readable name; times in the local zone."""
    return [
        (
            name.replace("_", " ").capitalize(),
            record.local_time(name) if name.endswith("_at") else record.shown(name),
        )
        for name in record.json
    ]


def _grant_text(grant: Record) -> str:
    """``members: Co-Author``, or the rights one by one where they are no level."""
    rights = grant.texts("rights")
    level = next((LEVEL_NAMES[role] for role, held in LEVELS.items() if set(held) == set(rights)), None)
    return f"{grant.text('principal')}: {level or ', '.join(rights)}"
