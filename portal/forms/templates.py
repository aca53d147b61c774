"""What an admin types about a template. Rows of grants come and go, so this is no Django form; nothing typed is lost."""

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from policies.content import Content, from_json, to_json
from policies.reading import MAX_GRANTS, Problem
from portal.template_words import Names
from portal.wording import LEVELS, RIGHTS, Text, level_code
from rms.rights import ALL_RIGHTS, VIEW, with_dependencies
from tenants.languages import in_order, language_name
from tenants.models import Tenant

CHOSEN: Final = "CHOSEN"
KINDS: Final[dict[str, Text]] = {
    "person": _("A person, by address"),
    "group": _("A group"),
    "members": _("Everyone in your organization"),
    "domain": _("Everyone at a domain"),
    "tenant": _("Another organization"),
    "anyone": _("Anybody who signs in"),
    "owner": _("The owner of the document"),
}
_NAMELESS: Final = ("members", "anyone", "owner")


@dataclass
class TextRow:
    """Name and description in one language."""

    language: str
    name: str = ""
    description: str = ""
    name_errors: list[str] = field(default_factory=list)
    description_errors: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        return language_name(self.language)


@dataclass(frozen=True)
class RightBox:
    """A right to tick; `needs` are the codes that come with it, `brings` the same in words."""

    code: str
    word: Text
    ticked: bool
    needs: str
    brings: str


@dataclass
class GrantRow:
    """Who gets what; `level` is a level's code or CHOSEN."""

    index: int
    kind: str = "person"
    who: str = ""
    level: str = "VIEWER"
    rights: tuple[str, ...] = ()
    other: str = ""
    who_errors: list[str] = field(default_factory=list)
    rights_errors: list[str] = field(default_factory=list)

    @property
    def is_blank(self) -> bool:
        return self.kind not in _NAMELESS and not self.who and self.level != CHOSEN

    @property
    def is_named(self) -> bool:
        return self.kind not in _NAMELESS

    @property
    def chooses(self) -> bool:
        return self.level == CHOSEN

    @property
    def boxes(self) -> list[RightBox]:
        return [RightBox(code, RIGHTS[code], code in self.rights, *_needs(code)) for code in ALL_RIGHTS]

    def raw(self) -> dict[str, Any]:
        prefix = {"group": "group:", "tenant": "tenant:", "domain": "@"}.get(self.kind, "")
        who = self.who.removeprefix("@") if self.kind == "domain" else self.who
        principal = self.kind if self.kind in _NAMELESS else f"{prefix}{who}"
        if not self.chooses:
            return {"principal": principal, "level": self.level}
        others = [part for part in self.other.replace(",", " ").split() if part]
        return {"principal": principal, "rights": [*self.rights, *others]}


