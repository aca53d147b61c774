"""``login``, ``logout``, ``whoami``."""

from dataclasses import replace

from rmsclient import signin
from rmsclient.addresses import ServerAddress, parse_address
from rmsclient.administration import Administration, Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.credentials import SignIn
from rmsclient.errors import Exit, SignInError, UsageError
from rmsclient.transport import Transport


def register(group: CommandGroup) -> None:
    login = group.add(
        "login",
        log_in,
        "sign in at a server",
        "Signs in by a code that you enter in a browser, on this or any other device. The sign-in is stored "
        "for this server only and becomes the default.",
    )
    login.add_argument(
        "server",
        nargs="?",
        metavar="URL",
        help="address of the server, or your mail address to find it by DNS",
    )
    logout = group.add("logout", log_out, "forget the sign-in, here and at the server")
    logout.add_argument("server", nargs="?", metavar="URL", help="which one (default: the one in use)")
    group.add("whoami", who_am_i, "show who is signed in, where, and in which organization")


def log_in(context: Context) -> Exit:
    server = _server_to_sign_in(context)
    transport = Transport(server)
    try:
        endpoints = signin.find_endpoints(transport)
        code = signin.request_device_code(transport, endpoints)
        minutes = max(1, code.lifetime // 60)
        invitation = (
            f"Open {code.verification_uri_complete}\nand confirm the code {code.user_code}"
            if code.verification_uri_complete
            else f"Open {code.verification_uri}\nand enter the code {code.user_code}"
        )
        context.output.event(
            {
                "event": "verify",
                "verification_uri": code.verification_uri,
                "verification_uri_complete": code.verification_uri_complete,
                "user_code": code.user_code,
                "expires_in": code.lifetime,
            },
            f"{invitation} (valid for {minutes} minutes).",
        )
        fresh = signin.wait_for_sign_in(transport, endpoints, code)
    finally:
        transport.close()
    person = _ask_who(server, fresh)
    context.store.save(server.origin, replace(fresh, email=person.shown("email"), name=person.shown("name")))
    context.output.line(f"Signed in at {server} as {person.shown('email')}.")
    context.output.result({"url": server.url, **person.json})
    return Exit.OK


def log_out(context: Context) -> Exit:
    server = _server_to_leave(context)
    removed = context.store.remove(server.origin)
    if removed is None:
        raise SignInError("not_signed_in", f"You are not signed in at {server}.")
    transport = Transport(server)
    try:
        told = signin.revoke(transport, removed)
    finally:
        transport.close()
    if not told:
        context.output.remark(
            f"{server} could not be told; its tokens end by themselves, or at once on your page there."
        )
    context.output.line(f"Signed out of {server}.")
    context.output.result({"url": server.url, "server_told": told})
    return Exit.OK


def who_am_i(context: Context) -> Exit:
    transport = context.connections.default()
    person = Administration(transport).whoami()
    organization = Record(person.json["organization"], "organization") if "organization" in person else None
    roles = ", ".join(person.texts("roles")) if "roles" in person else ""
    state = organization.shown("state") if organization else ""
    context.output.fields(
        [
            ("Signed in as", _name_and_mail(person)),
            ("Server", transport.server.url),
            ("Organization", organization.shown("name") if organization else "none (guest)"),
            ("Protection", "" if state in ("", "active") else state),
            ("Roles", roles),
        ]
    )
    context.output.result({"url": transport.server.url, **person.json})
    return Exit.OK


def _server_to_sign_in(context: Context) -> ServerAddress:
    given = context.args.server or getattr(context.args, "url", None)
    if given is None:
        raise UsageError("no_server", "Say where to sign in: rightskeep login URL")
    if "@" in given and "/" not in given:
        # Here, because a DNS library takes longer to load than most commands take to run.
        from rmsclient.discovery import server_of_domain

        server = server_of_domain(given.rpartition("@")[2])
        context.output.remark(f"The server of {given} is {server} (found by DNS).")
        return server
    return parse_address(given)


def _server_to_leave(context: Context) -> ServerAddress:
    given = (
        context.args.server or getattr(context.args, "url", None) or context.environment.get("RIGHTSKEEP_URL")
    )
    if given:
        return parse_address(given)
    latest = context.store.default()
    if latest is None:
        raise SignInError("not_signed_in", "You are not signed in anywhere.")
    return parse_address(latest.url)


def _ask_who(server: ServerAddress, fresh: SignIn) -> Record:
    transport = Transport(server, signin.FixedToken(fresh.access_token))
    try:
        return Administration(transport).whoami()
    finally:
        transport.close()


def _name_and_mail(person: Record) -> str:
    name, email = person.shown("name"), person.shown("email")
    return f"{name} <{email}>" if name and name != email else email
