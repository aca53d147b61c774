"""``admin people``, ``admin groups``: who is in the organization, and in which groups."""

from uuid import UUID

from rmsclient.administration import Administration, Record
from rmsclient.cli import factors
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, UsageError

_WORDS = {"on": True, "off": False}


def register(group: CommandGroup) -> None:
    people = group.subgroup("people", "the people of the organization")
    listing = people.add("list", list_people, "list the people")
    listing.add_argument("--search", metavar="TEXT", help="part of a name or of an address")
    listing.add_argument("--state", choices=["active", "suspended"])
    people.add("show", show_person, "show one person").add_argument("person", metavar="ADDRESS|ID")
    invite = people.add("invite", invite_person, "ask somebody to join, by mail")
    invite.add_argument("address")
    invite.add_argument("--name", default="")
    invite.add_argument("--group", action="append", default=[], metavar="ID|NAME")
    for name, summary in (("suspend", "take every access away"), ("resume", "give access back")):
        parser = people.add(name, suspend_person if name == "suspend" else resume_person, summary)
        parser.add_argument("person", metavar="ADDRESS|ID")
        if name == "suspend":
            parser.add_argument("--yes", action="store_true", help="do not ask")
    change = people.add("set", set_person, "change name, language or license of a person")
    change.add_argument("person", metavar="ADDRESS|ID")
    change.add_argument("--name")
    change.add_argument("--language")
    change.add_argument("--licensed", choices=list(_WORDS))
    factors.register_people(people)
    _register_groups(group.subgroup("groups", "groups of people and of groups"))


def _register_groups(groups: CommandGroup) -> None:
    groups.add("list", list_groups, "list the groups")
    groups.add("show", show_group, "show one group and its people").add_argument("group", metavar="ID|NAME")
    create = groups.add("create", create_group, "make an empty group")
    create.add_argument("name")
    create.add_argument("--mail", default="", metavar="ADDRESS", help="an address to name the group by")
    delete = groups.add("delete", delete_group, "delete a group; its people stay")
    delete.add_argument("group", metavar="ID|NAME")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    for name, summary in (("add", "put people or groups in"), ("remove", "take people or groups out")):
        parser = groups.add(name, add_members if name == "add" else remove_members, summary)
        parser.add_argument("group", metavar="ID|NAME")
        parser.add_argument("--person", action="append", default=[], metavar="ADDRESS|ID")
        parser.add_argument("--nested", action="append", default=[], metavar="ID|NAME", help="a group")


def list_people(context: Context) -> Exit:
    given = {"q": context.args.search, "state": context.args.state}
    asked = {name: value for name, value in given.items() if value}
    people = list(context.administration().records("/people/", asked or None))
    context.output.table(
        ("NAME", "ADDRESS", "ROLES"),
        [
            (p.shown("name"), p.shown("email"), ", ".join(p.texts("roles")) if "roles" in p else "")
            for p in people
        ],
    )
    context.output.result({"people": [person.json for person in people]})
    return Exit.OK


def show_person(context: Context) -> Exit:
    administration = context.administration()
    return _shown(
        context, administration.record(f"/people/{_person_id(administration, context.args.person)}/")
    )


def invite_person(context: Context) -> Exit:
    administration = context.administration()
    groups = [str(_group_id(administration, name)) for name in context.args.group]
    body = {"email": context.args.address, "name": context.args.name, "groups": groups}
    return _shown(context, administration.create("/people/", body))


def suspend_person(context: Context) -> Exit:
    context.confirm(f"{context.args.person} can no longer sign in, protect or open.")
    return _change_person(context, {"suspended": True})


def resume_person(context: Context) -> Exit:
    return _change_person(context, {"suspended": False})


def set_person(context: Context) -> Exit:
    args = context.args
    given = {"name": args.name, "language": args.language, "licensed": _WORDS.get(args.licensed or "")}
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise UsageError("usage", "Name what is to be changed: --name, --language or --licensed.")
    return _change_person(context, changes)


def list_groups(context: Context) -> Exit:
    groups = list(context.administration().records("/groups/"))
    context.output.table(
        ("NAME", "ADDRESS", "ID"), [(g.shown("name"), g.shown("mail"), g.text("id")) for g in groups]
    )
    context.output.result({"groups": [group.json for group in groups]})
    return Exit.OK


def show_group(context: Context) -> Exit:
    administration = context.administration()
    path = f"/groups/{_group_id(administration, context.args.group)}/"
    group, members = administration.record(path), list(administration.records(f"{path}members/"))
    context.output.fields([(name.capitalize(), group.shown(name)) for name in ("name", "mail", "id")])
    context.output.table(("NAME", "ADDRESS"), [(m.shown("name"), m.shown("email")) for m in members])
    context.output.result({**group.json, "people": [member.json for member in members]})
    return Exit.OK


def create_group(context: Context) -> Exit:
    body = {"name": context.args.name, "mail": context.args.mail}
    return _shown(context, context.administration().create("/groups/", body))


def delete_group(context: Context) -> Exit:
    administration = context.administration()
    path = f"/groups/{_group_id(administration, context.args.group)}/"
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
    path = f"/groups/{_group_id(administration, context.args.group)}/members/"
    entries = [{"person": str(_person_id(administration, who))} for who in context.args.person]
    entries += [{"group": str(_group_id(administration, name))} for name in context.args.nested]
    for entry in entries:
        group = administration.change(method, path, entry)
    return _shown(context, group)


def _change_person(context: Context, changes: dict[str, object]) -> Exit:
    administration = context.administration()
    path = f"/people/{_person_id(administration, context.args.person)}/"
    return _shown(context, administration.change("PATCH", path, changes))


def _shown(context: Context, record: Record) -> Exit:
    context.output.fields([(name.replace("_", " ").capitalize(), record.shown(name)) for name in record.json])
    context.output.result(record.json)
    return Exit.OK


def _person_id(administration: Administration, wanted: str) -> UUID:
    try:
        return UUID(wanted.strip("{}"))
    except ValueError:
        found = [
            person
            for person in administration.records("/people/", {"q": wanted})
            if wanted.casefold() in (address.casefold() for address in person.texts("addresses"))
        ]
    if len(found) != 1:
        raise UsageError("no_such_person", f"There is no person with the address “{wanted}”.")
    return UUID(found[0].text("id"))


def _group_id(administration: Administration, wanted: str) -> UUID:
    try:
        return UUID(wanted.strip("{}"))
    except ValueError:
        found = [
            group
            for group in administration.records("/groups/", {"q": wanted})
            if group.shown("name").casefold() == wanted.casefold()
        ]
    if len(found) != 1:
        raise UsageError("no_such_group", f"There is no group “{wanted}”.")
    return UUID(found[0].text("id"))