@dataclass
class TemplateForm:
    """The whole editor. `errors` holds what is wrong with everything but texts and grants, by field."""

    default_language: str
    texts: list[TextRow]
    grants: list[GrantRow]
    expiry: str = "never"
    expires_at: str = ""
    expires_after_days: str = ""
    offline: str = "always"
    offline_days: str = ""
    visible: str = "all"
    scope: str = ""
    errors: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def empty(cls, tenant: Tenant) -> "TemplateForm":
        return cls(
            tenant.default_language, _text_rows(tenant, [], tenant.default_language), [GrantRow(0, "members")]
        )

    @classmethod
    def of_content(cls, content: Content, tenant: Tenant) -> "TemplateForm":
        names = Names(tenant, [content])
        texts = [TextRow(text.language, text.name, text.description) for text in content.texts]
        scope = [written for entry in content.scope if (written := names.written(entry))]
        local = timezone.localtime(content.expires_at) if content.expires_at else None
        offline = {None: "always", 0: "never"}.get(content.offline_days, "days")
        return cls(
            default_language=content.default_language,
            texts=_text_rows(tenant, texts, content.default_language),
            grants=[
                _grant_row(index, grant.principal, grant.rights, names)
                for index, grant in enumerate(content.grants)
            ],
            expiry=content.expiry,
            expires_at=local.strftime("%Y-%m-%dT%H:%M") if local else "",
            expires_after_days=str(content.expires_after_days or ""),
            offline=offline,
            offline_days=str(content.offline_days) if offline == "days" else "",
            visible="all" if content.visible_to_all else "some",
            scope="\n".join(scope),
        )

    @classmethod
    def of_post(cls, post: QueryDict, tenant: Tenant) -> "TemplateForm":
        default = post.get("default_language", tenant.default_language)
        texts = [
            TextRow(
                language,
                post.get(f"name-{language}", "").strip(),
                post.get(f"description-{language}", "").strip(),
            )
            for language in in_order(name.removeprefix("name-") for name in post if name.startswith("name-"))
        ]
        order = [text for text in post.getlist("grant") if text.isdigit()][: MAX_GRANTS + 1]
        return cls(
            default_language=default,
            texts=_text_rows(tenant, texts, default),
            grants=[_posted_grant(post, index, old) for index, old in enumerate(dict.fromkeys(order))],
            expiry=post.get("expiry", "never"),
            expires_at=post.get("expires_at", ""),
            expires_after_days=post.get("expires_after_days", "").strip(),
            offline=post.get("offline", "always"),
            offline_days=post.get("offline_days", "").strip(),
            visible=post.get("visible", "all"),
            scope=post.get("scope", ""),
        )

    def raw(self) -> dict[str, Any]:
        """As `policies.reading.read_content` reads it; rows nobody filled in are left out."""
        offline: Any = {"always": None, "never": 0}.get(self.offline, _number(self.offline_days) or "")
        return {
            "default_language": self.default_language,
            "names": [
                {"language": row.language, "name": row.name, "description": row.description}
                for row in self.texts
            ],
            "grants": [row.raw() for row in self.grants if not row.is_blank],
            "expiry": self.expiry,
            "expires_at": _moment(self.expires_at),
            "expires_after_days": _number(self.expires_after_days),
            "offline_days": offline,
            "visible_to_all": self.visible == "all",
            "scope": self.scope.splitlines(),
        }

    def place(self, problems: Iterable[Problem]) -> None:
        """Put every problem beside its field."""
        filled = [row for row in self.grants if not row.is_blank]
        texts = {row.language: row for row in self.texts}
        for problem in problems:
            kind, _dot, rest = problem.field.partition(".")
            which, _dot, part = rest.rpartition(".")
            if kind == "names" and which in texts:
                row = texts[which]
                (row.name_errors if part == "name" else row.description_errors).append(problem.text)
            elif kind == "grants" and which.isdigit():
                grant = filled[int(which)]
                (grant.who_errors if part == "principal" else grant.rights_errors).append(problem.text)
            else:
                self.errors.setdefault(kind, []).append(problem.text)

    def add_grant(self) -> None:
        self.grants.append(GrantRow(len(self.grants)))

    def remove_grant(self, index: int) -> None:
        kept = [row for row in self.grants if row.index != index]
        for number, row in enumerate(kept):
            row.index = number
        self.grants = kept

    @property
    def blank_grant(self) -> GrantRow:
        """What a script makes new rows of."""
        return GrantRow(9999)

    @property
    def languages(self) -> list[tuple[str, str]]:
        return [(row.language, row.label) for row in self.texts]

    @property
    def kinds(self) -> list[tuple[str, Text]]:
        return list(KINDS.items())

    @property
    def levels(self) -> list[tuple[str, Text]]:
        return [*LEVELS.items(), (CHOSEN, _("Chosen rights"))]

    @property
    def preview(self) -> list[dict[str, Any]]:
        """What each language shows, and where it falls back."""
        by_language = {row.language: row for row in self.texts}
        default = by_language.get(self.default_language) or TextRow(self.default_language)
        rows = []
        for row in self.texts:
            shown = row if row.name else default
            rows.append(
                {
                    "label": row.label,
                    "language": shown.language,
                    "text": shown,
                    "falls_back": shown is not row,
                }
            )
        return rows


