"""``admin keys list | show | roll | withdraw | policy``."""

import time

from rmsclient.administration import Administration, Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, ServerError, UsageError

_POLL_SECONDS = 1.0
_ACTIVE = "active"
_PENDING = "pending"
_OFF = "off"


def register(group: CommandGroup) -> CommandGroup:
    """Registers the commands and returns their group, for further ones."""
    keys = group.subgroup("keys", "the organization's keys")
    keys.add("list", list_keys, "list all keys and how many documents hang on each")
    show = keys.add("show", show_key, "show one key with its uses on each of the last 30 days")
    show.add_argument("key", metavar="ID|FINGERPRINT", help="the beginning of a fingerprint is enough")
    roll = keys.add(
        "roll",
        roll_key,
        "replace the active key by a new one",
        "Makes a new key and waits until it is active. What the old key protects stays readable.",
    )
    roll.add_argument("--bits", type=int, choices=(2048, 3072, 4096), help="the size of the new key (2048)")
    roll.add_argument("--at", metavar="TIME", help="plan it, such as for 2027-01-31T18:00:00+01:00")
    roll.add_argument("--yes", action="store_true", help="do not ask")
    roll.add_argument("--timeout", type=int, default=300, metavar="SECONDS", help="how long to wait (300)")
    withdraw = keys.add("withdraw", withdraw_key, "give up the new key that is on its way")
    withdraw.add_argument("--yes", action="store_true", help="do not ask")
    reseal = keys.add(
        "reseal",
        reseal_documents,
        "have what hangs on an archived or disabled key sealed to the active one",
        "Has the registered documents of an archived or disabled key sealed to the active one, without touching a file. "
        "Afterwards they need the old private key no more. A disabled key stays disabled.",
    )
    reseal.add_argument("key", metavar="ID|FINGERPRINT", help="the beginning of a fingerprint is enough")
    reseal.add_argument("--yes", action="store_true", help="do not ask")
    policy = keys.add(
        "policy", show_or_set_policy, "show when the key is rolled by itself, or change it by the options"
    )
    policy.add_argument("--every", metavar="DAYS|off", help="roll when a key has been active so many days")
    policy.add_argument("--age", type=int, metavar="DAYS", help="the age that no key should exceed")
    policy.add_argument("--before-age", choices=("on", _OFF), help="roll 14 days before that age")
    policy.add_argument("--bits", type=int, choices=(2048, 3072, 4096), help="the size of new keys")
    return keys


