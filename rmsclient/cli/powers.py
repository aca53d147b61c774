"""``admin roles``, ``super-users``, ``onboarding``, ``services``, ``devices``: who may do what."""

from urllib.parse import quote

from rmsclient.administration import Record
from rmsclient.cli.context import CommandGroup, CommandParser, Context
from rmsclient.errors import Exit, UsageError

ROLES = ("global_admin", "template_admin", "key_admin", "support", "auditor")


def register(group: CommandGroup) -> None:
    _register_roles(group.subgroup("roles", "administrative roles"))
    _register_super_users(group.subgroup("super-users", "who may read everything the organization protected"))
    onboarding = group.subgroup("onboarding", "who may protect")
    onboarding.add("show", show_onboarding, "show who may protect")
    change = onboarding.add("set", set_onboarding, "decide who may protect")
    change.add_argument("who", choices=("everyone", "group", "licensed"))
    change.add_argument("--group", metavar="NAME", help="the group whose people may protect")
    change.add_argument("--yes", action="store_true", help="do not ask")
    services = group.subgroup("services", "programs that act for the organization")
    services.add("list", list_services, "list the services")
    create = services.add("create", create_service, "make a service; its secret is shown once")
    create.add_argument("name")
    create.add_argument(
        "--protect-for-others", action="store_true", help="may name somebody else as the owner"
    )
    for name, run, summary in (
        ("rotate", rotate_service, "make a new secret; the old one ends at once"),
        ("delete", delete_service, "end a service"),
    ):
        parser = services.add(name, run, summary)
        parser.add_argument("service", metavar="NAME|ID")
        parser.add_argument("--yes", action="store_true", help="do not ask")
    devices = group.subgroup("devices", "devices and apps that are signed in")
    listing = devices.add("list", list_devices, "list them")
    end = devices.add("revoke", revoke_device, "end what one can do; it has to sign in again")
    end.add_argument("program", metavar="ID")
    for parser in (listing, end):
        parser.add_argument("--person", metavar="ADDRESS", help="somebody else's")


def _register_roles(roles: CommandGroup) -> None:
    roles.add("list", list_roles, "list who holds which role")
    give = roles.add("give", give_role, "give a role")
    take = roles.add("take", take_role, "take a role away")
    for parser in (give, take):
        parser.add_argument("role", choices=ROLES)
        _add_holder(parser, "person", "group")


def _register_super_users(super_users: CommandGroup) -> None:
    super_users.add("list", list_super_users, "list the appointments")
    enable = super_users.add("enable", enable_super_users, "switch super users on")
    enable.add_argument("--yes", action="store_true", help="do not ask")
    super_users.add("disable", disable_super_users, "switch super users off")
    approval = super_users.add("approval", set_approval, "say whether a second administrator has to approve")
    approval.add_argument("needed", choices=("on", "off"))
    appoint = super_users.add("appoint", appoint_super_user, "appoint a person, a group or a service")
    _add_holder(appoint, "person", "group", "service")
    appoint.add_argument("--reason", required=True)
    appoint.add_argument("--until", metavar="TIME", help="the end, such as 2027-01-31T18:00:00+01:00")
    appoint.add_argument("--yes", action="store_true", help="do not ask")
    for name, run, summary in (
        ("approve", approve_super_user, "approve, as the second administrator"),
        ("end", end_super_user, "end an appointment"),
    ):
        super_users.add(name, run, summary).add_argument("id", metavar="ID")


def list_roles(context: Context) -> Exit:
    rows = list(context.administration().records("/roles/"))
    context.output.table(
        ("ROLE", "HOLDER", "SINCE", "ID"),
        [(row.shown("role"), _holder(row), row.local_time("since"), row.shown("id")) for row in rows],
    )
    context.output.result({"roles": [row.json for row in rows]})
    return Exit.OK


def give_role(context: Context) -> Exit:
    given = context.administration().create("/roles/", {"role": context.args.role, **_named(context)})
    context.output.line(f"{_holder(given)} holds the role {given.shown('role')}.")
    context.output.result(given.json)
    return Exit.OK


def take_role(context: Context) -> Exit:
    administration = context.administration()
    kind, name = next(iter(_named(context).items()))
    for row in administration.records("/roles/"):
        if row.shown("role") == context.args.role and row.shown(kind).casefold() == name.casefold():
            administration.remove(f"/roles/{row.guid('id')}/")
            context.output.line(f"{_holder(row)} no longer holds the role {row.shown('role')}.")
            context.output.result({"taken": row.json})
            return Exit.OK
    raise UsageError("no_such_role", f"{name} does not hold the role {context.args.role}.")


def list_super_users(context: Context) -> Exit:
    administration = context.administration()
    feature = administration.record("/super-users/feature/")
    rows = list(administration.records("/super-users/"))
    context.output.line(f"Super users are switched {'on' if feature.flag('enabled') else 'off'}.")
    context.output.table(
        ("SUPER USER", "SINCE", "UNTIL", "REASON", "ID"),
        [
            (
                _holder(row),
                row.local_time("since") or "waits for approval",
                row.local_time("until"),
                row.shown("reason"),
                row.shown("id"),
            )
            for row in rows
        ],
    )
    context.output.result({**feature.json, "super_users": [row.json for row in rows]})
    return Exit.OK


def enable_super_users(context: Context) -> Exit:
    context.confirm("Everybody appointed can read everything the organization ever protected.")
    return _change_feature(context, {"enabled": True}, "Super users are switched on.")


def disable_super_users(context: Context) -> Exit:
    return _change_feature(context, {"enabled": False}, "Super users are switched off.")


def set_approval(context: Context) -> Exit:
    needed = context.args.needed == "on"
    says = (
        "A second administrator has to approve."
        if needed
        else "No second administrator is needed; where one was, in 24 hours."
    )
    return _change_feature(context, {"needs_approval": needed}, says)


