"""``admin keys list`` and ``admin keys roll``."""

import time

from rmsclient.administration import Administration, Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, ServerError

_POLL_SECONDS = 1.0
_ACTIVE = "active"
_PENDING = "pending"


def register(group: CommandGroup) -> None:
    keys = group.subgroup("keys", "the organization's keys")
    keys.add("list", list_keys, "list all keys and how many documents hang on each")
    roll = keys.add(
        "roll",
        roll_key,
        "replace the active key by a new one",
        "Makes a new key and waits until it is active. What the old key protects stays readable.",
    )
    roll.add_argument("--yes", action="store_true", help="do not ask")
    roll.add_argument("--timeout", type=int, default=300, metavar="SECONDS", help="how long to wait (300)")


def list_keys(context: Context) -> Exit:
    keys = list(context.administration().keys())
    context.output.table(
        ("FINGERPRINT", "STATE", "KIND", "BITS", "ACTIVE SINCE", "DOCUMENTS", "ID"),
        [
            (
                key.shown("fingerprint")[:16],
                key.shown("state"),
                key.shown("kind"),
                key.shown("bits"),
                key.local_time("activated_at"),
                key.shown("documents"),
                key.shown("id"),
            )
            for key in keys
        ],
    )
    context.output.result({"keys": [key.json for key in keys]})
    return Exit.OK


def roll_key(context: Context) -> Exit:
    context.confirm(
        "A new key will protect everything from now on; the present one keeps opening what it protected."
    )
    administration = context.administration()
    started = administration.roll_key()
    key = _wait_until_active(context, administration, started.text("id"))
    context.output.line(f"The new key {key.shown('fingerprint')[:16]} is active.")
    context.output.result(key.json)
    return Exit.OK


def _wait_until_active(context: Context, administration: Administration, key_id: str) -> Record:
    deadline = time.monotonic() + context.args.timeout
    context.output.remark("The new key is made; it becomes active when every server knows it …")
    while True:
        key = administration.key(key_id)
        state = key.text("state")
        if state == _ACTIVE or "activated_at" in key:
            return key
        if state != _PENDING:
            raise ServerError("roll_failed", f"The new key did not become active; it is {state}.")
        if time.monotonic() > deadline:
            raise ServerError(
                "roll_pending",
                f"The new key is still {state} after {context.args.timeout} s; it goes on at the server "
                "(rightskeep admin keys list).",
            )
        time.sleep(_POLL_SECONDS)