def list_keys(context: Context) -> Exit:
    keys = list(context.administration().keys())
    context.output.table(
        ("FINGERPRINT", "STATE", "KEPT IN", "FROM", "BITS", "ACTIVE SINCE", "DOCUMENTS", "ID"),
        [
            (
                key.shown("fingerprint")[:16],
                "held" if "held_at" in key and "disabled_at" not in key else key.shown("state"),
                key.shown("kind"),
                key.shown("origin"),
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


def show_key(context: Context) -> Exit:
    key = _find_key(context)
    names = ("fingerprint", "id", "state", "kind", "origin", "bits", "documents")
    times = ("created_at", "planned_at", "activated_at", "archived_at", "disabled_at", "held_at")
    context.output.fields([(name, key.shown(name)) for name in names])
    context.output.fields([(name.replace("_", " "), key.local_time(name)) for name in times])
    context.output.fields([("need its private half", key.shown("need_private_key"))])
    context.output.fields([("seen, in no register", key.shown("unregistered"))])
    uses = key.json.get("uses")
    days = [Record(day, "uses") for day in uses] if isinstance(uses, list) else []
    context.output.table(
        ("DAY", "PROTECTED", "OPENED"),
        [(day.shown("day"), day.shown("protected"), day.shown("opened")) for day in days],
    )
    context.output.result(key.json)
    return Exit.OK


def _find_key(context: Context) -> Record:
    """The one key that is named, in full. Raises `UsageError`."""
    administration = context.administration()
    return administration.key(find_key(administration, context.args.key).shown("id"))


def reseal_documents(context: Context) -> Exit:
    key = _find_key(context)
    context.confirm(
        f"The {key.shown('need_private_key')} registered documents that need the private half of "
        f"{key.shown('fingerprint')[:16]} are sealed to the active key. No file is changed."
    )
    resealing = context.administration().post(f"/keys/{key.guid('id')}/reseal/")
    context.output.line("It goes on at the server (rightskeep admin keys show).")
    context.output.result(resealing.json)
    return Exit.OK


def roll_key(context: Context) -> Exit:
    administration = context.administration()
    if not context.args.yes:
        context.confirm(_consequence(administration))
    started = administration.roll_key(bits=context.args.bits, at=context.args.at)
    if context.args.at:
        context.output.line(
            f"The new key {started.shown('fingerprint')[:16]} is made and takes over at "
            f"{started.local_time('planned_at')}. Until then: rightskeep admin keys withdraw"
        )
        context.output.result(started.json)
        return Exit.OK
    key = wait_until_active(context, administration, started.text("id"))
    context.output.line(f"The new key {key.shown('fingerprint')[:16]} is active.")
    context.output.result(key.json)
    return Exit.OK


def _consequence(administration: Administration) -> str:
    """What a roll means, in numbers."""
    active = next((key for key in administration.records("/keys/") if key.shown("state") == _ACTIVE), None)
    documents = active.shown("documents") if active else "0"
    return (
        f"A new key will protect everything from now on. The present one is archived: it keeps opening the {documents} "
        "documents that hang on it, and protects nothing new."
    )


def withdraw_key(context: Context) -> Exit:
    context.confirm("The new key that is on its way is given up for good; the present one stays active.")
    key = context.administration().post("/keys/withdraw/")
    context.output.line(f"The key {key.shown('fingerprint')[:16]} is withdrawn.")
    context.output.result(key.json)
    return Exit.OK


def show_or_set_policy(context: Context) -> Exit:
    args, change = context.args, dict[str, object]()
    if args.every is not None:
        if args.every != _OFF and not args.every.isdecimal():
            raise UsageError("usage", "--every takes a number of days, or off.")
        change["every_days"] = None if args.every == _OFF else int(args.every)
    if args.age is not None:
        change["stated_age_days"] = args.age
    if args.before_age is not None:
        change["before_age"] = args.before_age == "on"
    if args.bits is not None:
        change["bits"] = args.bits
    administration, path = context.administration(), "/keys/policy/"
    policy = administration.change("PATCH", path, change) if change else administration.record(path)
    every = policy.shown("every_days")
    context.output.fields(
        [
            ("rolled", f"every {every} days" if every else "by hand"),
            ("stated age", f"{policy.shown('stated_age_days')} days"),
            ("before that age", "rolled" if policy.flag("before_age") else "only told"),
            ("size of new keys", policy.shown("bits")),
            ("next roll", policy.local_time("next_roll_at") or "when somebody does it"),
        ]
    )
    warnings = policy.json.get("warnings")
    for warning in warnings if isinstance(warnings, list) else []:
        context.output.line(f"! {Record(warning, 'warning').shown('message')}")
    context.output.result(policy.json)
    return Exit.OK


def find_key(administration: Administration, name: str) -> Record:
    """The one key with this id or beginning of a fingerprint. Raises UsageError."""
    wanted = name.strip().casefold()
    found = [
        key
        for key in administration.records("/keys/")
        if wanted and (key.shown("id") == wanted or key.shown("fingerprint").startswith(wanted))
    ]
    if len(found) != 1:
        raise UsageError("no_such_key", f"{len(found)} keys are called {name}.")
    return found[0]


def wait_until_active(context: Context, administration: Administration, key_id: str) -> Record:
    """Wait for a new key to take over. Raises ServerError."""
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
