"""``admin people``: who is in the organization."""

from rmsclient.cli import factors, groups, people_import
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.cli.naming import group_id, person_id, shown
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
    merge = people.add("merge", merge_person, "close another account of the same person")
    merge.add_argument("person", metavar="ADDRESS|ID", help="the account that stays")
    merge.add_argument("other", metavar="ADDRESS|ID", help="the account that is closed")
    merge.add_argument("--yes", action="store_true", help="do not ask")
    change = people.add("set", set_person, "change name, language or license of a person")
    change.add_argument("person", metavar="ADDRESS|ID")
    change.add_argument("--name")
    change.add_argument("--language")
    change.add_argument("--licensed", choices=list(_WORDS))
    remove = people.add("remove", remove_person, "have a person leave the organization")
    remove.add_argument("person", metavar="ADDRESS|ID")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    for name, summary in (
        ("add", "note a further address"),
        ("remove", "forget one"),
        ("main", "sign in by it"),
    ):
        parser = people.add(f"address-{name}", change_address, f"{summary} of a person")
        parser.add_argument("person", metavar="ADDRESS|ID")
        parser.add_argument("address")
        parser.set_defaults(what=name)
    people.add("invitations", list_invitations, "list who was asked to join and has not yet")
    withdraw = people.add("withdraw", withdraw_invitation, "end an invitation")
    withdraw.add_argument("address")
    factors.register_people(people)
    people_import.register(people)
    groups.register(group.subgroup("groups", "groups of people and of groups"))


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
    return shown(context, administration.record(f"/people/{person_id(administration, context.args.person)}/"))


def invite_person(context: Context) -> Exit:
    administration = context.administration()
    within = [str(group_id(administration, name)) for name in context.args.group]
    body = {"email": context.args.address, "name": context.args.name, "groups": within}
    return shown(context, administration.create("/people/", body))


def suspend_person(context: Context) -> Exit:
    context.confirm(f"{context.args.person} can no longer sign in, protect or open.")
    return _change_person(context, {"suspended": True})


def resume_person(context: Context) -> Exit:
    return _change_person(context, {"suspended": False})


def merge_person(context: Context) -> Exit:
    administration = context.administration()
    path = f"/people/{person_id(administration, context.args.person)}/merge/"
    other = str(person_id(administration, context.args.other))
    found = administration.create(path, {"other": other, "dry_run": True})
    context.confirm(
        f"{found.shown('closed')} is closed for good. Its documents ({found.shown('documents')}), addresses in your "
        f"domains ({len(found.texts('moved'))}) and groups ({len(found.texts('groups'))}) go to {found.shown('into')}. To "
        f"be proven again: {', '.join(found.texts('proven_again')) or 'nothing'}. Roles that end: "
        f"{', '.join(found.texts('roles')) or 'none'}."
    )
    return shown(context, administration.create(path, {"other": other}))


def remove_person(context: Context) -> Exit:
    administration = context.administration()
    path = f"/people/{person_id(administration, context.args.person)}/"
    context.confirm(
        f"{context.args.person} loses groups, roles and the addresses in your domains; what they protected stays yours. "
        "This cannot be undone."
    )
    administration.remove(path)
    context.output.line(f"{context.args.person} has left the organization.")
    context.output.result({"removed": context.args.person})
    return Exit.OK


def change_address(context: Context) -> Exit:
    administration, what = context.administration(), context.args.what
    path = f"/people/{person_id(administration, context.args.person)}/addresses/"
    body = {"email": context.args.address, "main": what == "main"}
    return shown(context, administration.change("DELETE" if what == "remove" else "POST", path, body))


def list_invitations(context: Context) -> Exit:
    found = list(context.administration().records("/invitations/"))
    rows = [(each.shown("email"), each.shown("invited_by"), each.local_time("expires_at")) for each in found]
    context.output.table(("ADDRESS", "INVITED BY", "ENDS"), rows)
    context.output.result({"invitations": [each.json for each in found]})
    return Exit.OK


def withdraw_invitation(context: Context) -> Exit:
    administration, wanted = context.administration(), context.args.address.casefold()
    found = [
        each for each in administration.records("/invitations/") if each.text("email").casefold() == wanted
    ]
    if not found:
        raise UsageError("no_such_invitation", f"Nobody was invited by the address “{context.args.address}”.")
    administration.remove(f"/invitations/{found[0].text('id')}/")
    context.output.line("The invitation has ended.")
    context.output.result({"withdrawn": found[0].json})
    return Exit.OK


def set_person(context: Context) -> Exit:
    args = context.args
    given = {"name": args.name, "language": args.language, "licensed": _WORDS.get(args.licensed or "")}
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise UsageError("usage", "Name what is to be changed: --name, --language or --licensed.")
    return _change_person(context, changes)


def _change_person(context: Context, changes: dict[str, object]) -> Exit:
    administration = context.administration()
    path = f"/people/{person_id(administration, context.args.person)}/"
    return shown(context, administration.change("PATCH", path, changes))
