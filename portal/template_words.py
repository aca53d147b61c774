"""The rules of templates in plain words: grants, visibility, differences. Names of people and groups are read at once."""

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from policies.consequences import GrantChange
from policies.content import Content
from policies.differences import Change
from portal.templatetags.portal import moment
from portal.wording import (
    RIGHTS,
    GrantInWords,
    RightInWords,
    Text,
    days_after_protection,
    level_of,
    offline_in_words,
    rights_in_words,
    who_in_words,
)
from tenants.languages import language_name
from tenants.models import Group, Tenant, User


class Names:
    """Names of the groups and people that rules or changes of an organization refer to; two queries at most."""

    def __init__(
        self, tenant: Tenant, contents: Iterable[Content] = (), *, changes: Iterable[Change] = ()
    ) -> None:
        self.tenant = tenant
        entries = [entry for content in contents for entry in _entries(content)]
        entries += [entry for change in changes for entry in _entries_of_change(change)]
        groups, people = _ids(entries, "group:"), _ids(entries, "user:")
        self._groups: dict[uuid.UUID, str] = {}
        self._people: dict[uuid.UUID, str] = {}
        if groups:
            self._groups = dict(
                Group.objects.for_tenant(tenant).filter(id__in=groups).values_list("id", "name")
            )
        if people:
            self._people = dict(
                User.objects.for_tenant(tenant).filter(id__in=people).values_list("id", "email")
            )

    def who(self, principal: str) -> Text:
        """Whom a grant reaches."""
        return who_in_words(principal, self.tenant, self._groups)

    def written(self, entry: str) -> str:
        """How an entry `group:<id>` or `user:<id>` is typed: name or address; empty when there is no such any more."""
        kind, _sign, _text = entry.partition(":")
        found = _ids([entry], f"{kind}:")
        known = self._groups if kind == "group" else self._people
        return known.get(next(iter(found)), "") if found else ""

    def scope(self, entries: Sequence[str]) -> str:
        """People and groups who see a template."""
        named = sorted((written for entry in entries if (written := self.written(entry))), key=str.casefold)
        return ", ".join(named) or gettext("Nobody")


def rules_in_words(content: Content, names: Names, languages: Sequence[str]) -> dict[str, Any]:
    """What a page shows of the rules; `expires_at` is left to the page, which knows the reader's zone."""
    return {
        "name": content.text_for(languages),
        "texts": [
            {
                "label": language_name(text.language),
                "text": text,
                "is_default": text.language == content.default_language,
            }
            for text in content.texts
        ],
        "grants": [
            GrantInWords(names.who(grant.principal), level_of(grant.rights), rights_in_words(grant.rights))
            for grant in content.grants
        ],
        "expires_at": content.expires_at,
        "expiry": _expiry(content.expires_after_days or "never"),
        "offline": offline_in_words(content.offline_days, names.tenant),
        "visible_to_all": content.visible_to_all,
        "scope": names.scope(content.scope),
    }


@dataclass(frozen=True, slots=True)
class ChangeInWords:
    """A field that differs; texts are empty where it is not there."""

    field: str
    label: str
    before: str
    after: str


def changes_in_words(changes: Sequence[Change], tenant: Tenant) -> list[ChangeInWords]:
    """What differs, for people."""
    names = Names(tenant, changes=changes)
    return [
        ChangeInWords(
            change.field,
            _label(change.field, names),
            _value(change.field, change.before, names),
            _value(change.field, change.after, names),
        )
        for change in changes
    ]


@dataclass(frozen=True, slots=True)
class GainInWords:
    """What one principal gains and loses."""

    who: Text
    before: Text
    after: Text
    gained: tuple[RightInWords, ...]
    lost: tuple[RightInWords, ...]


def gains_in_words(changes: Sequence[GrantChange], names: Names) -> list[GainInWords]:
    """Who gains and who loses which rights."""
    return [
        GainInWords(
            names.who(change.principal),
            _rights(change.before),
            _rights(change.after),
            rights_in_words(change.gained),
            rights_in_words(change.lost),
        )
        for change in changes
    ]


def _rights(rights: Sequence[str]) -> str:
    if not rights:
        return ""
    return str(level_of(rights) or ", ".join(str(RIGHTS.get(code, code)) for code in rights))


def _label(field: str, names: Names) -> str:
    kind, _dot, rest = field.partition(".")
    if kind == "names":
        language, _dot, part = rest.rpartition(".")
        label = _("Name (%(language)s)") if part == "name" else _("Description (%(language)s)")
        return str(label) % {"language": language_name(language)}
    if kind == "grants":
        return str(names.who(rest))
    labels: dict[str, Text] = {
        "default_language": _("Language others fall back to"),
        "expiry": _("Content expires"),
        "offline_days": _("Readable offline"),
        "visible_to": _("Offered to"),
    }
    return str(labels.get(field, field))


def _value(field: str, value: Any, names: Names) -> str:
    if field == "offline_days":
        return str(offline_in_words(value, names.tenant))
    if value is None:
        return ""
    if field.startswith("grants."):
        return _rights(value)
    if field == "visible_to":
        return gettext("Everybody who may protect") if value == "all" else names.scope(value)
    if field == "default_language":
        return language_name(value)
    return str(_expiry(value)) if field == "expiry" else str(value)


def _expiry(value: Any) -> Text:
    if isinstance(value, int):
        return days_after_protection(value)
    return _("Never") if value == "never" else moment(dt.datetime.fromisoformat(value))


def _entries(content: Content) -> list[str]:
    return [*(grant.principal for grant in content.grants), *content.scope]


def _entries_of_change(change: Change) -> list[str]:
    if change.field.startswith("grants."):
        return [change.field.removeprefix("grants.")]
    if change.field == "visible_to":
        return [entry for side in (change.before, change.after) if isinstance(side, list) for entry in side]
    return []


def _ids(entries: Iterable[str], prefix: str) -> set[uuid.UUID]:
    found = set()
    for entry in entries:
        if entry.startswith(prefix):
            try:
                found.add(uuid.UUID(entry.removeprefix(prefix)))
            except ValueError:
                continue
    return found
