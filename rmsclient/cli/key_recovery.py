"""``admin keys import-package``: missing keys come back from the package of an own export."""

import base64
import getpass
from pathlib import Path

from rms.errors import FormatError
from rms.key_package import MAX_PACKAGE, read_package
from rms.key_wrapping import wrap_private_key
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, UsageError

_PATH = "/keys/import-package/"
_RETURNING = ("back", "new")


def register(keys: CommandGroup) -> None:
    bring = keys.add(
        "import-package",
        import_package,
        "bring keys that are missing at the server back from the package of an export",
        "Says which keys come back, wraps the recipient's private key for the server with a new import key, and hands both in. "
        "Keys that are there and work are left alone.",
    )
    bring.add_argument(
        "package", type=Path, metavar="FILE", help="the ZIP file of an export of this organization"
    )
    bring.add_argument(
        "--recipient-key",
        type=Path,
        required=True,
        metavar="KEY",
        help="the private key the package was made for",
    )
    bring.add_argument("--encrypted", action="store_true", help="ask for the password of that key")
    bring.add_argument("--dry-run", action="store_true", help="only say what would come back")
    bring.add_argument("--yes", action="store_true", help="do not ask")


def import_package(context: Context) -> Exit:
    args, administration = context.args, context.administration()
    data, private = _read(args.package, MAX_PACKAGE), _read(args.recipient_key, 1 << 16)
    try:
        read_package(data)
    except FormatError as error:
        raise UsageError("bad_package", f"{args.package}: {error}") from error
    package = base64.b64encode(data).decode()
    would = administration.change("POST", _PATH, {"package": package, "dry_run": True})
    keys = would.records("keys")
    context.output.table(
        ("KEY", "WHAT BECOMES OF IT"), [(key.shown("fingerprint")[:16], key.shown("fate")) for key in keys]
    )
    returning = sum(key.shown("fate") in _RETURNING for key in keys)
    if args.dry_run or not returning:
        if not returning:
            context.output.line("No key of this package is missing at the server.")
        context.output.result(would.json)
        return Exit.OK
    context.confirm(
        f"{returning} keys come back: what they protect opens again, to whom it is granted. An import key that was made for "
        "something else and not used yet is replaced."
    )
    password = getpass.getpass("Password of the recipient's key: ").encode() if args.encrypted else None
    public = administration.make_import_key().text("public_key").encode()
    try:
        wrapped = wrap_private_key(private, public, password=password)
    except ValueError as error:
        raise UsageError("not_wrapped", str(error)) from None
    done = administration.change(
        "POST", _PATH, {"package": package, "wrapped": base64.b64encode(wrapped).decode()}
    )
    context.output.line(f"{returning} keys are back.")
    context.output.result(done.json)
    return Exit.OK


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(most + 1)
    except OSError as error:
        raise UsageError("file_unreadable", f"{path} cannot be read: {error.strerror}.") from error
