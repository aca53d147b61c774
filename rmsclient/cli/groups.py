"""``admin groups``: groups of people and of groups."""

from rmsclient.cli.context import CommandGroup, Context
from rmsclient.cli.naming import group_id, person_id, shown
from rmsclient.errors import Exit, UsageError


def register(groups: CommandGroup) -> None:
    groups.add("list", list_groups, "list the groups")
    groups.add("show", show_group, "show one group and its people").add_argument("group", metavar="ID|NAME")
    create = groups.add("create", create_group, "make an empty group")
    create.add_argument("name")
    create.add_argument("--mail", default="", metavar="ADDRESS", help="an address to name the group by")
    delete = groups.add("delete", delete_group, "delete a group; its people stay")
    delete.add_argument("group", metavar="ID|NAME")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    change = groups.add("set", set_group, "rename a group, or give it another address")
    change.add_argument("group", metavar="ID|NAME")
    change.add_argument("--name")
    change.add_argument("--mail", metavar="ADDRESS")
    taken = groups.add("take-over", take_over, "take a group over from the directory")
    taken.add_argument("group", metavar="ID|NAME")
    taken.add_argument("--yes", action="store_true", help="do not ask")
    for name, summary in (("add", "put people or groups in"), ("remove", "take people or groups out")):
        parser = groups.add(name, add_members if name == "add" else remove_members, summary)
        parser.add_argument("group", metavar="ID|NAME")
        parser.add_argument("--person", action="append", default=[], metavar="ADDRESS|ID")
        parser.add_argument("--nested", action="append", default=[], metavar="ID|NAME", help="a group")


def list_groups(context: Context) -> Exit:
    groups = list(context.administration().records("/groups/"))
    context.output.table(
        ("NAME", "ADDRESS", "ID"), [(g.shown("name"), g.shown("mail"), g.text("id")) for g in groups]
    )
    context.output.result({"groups": [group.json for group in groups]})
    return Exit.OK


def show_group(context: Context) -> Exit:
    administration = context.administration()
    path = f"/groups/{group_id(administration, context.args.group)}/"
    group, members = administration.record(path), list(administration.records(f"{path}members/"))
    context.output.fields([(name.capitalize(), group.shown(name)) for name in ("name", "mail", "id")])
    context.output.table(("NAME", "ADDRESS"), [(m.shown("name"), m.shown("email")) for m in members])
    context.output.result({**group.json, "people": [member.json for member in members]})
    return Exit.OK


def create_group(context: Context) -> Exit:
    body = {"name": context.args.name, "mail": context.args.mail}
    return shown(context, context.administration().create("/groups/", body))


def set_group(context: Context) -> Exit:
    given = {"name": context.args.name, "mail": context.args.mail}
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise UsageError("usage", "Name what is to be changed: --name or --mail.")
    administration = context.administration()
    path = f"/groups/{group_id(administration, context.args.group)}/"
    return shown(context, administration.change("PATCH", path, changes))


def take_over(context: Context) -> Exit:
    administration = context.administration()
    path = f"/groups/{group_id(administration, context.args.group)}/take-over/"
    context.confirm(f"{context.args.group} is no longer kept by your directory, but changed here.")
    return shown(context, administration.post(path))


def delete_group(context: Context) -> Exit:
    administration = context.administration()
    path = f"/groups/{group_id(administration, context.args.group)}/"
    context.confirm(
        f"What was protected for {context.args.group} no longer opens by it. This cannot be undone."
    )
    administration.remove(path)
    context.output.line("The group is deleted.")
    context.output.result({"deleted": context.args.group})
    return Exit.OK


def add_members(context: Context) -> Exit:
    return _change_members(context, "POST")


def remove_members(context: Context) -> Exit:
    return _change_members(context, "DELETE")


def _change_members(context: Context, method: str) -> Exit:
    administration = context.administration()
    if not context.args.person and not context.args.nested:
        raise UsageError("usage", "Name whom it is about: --person or --nested.")
    path = f"/groups/{group_id(administration, context.args.group)}/members/"
    entries = [{"person": str(person_id(administration, who))} for who in context.args.person]
    entries += [{"group": str(group_id(administration, name))} for name in context.args.nested]
    for entry in entries:
        group = administration.change(method, path, entry)
    return shown(context, group)
