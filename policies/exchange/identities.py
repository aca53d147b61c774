"""Whom the names in a file mean in the organization that reads it.

By id, then by address, then by name, and only among the organization's own people and groups: ids of another
organization are unknown here like invented ones. What is not found has to be mapped by whoever imports, or left out in so many
words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_lazy as _

from policies.exchange.shapes import FiledRules, FileRefusedError, Identity, Place, TemplateFile
from policies.principals import Principals
from policies.reading import people_named
from tenants.changes import ChangeRefusedError
from tenants.domain_names import canonical_address
from tenants.models import Tenant

NOBODY: Final = "nobody"
_LOOKED_UP: Final = ("group", "organization", "person")
_MAX_NAMES: Final = 5000


@dataclass(frozen=True, slots=True)
class Resolution:
    """Whom a name means here: `entry` is written as `policies.reading` reads it, empty where nobody is meant.

    `how` is "same" (means the same everywhere), "id", "address", "name", "mapped", "left_out" or "unknown"; `problem` says what is
    wrong with the mapping.
    """

    who: Identity
    entry: str
    how: str
    problem: str = ""


def resolve(file: TemplateFile, tenant: Tenant, mapping: Mapping[str, str]) -> dict[Identity, Resolution]:
    """Every identity of the file. `mapping` says by label (any case) whom to take instead, or `NOBODY`.

    Raises `FileRefusedError` when there are too many to look up, `ChangeRefusedError` for a mapping of a name that is not there.
    """
    found = {who: Resolution(who, who.label, "same") for who in _identities(file)}
    wanted = [who for who in found if who.kind in _LOOKED_UP]
    if len(wanted) > _MAX_NAMES:
        reason = _("At most %(limit)s groups, people and organizations are looked up for one file.")
        raise FileRefusedError(reason, Place(1, 1), limit=_MAX_NAMES)
    chosen = {label.strip().casefold(): target.strip() for label, target in mapping.items()}
    unknown = chosen.keys() - {who.label.casefold() for who in wanted}
    if unknown:
        raise ChangeRefusedError(
            "unknown_mapping",
            _("The file names no group, person or organization “%(label)s”."),
            label=min(unknown)[:80],
        )
    entries = [entry for who in wanted for _how, entry in _entries(who)]
    principals = Principals(
        tenant, [*(e for e in entries if e.startswith(("group:", "tenant:"))), *chosen.values()]
    )
    people = people_named(tenant, [entry for entry in entries if not entry.startswith(("group:", "tenant:"))])
    for who in wanted:
        target = chosen.get(who.label.casefold(), "")
        found[who] = _mapped(who, target, principals) if target else _looked_up(who, principals, people)
    return found


def _identities(file: TemplateFile) -> Iterable[Identity]:
    for template in file.templates:
        for rules in (template.rules, template.draft):
            if rules is not None:
                yield from identities_of(rules)


def identities_of(rules: FiledRules) -> Iterable[Identity]:
    """Whom the rules name, those of the grants first."""
    yield from (grant.who for grant in rules.grants)
    yield from rules.scope


def _entries(who: Identity) -> list[tuple[str, str]]:
    """The ways to look somebody up, the surest first."""
    if who.kind == "organization":
        return [("id", f"tenant:{who.id}")]
    named, addressed = ("group:", "group:") if who.kind == "group" else ("user:", "")
    ways = [("id", who.id and named + who.id), ("address", who.mail and addressed + who.mail)]
    ways.append(("name", who.name and named + who.name))
    return [(how, entry) for how, entry in ways if entry]


def _looked_up(who: Identity, principals: Principals, people: Mapping[str, object]) -> Resolution:
    for how, entry in _entries(who):
        if who.kind == "person":
            if (person := people.get(canonical_address(entry))) is not None:
                return Resolution(who, f"user:{person}", how)
            continue
        try:
            return Resolution(who, principals.resolve(entry), how)
        except ChangeRefusedError:
            continue
    return Resolution(who, "", "unknown")


def _mapped(who: Identity, target: str, principals: Principals) -> Resolution:
    if target.casefold() == NOBODY:
        return Resolution(who, "", "left_out")
    try:
        return Resolution(who, principals.resolve(target), "mapped")
    except ChangeRefusedError as refused:
        return Resolution(who, "", "unknown", str(refused))
