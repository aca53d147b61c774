"""Whom an administrator means who types an address, a name or an id; and one record, shown."""

from uuid import UUID

from rmsclient.administration import Administration, Record
from rmsclient.cli.context import Context
from rmsclient.errors import Exit, UsageError


def shown(context: Context, record: Record) -> Exit:
    context.output.fields([(name.replace("_", " ").capitalize(), record.shown(name)) for name in record.json])
    context.output.result(record.json)
    return Exit.OK


def person_id(administration: Administration, wanted: str) -> UUID:
    try:
        return UUID(wanted.strip("{}"))
    except ValueError:
        found = [
            person
            for person in administration.records("/people/", {"q": wanted})
            if wanted.casefold() in (address.casefold() for address in person.texts("addresses"))
        ]
    if len(found) != 1:
        raise UsageError("no_such_person", f"There is no person with the address “{wanted}”.")
    return UUID(found[0].text("id"))


def group_id(administration: Administration, wanted: str) -> UUID:
    try:
        return UUID(wanted.strip("{}"))
    except ValueError:
        found = [
            group
            for group in administration.records("/groups/", {"q": wanted})
            if group.shown("name").casefold() == wanted.casefold()
        ]
    if len(found) != 1:
        raise UsageError("no_such_group", f"There is no group “{wanted}”.")
    return UUID(found[0].text("id"))