def appoint_super_user(context: Context) -> Exit:
    context.confirm(
        "A super user reads everything the organization ever protected; all administrators are told."
    )
    body = {**_named(context), "reason": context.args.reason}
    if context.args.until:
        body["until"] = context.args.until
    made = context.administration().create("/super-users/", body)
    since = made.local_time("since")
    says = f"is a super user from {since} on." if since else "waits for approval."
    context.output.line(f"{_holder(made)} {says}")
    context.output.result(made.json)
    return Exit.OK


def approve_super_user(context: Context) -> Exit:
    approved = context.administration().post(f"/super-users/{quote(context.args.id, safe='')}/approve/")
    context.output.line(f"{_holder(approved)} is a super user.")
    context.output.result(approved.json)
    return Exit.OK


def end_super_user(context: Context) -> Exit:
    context.administration().remove(f"/super-users/{quote(context.args.id, safe='')}/")
    context.output.line("The appointment has ended.")
    context.output.result({"ended": context.args.id})
    return Exit.OK


def show_onboarding(context: Context) -> Exit:
    rule = context.administration().record("/onboarding/")
    context.output.line(_rule(rule))
    context.output.result(rule.json)
    return Exit.OK


def set_onboarding(context: Context) -> Exit:
    administration = context.administration()
    body = {"who": context.args.who, "group": context.args.group}
    losing = administration.change("PUT", "/onboarding/?preview=1", body).number("losing")
    if losing:
        people = "1 person" if losing == 1 else f"{losing} people"
        context.confirm(f"{people} who may protect now could not any more; opening stays as it is.")
    rule = administration.change("PUT", "/onboarding/", body)
    context.output.line(_rule(rule))
    context.output.result(rule.json)
    return Exit.OK


def list_services(context: Context) -> Exit:
    rows = list(context.administration().records("/services/"))
    context.output.table(
        ("NAME", "CLIENT ID", "MAY", "READS ALL", "ID"),
        [
            (
                row.shown("name"),
                row.shown("client_id"),
                ", ".join(row.texts("scopes")),
                row.shown("super_user"),
                row.shown("id"),
            )
            for row in rows
        ],
    )
    context.output.result({"services": [row.json for row in rows]})
    return Exit.OK


def create_service(context: Context) -> Exit:
    scopes = ["licensing", *(["protect-for-others"] if context.args.protect_for_others else [])]
    return _show_secret(
        context, context.administration().create("/services/", {"name": context.args.name, "scopes": scopes})
    )


def rotate_service(context: Context) -> Exit:
    service = _service(context)
    context.confirm(f"The present secret of {service.shown('name')} and its tokens end at once.")
    made = context.administration().create(f"/services/{service.guid('id')}/rotate/", {})
    return _show_secret(context, made)


def delete_service(context: Context) -> Exit:
    service = _service(context)
    context.confirm(f"{service.shown('name')} cannot sign in any more; what it protected stays.")
    context.administration().remove(f"/services/{service.guid('id')}/")
    context.output.line(f"{service.shown('name')} has been deleted.")
    context.output.result({"deleted": service.json})
    return Exit.OK


def list_devices(context: Context) -> Exit:
    rows = list(context.administration().records("/devices/", _person(context)))
    context.output.table(
        ("PROGRAM", "SIGNED IN", "RENEWED", "ID"),
        [
            (row.shown("name"), row.local_time("signed_in_at"), row.local_time("renewed_at"), row.shown("id"))
            for row in rows
        ],
    )
    context.output.result({"devices": [row.json for row in rows]})
    return Exit.OK


def revoke_device(context: Context) -> Exit:
    program = context.args.program
    query = f"?person={quote(context.args.person, safe='')}" if context.args.person else ""
    context.administration().remove(f"/devices/{quote(program, safe='')}/{query}")
    context.output.line("It has to sign in again.")
    context.output.result({"revoked": program})
    return Exit.OK


def _add_holder(parser: CommandParser, *kinds: str) -> None:
    holders = parser.add_mutually_exclusive_group(required=True)
    for kind in kinds:
        holders.add_argument(f"--{kind}", metavar="ADDRESS" if kind == "person" else "NAME")


def _named(context: Context) -> dict[str, str]:
    """The one holder on the command line."""
    given = ((kind, getattr(context.args, kind, None)) for kind in ("person", "group", "service"))
    return {kind: name for kind, name in given if name}


def _holder(row: Record) -> str:
    return row.shown("person") or row.shown("group") or row.shown("service")


def _person(context: Context) -> dict[str, str] | None:
    return {"person": context.args.person} if context.args.person else None


def _change_feature(context: Context, body: dict[str, object], sentence: str) -> Exit:
    feature = context.administration().change("PATCH", "/super-users/feature/", body)
    context.output.line(sentence)
    context.output.result(feature.json)
    return Exit.OK


def _rule(rule: Record) -> str:
    who = {"everyone": "Everyone", "licensed": "Licensed people"}.get(rule.shown("who"))
    return f"{who or 'The people of ' + rule.shown('group')} may protect: {rule.shown('people')} now."


def _service(context: Context) -> Record:
    wanted = context.args.service
    for row in context.administration().records("/services/"):
        if wanted in (row.shown("name"), row.shown("id"), row.shown("client_id")):
            return row
    raise UsageError("no_such_service", f"There is no service “{wanted}”.")


def _show_secret(context: Context, made: Record) -> Exit:
    context.output.fields(
        [("Client id", made.text("client_id")), ("Client secret", made.text("client_secret"))]
    )
    context.output.remark("Keep the secret now: it is not shown again.")
    context.output.result(made.json)
    return Exit.OK
