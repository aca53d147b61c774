"""``admin keys import-key | wrap | import | hold | restore``: a key of one's own."""

import base64
import getpass
from pathlib import Path

from rms.key_wrapping import MAX_WRAPPED, wrap_private_key
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.cli.keys import find_key, wait_until_active
from rmsclient.errors import Exit, UsageError
from rmsclient.files import complete_file


def register(keys: CommandGroup) -> None:
    _register_bringing(keys)
    hold = keys.add(
        "hold",
        hold_key,
        "make a key that you brought unusable, until you bring it again",
        "Removes the private half from the server. What the key protects opens for nobody until the same key is restored.",
    )
    restore = keys.add("restore", restore_key, "bring a held key again")
    for parser in (hold, restore):
        parser.add_argument("key", metavar="ID|FINGERPRINT", help="the beginning of a fingerprint is enough")
    restore.add_argument("wrapped", metavar="FILE", help="the key, wrapped with a new import key")
    hold.add_argument("--yes", action="store_true", help="do not ask")


def _register_bringing(keys: CommandGroup) -> None:
    import_key = keys.add("import-key", new_import_key, "make a one-time key to wrap yours with")
    wrap = keys.add(
        "wrap",
        wrap_key,
        "wrap your private key for the server",
        "Reads an RSA key (PEM or DER) and writes it wrapped. With --import-key, nothing is sent anywhere.",
    )
    wrap.add_argument("private_key", metavar="FILE", help="your private key")
    wrap.add_argument("--import-key", metavar="FILE", help="the import key; without it, a new one is made")
    wrap.add_argument("--encrypted", action="store_true", help="ask for the password of the private key")
    bring = keys.add(
        "import",
        import_wrapped,
        "bring your own key and make it the active one",
        "Hands in a wrapped key and waits until it is active. What the present key protects stays readable.",
    )
    bring.add_argument("wrapped", metavar="FILE")
    bring.add_argument("--place", choices=("software", "pkcs11"), help="where it is kept")
    bring.add_argument("--yes", action="store_true", help="do not ask")
    bring.add_argument("--timeout", type=int, default=300, metavar="SECONDS", help="how long to wait (300)")
    for parser in (import_key, wrap):
        parser.add_argument("--out", required=True, metavar="FILE")


def new_import_key(context: Context) -> Exit:
    with complete_file(Path(context.args.out)) as stream:
        made = context.administration().make_import_key()
        stream.write(made.text("public_key").encode())
    context.output.line(f"{context.args.out}: wrap one key with it until {made.local_time('expires_at')}.")
    context.output.result(made.json)
    return Exit.OK


def wrap_key(context: Context) -> Exit:
    private, args = _read(context.args.private_key), context.args
    password = getpass.getpass("Password of the private key: ").encode() if args.encrypted else None
    with complete_file(Path(args.out)) as stream:
        if args.import_key:
            public = _read(args.import_key)
        else:
            public = context.administration().make_import_key().text("public_key").encode()
        try:
            stream.write(wrap_private_key(private, public, password=password))
        except ValueError as error:
            raise UsageError("not_wrapped", str(error)) from None
    context.output.line(f"{args.out}: bring it with: rightskeep admin keys import {args.out}")
    context.output.result({"out": args.out})
    return Exit.OK


def import_wrapped(context: Context) -> Exit:
    wrapped = _read_wrapped(context)
    context.confirm(
        "Your key will protect everything from now on; the present one keeps opening what it protected."
    )
    administration = context.administration()
    started = administration.bring_key(wrapped, context.args.place)
    key = wait_until_active(context, administration, started.text("id"))
    context.output.line(f"Your key {key.shown('fingerprint')[:16]} is active.")
    context.output.result(key.json)
    return Exit.OK


def hold_key(context: Context) -> Exit:
    administration = context.administration()
    key = find_key(administration, context.args.key)
    context.confirm(
        f"What the key {key.shown('fingerprint')[:16]} protects ({key.shown('documents')} documents) opens for nobody until "
        "you bring the same key again."
    )
    held = administration.hold_key(key.text("id"))
    context.output.line(f"The key {held.shown('fingerprint')[:16]} is held.")
    context.output.result(held.json)
    return Exit.OK


def restore_key(context: Context) -> Exit:
    wrapped = _read_wrapped(context)
    administration = context.administration()
    restored = administration.restore_key(find_key(administration, context.args.key).text("id"), wrapped)
    context.output.line(f"The key {restored.shown('fingerprint')[:16]} opens again.")
    context.output.result(restored.json)
    return Exit.OK


def _read(name: str) -> bytes:
    try:
        with Path(name).open("rb") as stream:
            return stream.read(1 << 20)
    except OSError as error:
        raise UsageError("file_unreadable", f"{name} cannot be read: {error.strerror}.") from error


def _read_wrapped(context: Context) -> str:
    wrapped = _read(context.args.wrapped)
    if wrapped.lstrip().startswith(b"-----") or len(wrapped) > MAX_WRAPPED:
        raise UsageError(
            "not_wrapped", "This file is not a wrapped key. Wrap yours first: rightskeep admin keys wrap"
        )
    return base64.b64encode(wrapped).decode()
