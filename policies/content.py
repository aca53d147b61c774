"""The rules of a template as one value, wherever they stand: in a draft (JSON) or in a version (rows)."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from policies.evaluation import Grant
from policies.models import PolicyTemplate, TemplateVersion


@dataclass(frozen=True, slots=True)
class LocalizedText:
    """Name and description in one language."""

    language: str
    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """Everything a version says. Principals are resolved (protocol.md 1.4); `scope` holds "user:<id>", "group:<id>".

    `expiry` is "never", "date" or "days" and brings its one value (UTC); `offline_days` is None for as long as the
    organization allows and 0 for never.
    """

    default_language: str
    texts: tuple[LocalizedText, ...]
    grants: tuple[Grant, ...] = ()
    expiry: str = "never"
    expires_at: dt.datetime | None = None
    expires_after_days: int | None = None
    offline_days: int | None = None
    visible_to_all: bool = True
    scope: tuple[str, ...] = ()

    def text_for(self, languages: Iterable[str]) -> LocalizedText:
        """Name and description in the first of `languages` there is, else in the default language."""
        by_language = {text.language: text for text in self.texts}
        tag = best_tag(by_language, languages, self.default_language)
        return by_language.get(tag) or LocalizedText(self.default_language, "")


def best_tag(known: Iterable[str], languages: Iterable[str], default: str) -> str:
    """The tag among `known` that serves the wanted `languages` best ("de-AT" also finds "de"), else the default, else
    any; empty when none is known. Wanted tags may be in any case, known ones are lower-case."""
    present = list(known)
    for wanted in languages:
        tag = wanted.lower()
        while tag:
            if tag in present:
                return tag
            tag = tag.rpartition("-")[0]
    return default if default in present else next(iter(present), "")


def content_of(template: PolicyTemplate) -> Content | None:
    """What an editor shows: the draft, else the current version, else nothing."""
    if template.draft is not None:
        return from_json(template.draft)
    return None if template.current is None else content_of_version(template.current)


def content_of_version(version: TemplateVersion) -> Content:
    """A version as a value; prefetch its names, grants and scope where there are several."""
    texts = tuple(LocalizedText(row.language, row.name, row.description) for row in version.names.all())
    scope = [f"user:{row.user_id}" if row.user_id else f"group:{row.group_id}" for row in version.scope.all()]
    return Content(
        default_language=version.default_language,
        texts=_in_order(texts, version.default_language),
        grants=tuple(Grant(row.principal, tuple(row.rights.split(","))) for row in version.grants.all()),
        expiry=version.expiry,
        expires_at=version.expires_at,
        expires_after_days=version.expires_after_days,
        offline_days=version.offline_days,
        visible_to_all=version.visible_to_all,
        scope=tuple(sorted(scope)),
    )


def to_json(content: Content) -> dict[str, Any]:
    """As a draft keeps it, and as the admin API says it."""
    return {
        "default_language": content.default_language,
        "names": [
            {"language": text.language, "name": text.name, "description": text.description}
            for text in _in_order(content.texts, content.default_language)
        ],
        "grants": [{"principal": grant.principal, "rights": list(grant.rights)} for grant in content.grants],
        "expiry": content.expiry,
        "expires_at": content.expires_at.astimezone(dt.UTC).isoformat() if content.expires_at else None,
        "expires_after_days": content.expires_after_days,
        "offline_days": content.offline_days,
        "visible_to_all": content.visible_to_all,
        "scope": sorted(content.scope),
    }


def from_json(data: dict[str, Any]) -> Content:
    """What `to_json` wrote. Nothing is checked: `policies.reading` is for what people and programs send."""
    expires_at = data["expires_at"]
    return Content(
        default_language=data["default_language"],
        texts=tuple(
            LocalizedText(each["language"], each["name"], each["description"]) for each in data["names"]
        ),
        grants=tuple(Grant(each["principal"], tuple(each["rights"])) for each in data["grants"]),
        expiry=data["expiry"],
        expires_at=dt.datetime.fromisoformat(expires_at) if expires_at else None,
        expires_after_days=data["expires_after_days"],
        offline_days=data["offline_days"],
        visible_to_all=data["visible_to_all"],
        scope=tuple(data["scope"]),
    )


def _in_order(texts: Iterable[LocalizedText], default: str) -> tuple[LocalizedText, ...]:
    return tuple(sorted(texts, key=lambda text: (text.language != default, text.language)))
