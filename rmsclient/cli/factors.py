"""``admin organization second-factor`` and ``admin people reset-factors``."""

from rmsclient.administration import Administration, Record
from rmsclient.cli.context import CommandGroup, Context
from rmsclient.errors import Exit, UsageError

_POLICY = "/organization/second-factor/"


def register_organization(organization: CommandGroup) -> None:
    policy = organization.add(
        "second-factor",
        second_factor,
        "show or set who must have a second factor",
        "Without a choice: who must have one, and how many people have none. Whoever must have one and has none is led "
        "to setting one up at their next page.",
    )
    policy.add_argument("choice", nargs="?", choices=["optional", "admins", "everyone"])


def register_people(people: CommandGroup) -> None:
    reset = people.add(
        "reset-factors",
        reset_factors,
        "remove the second factors of somebody who lost theirs",
        "Removes passkeys, authenticator app and recovery codes, and signs all browsers of the person out. They are told "
        "by mail.",
    )
    reset.add_argument("person", metavar="ADDRESS|ID")
    reset.add_argument("--yes", action="store_true", help="do not ask")


def second_factor(context: Context) -> Exit:
    administration = context.administration()
    wanted = context.args.choice
    if wanted:
        policy = administration.change("PUT", _POLICY, {"second_factor": wanted})
    else:
        policy = administration.record(_POLICY)
    context.output.fields(
        [
            ("Second factor", policy.shown("second_factor")),
            ("With a role, without one", policy.shown("admins_without")),
            ("People without one", policy.shown("people_without")),
        ]
    )
    context.output.result(policy.json)
    return Exit.OK


def reset_factors(context: Context) -> Exit:
    administration = context.administration()
    person = _find(administration, context.args.person)
    context.confirm(
        f"{person.shown('email')} will sign in without a second factor until they set up a new one."
    )
    done = administration.post(f"/people/{person.text('id')}/reset-factors/")
    context.output.line(f"Removed: {done.shown('removed')}.")
    context.output.result(done.json)
    return Exit.OK


def _find(administration: Administration, wanted: str) -> Record:
    for person in administration.records("/people/"):
        if wanted.casefold() in (person.text("id").casefold(), person.text("email").casefold()):
            return person
    raise UsageError("no_such_person", f"There is nobody “{wanted}” in the organization.")
