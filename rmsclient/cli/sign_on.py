"""``admin sign-on``: the identity provider that the organization's people sign in with."""

import getpass
from pathlib import Path

from rmsclient.administration import Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, UsageError

_USES = ("off", "optional", "enforced")


def register(group: CommandGroup) -> None:
    sign_on = group.subgroup("sign-on", "single sign-on with the organization's identity provider")
    sign_on.add("show", show, "show how single sign-on is set up, and what failed last")
    setter = sign_on.add(
        "set",
        set_up,
        "set single sign-on up, or anew",
        "Sets single sign-on up, or anew. OpenID Connect takes --issuer and --client-id and asks for the client "
        "secret, or reads it from a file; SAML takes --metadata, a file or an https address.",
    )
    setter.add_argument("--name", required=True, help="what your people call the identity provider")
    setter.add_argument("--issuer", metavar="URL", help="OpenID Connect: the issuer")
    setter.add_argument("--client-id", metavar="ID", help="OpenID Connect: our client ID there")
    setter.add_argument(
        "--client-secret-file",
        metavar="FILE",
        help="OpenID Connect: a file with the client secret, “-” for stdin; else it is asked for",
    )
    setter.add_argument("--keep-secret", action="store_true", help="OpenID Connect: keep the secret there is")
    setter.add_argument("--metadata", metavar="FILE|URL", help="SAML: its metadata")
    setter.add_argument(
        "--no-new-accounts", action="store_true", help="make no accounts at the first sign-in"
    )
    setter.add_argument(
        "--trust-addresses", action="store_true", help="believe addresses it calls not verified"
    )
    use = sign_on.add(
        "use",
        change_use,
        "switch single sign-on off, offer it, or make it the only way in",
        "“optional” offers it beside the password; “enforced” makes it the only way in, after a test in the portal.",
    )
    use.add_argument("use", choices=_USES)
    use.add_argument("--yes", action="store_true", help="do not ask")
    remove = sign_on.add("remove", remove_provider, "forget the identity provider")
    remove.add_argument("--yes", action="store_true", help="do not ask")


def show(context: Context) -> Exit:
    _print(context, context.administration().identity_provider())
    return Exit.OK


def set_up(context: Context) -> Exit:
    args = context.args
    setup: dict[str, object] = {
        "name": args.name,
        "creates_accounts": not args.no_new_accounts,
        "trust_addresses": args.trust_addresses,
    }
    if bool(args.issuer) == bool(args.metadata):
        raise UsageError(
            "which_kind", "Give either --issuer for OpenID Connect or --metadata for SAML, and not both."
        )
    if args.metadata:
        setup |= {"kind": "saml"} | _metadata(args.metadata)
    else:
        if not args.client_id:
            raise UsageError("no_client_id", "OpenID Connect needs --client-id.")
        setup |= {"kind": "oidc", "issuer": args.issuer, "client_id": args.client_id}
        if not args.keep_secret:
            setup["client_secret"] = _secret(context)
    _print(context, context.administration().set_identity_provider(setup))
    context.output.line("Test the sign-in in the portal, under Settings, before your people use it.")
    return Exit.OK


def change_use(context: Context) -> Exit:
    if context.args.use == "enforced":
        context.confirm(
            "Passwords are refused for everybody with an address in a proven domain; only global administrators "
            "keep theirs."
        )
    _print(context, context.administration().use_identity_provider(context.args.use))
    return Exit.OK


def remove_provider(context: Context) -> Exit:
    context.confirm("People keep their accounts and sign in with a password again.")
    context.administration().remove_identity_provider()
    context.output.line("The identity provider is removed.")
    context.output.result({"removed": True})
    return Exit.OK


def _metadata(given: str) -> dict[str, object]:
    if given.startswith(("https://", "http://")):
        return {"metadata_url": given}
    return {"metadata": Path(given).read_text(encoding="utf-8")}


def _secret(context: Context) -> str:
    given = context.args.client_secret_file
    if given == "-":
        secret = input()
    elif given:
        secret = Path(given).read_text(encoding="utf-8")
    else:
        secret = getpass.getpass("Client secret: ")
    if not secret.strip():
        raise UsageError("no_client_secret", "The client secret is empty.")
    return secret.strip()


def _print(context: Context, provider: Record) -> None:
    context.output.fields(
        [
            (
                name.replace("_", " ").capitalize(),
                provider.local_time(name) if name.endswith("_at") else provider.shown(name),
            )
            for name in provider.json
            if name != "certificates"
        ]
    )
    certificates = provider.json.get("certificates")
    for row in certificates if isinstance(certificates, list) else []:
        certificate = Record(row, "certificates")
        context.output.line(
            f"Certificate  {certificate.text('subject')}, until {certificate.text('not_after')[:10]}"
        )
    context.output.result(provider.json)
