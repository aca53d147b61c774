"""``admin organization``."""

from rmsclient.administration import Record
from rmsclient.cli import factors
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit


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


def _print_organization(context: Context, organization: Record) -> None:
    context.output.fields(_all_fields(organization))
    context.output.result(organization.json)


def _all_fields(record: Record) -> list[tuple[str, str]]:
    """Every plain member with a readable name; times in the local zone."""
    return [
        (
            name.replace("_", " ").capitalize(),
            record.local_time(name) if name.endswith("_at") else record.shown(name),
        )
        for name in record.json
    ]
