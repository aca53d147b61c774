"""``admin keys incident list | open | show | step | close | report``: what to do when something happened to a key."""

from uuid import UUID

from rmsclient.administration import Administration, Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.cli.keys import find_key
from rmsclient.errors import Exit, UsageError

_PATH = "/keys/incidents/"
STEPS = ("roll", "end_access", "hold", "read_log", "revoke", "reseal", "destroy", "tell")


def register(keys: CommandGroup) -> None:
    group = keys.subgroup("incident", "what to do when something happened to a key, and exercises for it")
    group.add("list", list_incidents, "list incidents and exercises")
    begin = group.add(
        "open",
        open_incident,
        "begin an incident, or with --drill an exercise",
        "Begins an incident and tells all global and key administrators. An exercise goes the same way and changes nothing.",
    )
    begin.add_argument("kind", choices=("leaked", "misused", "weak"))
    begin.add_argument("--reason", required=True)
    begin.add_argument("--key", metavar="ID|FINGERPRINT", help="without it, the active key")
    begin.add_argument("--drill", action="store_true", help="an exercise")
    begin.add_argument("--yes", action="store_true", help="do not ask")
    step = group.add("step", take_step, "take a step, after saying in numbers what it does")
    step.add_argument("incident", metavar="ID")
    step.add_argument("step", choices=STEPS)
    step.add_argument("--dry-run", action="store_true", help="only say what it would do")
    step.add_argument("--bits", type=int, choices=(2048, 3072, 4096), help="roll: the size of the new key")
    step.add_argument(
        "--document", action="append", default=[], metavar="ID", help="revoke: this one; repeat it for more"
    )
    step.add_argument("--since", metavar="TIME", help="revoke: protected with the key from then on")
    step.add_argument("--until", metavar="TIME", help="revoke: protected with the key before then")
    step.add_argument(
        "--grace", type=int, metavar="DAYS", help="destroy: so long it can be canceled after its approval (7)"
    )
    step.add_argument("--cancel", action="store_true", help="destroy: take it back; the key stays disabled")
    close = group.add("close", close_incident, "end an incident; what was not done is noted")
    for name, run, summary in (
        ("show", show_incident, "show the steps, each as far as it is"),
        ("report", report, "the record of what was done when, and the text for people"),
    ):
        group.add(name, run, summary).add_argument("incident", metavar="ID")
    close.add_argument("incident", metavar="ID")
    for parser in (step, close):
        parser.add_argument("--yes", action="store_true", help="do not ask")


def list_incidents(context: Context) -> Exit:
    found = list(context.administration().records(_PATH))
    context.output.table(
        ("OPENED", "KIND", "EXERCISE", "KEY", "BY", "CLOSED", "ID"),
        [
            (
                one.local_time("opened_at"),
                one.shown("kind"),
                "yes" if one.flag("drill") else "",
                one.shown("fingerprint")[:16],
                one.shown("opened_by"),
                one.local_time("closed_at"),
                one.shown("id"),
            )
            for one in found
        ],
    )
    context.output.result({"incidents": [one.json for one in found]})
    return Exit.OK


def open_incident(context: Context) -> Exit:
    args, administration = context.args, context.administration()
    asked: dict[str, object] = {"kind": args.kind, "reason": args.reason, "drill": args.drill}
    if args.key:
        asked["key"] = find_key(administration, args.key).text("id")
    context.confirm("All global and key administrators are told by mail.")
    return _shown(context, administration.create(_PATH, asked))


def show_incident(context: Context) -> Exit:
    return _shown(context, context.administration().record(_address(context)))


def take_step(context: Context) -> Exit:
    args, administration = context.args, context.administration()
    asked = {
        "bits": args.bits,
        "content_ids": args.document or None,
        "since": args.since,
        "until": args.until,
        "grace_days": args.grace,
        **_move(administration, context),
    }
    body = {name: value for name, value in asked.items() if value is not None}
    would = _step(administration, context, {**body, "dry_run": True})
    if args.dry_run:
        context.output.line(f"It would do: {_numbers(would)}")
        context.output.result(would.json)
        return Exit.OK
    what = f"{args.step} ({body['move']})" if "move" in body else args.step
    context.confirm(f"{what}: {_numbers(would)}.")
    taken = _step(administration, context, body)
    context.output.line(f"{what}: {_numbers(taken)}")
    context.output.result(taken.json)
    return Exit.OK


def _move(administration: Administration, context: Context) -> dict[str, object]:
    """What the step `destroy` does now, so that what is asked is what is done; nothing for other steps."""
    if context.args.step != "destroy":
        return {}
    if context.args.cancel:
        return {"move": "cancel"}
    steps = _steps(administration.record(_address(context)))
    end = next((step for step in steps if step.shown("name") == "destroy"), None)
    return {name: end.shown(name) or None for name in ("move", "destruction")} if end else {}


def close_incident(context: Context) -> Exit:
    administration = context.administration()
    steps = _steps(administration.record(_address(context)))
    left = [step.shown("name") for step in steps if step.shown("state") != "done"]
    context.confirm(f"Not done: {', '.join(left) or 'nothing'}. It is noted, and administrators are told.")
    return _shown(context, administration.post(_address(context, "close/")))


def report(context: Context) -> Exit:
    found = context.administration().record(_address(context, "report/"))
    log = found.json.get("log")
    for row in log if isinstance(log, list) else []:
        event = Record(row, "log")
        context.output.line(
            f"{event.local_time('time')}  {event.shown('action')}  {event.shown('actor')}  {event.shown('target')}"
        )
    context.output.line()
    context.output.line(found.text("message"))
    context.output.result(found.json)
    return Exit.OK


def _shown(context: Context, incident: Record) -> Exit:
    names = ("id", "kind", "fingerprint", "reason", "opened_by", "closed_by")
    context.output.fields([("exercise", "yes" if incident.flag("drill") else "no")])
    context.output.fields([(name.replace("_", " "), incident.shown(name)) for name in names])
    context.output.table(
        ("STEP", "STATE", "WHEN", "BY", "NUMBERS"),
        [
            (step.shown("name"), step.shown("state"), step.local_time("at"), step.shown("by"), _numbers(step))
            for step in _steps(incident)
        ],
    )
    context.output.result(incident.json)
    return Exit.OK


def _steps(incident: Record) -> list[Record]:
    steps = incident.json.get("steps")
    return [Record(step, "step") for step in steps] if isinstance(steps, list) else []


def _numbers(step: Record) -> str:
    facts = step.json.get("facts")
    return ", ".join(f"{name} {number}" for name, number in facts.items()) if isinstance(facts, dict) else ""


def _step(administration: Administration, context: Context, body: dict[str, object]) -> Record:
    path = _address(context, f"steps/{context.args.step}/")
    return administration.post(path, body)


def _address(context: Context, more: str = "") -> str:
    try:
        return f"{_PATH}{UUID(context.args.incident)}/{more}"
    except ValueError:
        raise UsageError("usage", "An incident is named by its id (admin keys incident list).") from None