def content_json(content: Content) -> str:
    """Rules to be carried through a form."""
    return json.dumps(to_json(content), ensure_ascii=False)


def content_from_post(text: str) -> Content | None:
    """Rules that were carried through a form; None for what is none. They are for comparing: nothing is stored by them."""
    try:
        content = from_json(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return content if _is_well_formed(content) else None


def _is_well_formed(content: Content) -> bool:
    """Whether every member is of its kind: a browser may send anything."""
    words: list[Any] = [content.default_language, content.expiry, *content.scope]
    words += [word for text in content.texts for word in (text.language, text.name, text.description)]
    words += [word for grant in content.grants for word in (grant.principal, *grant.rights)]
    numbers: list[Any] = [content.expires_after_days, content.offline_days]
    visible: Any = content.visible_to_all
    moment = content.expires_at
    return (
        all(isinstance(word, str) for word in words)
        and all(number is None or type(number) is int for number in numbers)
        and isinstance(visible, bool)
        and (moment is None or moment.tzinfo is not None)
    )


def revision_of(post: QueryDict) -> int:
    """The revision a page was made from; one that never was when the page does not say."""
    text = post.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _text_rows(tenant: Tenant, texts: list[TextRow], default: str) -> list[TextRow]:
    """One row for each language the organization uses, and for those already written in; the default first."""
    known = {row.language: row for row in texts}
    wanted = in_order([*tenant.languages, tenant.default_language, default, *known])
    rows = [known.get(language) or TextRow(language) for language in wanted]
    return sorted(rows, key=lambda row: row.language != default)


def _grant_row(index: int, principal: str, rights: tuple[str, ...], names: Names) -> GrantRow:
    level = level_code(rights)
    row = GrantRow(index, level=level or CHOSEN)
    if not level:
        row.rights = tuple(right for right in rights if right in RIGHTS)
        row.other = " ".join(right for right in rights if right not in RIGHTS)
    if principal in _NAMELESS:
        row.kind = principal
    elif principal.startswith("group:"):
        row.kind, row.who = "group", names.written(principal) or principal[6:]
    elif principal.startswith("tenant:"):
        row.kind, row.who = "tenant", principal[7:]
    elif principal.startswith("@"):
        row.kind, row.who = "domain", principal[1:]
    else:
        row.who = principal
    return row


def _posted_grant(post: QueryDict, index: int, old: str) -> GrantRow:
    kind, level = post.get(f"kind-{old}", "person"), post.get(f"level-{old}", "VIEWER")
    return GrantRow(
        index,
        kind=kind if kind in KINDS else "person",
        who=post.get(f"who-{old}", "").strip(),
        level=level if level in LEVELS else CHOSEN,
        rights=tuple(right for right in post.getlist(f"rights-{old}") if right in RIGHTS),
        other=post.get(f"other-{old}", "").strip(),
    )


def _needs(code: str) -> tuple[str, str]:
    needed = [right for right in with_dependencies([code]) if right != code]
    if len(needed) == len(ALL_RIGHTS) - 1:
        return " ".join(needed), str(_("brings every right"))
    told = [str(RIGHTS[right]) for right in needed if right != VIEW]
    return " ".join(needed), _("needs: %(rights)s") % {"rights": ", ".join(told)} if told else ""


def _number(text: str) -> int | str | None:
    """A whole number, None for nothing, and what else was typed as it is."""
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text


def _moment(text: str) -> dt.datetime | None:
    """What a field for date and time sends, in the person's zone."""
    try:
        return timezone.make_aware(dt.datetime.fromisoformat(text))
    except ValueError:
        return None
