"""From the values of a file to templates: every member is known, of the right kind, and there where it has to be."""

import datetime as dt
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from policies.exchange.shapes import (
    EXPIRIES,
    GRANTED,
    MAX_TEMPLATES,
    SCOPED,
    STATUSES,
    WORDS,
    FiledGrant,
    FiledRules,
    FiledTemplate,
    FiledText,
    FileRefusedError,
    Identity,
    Node,
    Place,
    TemplateFile,
)

FORMAT: Final = "rightskeep-templates"
VERSION: Final = 1
_TOP: Final = ("format", "version", "exported_at", "organization", "templates")
_RULES: Final = (
    "default_language", "names", "grants", "expiry", "expires_at", "expires_after_days", "offline_days",
    "visible_to_all", "scope",
)  # fmt: skip
_FACTS: Final = ("id", "status", "modified_at", "draft")
_IDENTITY: Final = {
    "address": ("address",),
    "group": ("id", "name", "address"),
    "domain": ("domain",),
    "organization": ("id",),
    "person": ("id", "address"),
}
_MAX_ENTRIES: Final = 1000
_MAX_NUMBER: Final = 1_000_000
_ADDRESS: Final = re.compile(r"[^\s@]+@[^\s@]+")
# What neither XML nor PostgreSQL can hold, and what is no character at all.
_NO_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def read_templates(root: Node) -> TemplateFile:
    """The file that the values mean. Raises `FileRefusedError`."""
    top = Members(root, _TOP)
    if top.text("format") != FORMAT:
        raise FileRefusedError(_("This is not a file of templates."), top.place("format"))
    if (version := top.number("version")) != VERSION:
        reason = _("This file is of version %(version)s; version %(known)s is read here.")
        raise FileRefusedError(reason, top.place("version"), version=version, known=VERSION)
    organization = Members(top.get("organization"), ("id", "name")) if top.get("organization") else None
    templates: dict[str, FiledTemplate] = {}
    for node in top.entries("templates", MAX_TEMPLATES):
        template = _template(node)
        if template.id in templates:
            reason = _("A template with the identifier %(id)s stands in this file already.")
            raise FileRefusedError(reason, template.place, id=template.id)
        templates[template.id] = template
    return TemplateFile(
        templates=tuple(templates.values()),
        organization=organization.text("name", optional=True) if organization else "",
        organization_id=organization.guid("id", optional=True) if organization else "",
        exported_at=top.moment("exported_at"),
    )


def _template(node: Node) -> FiledTemplate:
    members = Members(node, (*_FACTS, *_RULES))
    draft = members.get("draft")
    return FiledTemplate(
        id=members.guid("id"),
        status=members.choice("status", STATUSES),
        rules=_rules(members),
        draft=_rules(Members(draft, _RULES)) if draft is not None else None,
        modified_at=members.moment("modified_at"),
        place=node.place,
    )


def _rules(members: "Members") -> FiledRules:
    places = {name: members.place(name) for name in _RULES}
    expiry = members.choice("expiry", EXPIRIES, default="never")
    expires_at, days = members.moment("expires_at"), members.number("expires_after_days", optional=True)
    if (expires_at is not None) != (expiry == "date") or (days is not None) != (expiry == "days"):
        reason = _("The expiry does not go with its date or its number of days.")
        raise FileRefusedError(reason, members.place("expiry"))
    texts = tuple(_texts(members, places))
    everybody = members.flag("visible_to_all", default=True)
    scope = tuple(_identity(each, SCOPED) for each in members.entries("scope", _MAX_ENTRIES))
    if everybody and scope:
        reason = _("It is offered to everybody and yet only to some.")
        raise FileRefusedError(reason, members.place("scope"))
    return FiledRules(
        default_language=members.text("default_language").lower(),
        texts=texts,
        grants=tuple(_grants(members, places)),
        expiry=expiry,
        expires_at=expires_at,
        expires_after_days=days,
        offline_days=members.number("offline_days", optional=True),
        visible_to_all=everybody,
        scope=scope,
        places=places,
    )


def _texts(members: "Members", places: dict[str, Place]) -> Iterator[FiledText]:
    seen = set()
    for each in members.entries("names", _MAX_ENTRIES):
        entry = Members(each, ("language", "name", "description"))
        language = entry.text("language").lower()
        if language in seen:
            raise FileRefusedError(_("“%(name)s” stands here twice."), each.place, name=language)
        seen.add(language)
        places[f"names.{language}"] = each.place
        yield FiledText(language, entry.text("name"), entry.text("description", optional=True))


def _grants(members: "Members", places: dict[str, Place]) -> Iterator[FiledGrant]:
    seen = set()
    for number, each in enumerate(members.entries("grants", _MAX_ENTRIES)):
        entry = Members(each, ("who", "rights"))
        who = _identity(entry.required("who"), GRANTED)
        if who in seen:
            raise FileRefusedError(_("“%(name)s” stands here twice."), each.place, name=who.label)
        seen.add(who)
        places[f"grants.{number}"] = each.place
        rights = tuple(_plain_text(right) for right in entry.entries("rights", _MAX_ENTRIES))
        if not rights or "" in rights:
            raise FileRefusedError(_("There is a grant without a right."), each.place)
        yield FiledGrant(who, rights)


def _identity(node: Node, kinds: Sequence[str]) -> Identity:
    members = Members(node)
    kind = members.choice("kind", kinds)
    members.only(("kind", *_IDENTITY.get(kind, ())))
    if kind in WORDS:
        return Identity(kind)
    mail = members.text("address", optional=kind != "address").lower()
    if mail and not _ADDRESS.fullmatch(mail):
        raise FileRefusedError(
            _("“%(entry)s” is not a mail address."), members.place("address"), entry=mail[:80]
        )
    name = members.text("domain").lower().removeprefix("@") if kind == "domain" else ""
    if kind == "group":
        name = members.text("name", optional=True)
    found = Identity(kind, name, mail, members.guid("id", optional=kind != "organization"))
    if not (found.name or found.mail or found.id):
        raise FileRefusedError(_("It is not said who is meant."), node.place)
    return found


def _plain_text(node: Node) -> str:
    if not isinstance(node.value, str):
        raise FileRefusedError(_("A text is expected here."), node.place)
    if _NO_TEXT.search(node.value):
        raise FileRefusedError(_("There are characters in it that cannot be shown."), node.place)
    return " ".join(node.value.split())


class Members:
    """The members of one object; those outside `allowed` are refused."""

    def __init__(self, node: Node | None, allowed: Sequence[str] | None = None) -> None:
        if node is None or not isinstance(node.value, dict):
            raise FileRefusedError(
                _("An object with members is expected here."), node.place if node else Place(1, 1)
            )
        self._node = node
        if allowed is not None:
            self.only(allowed)

    def only(self, allowed: Sequence[str]) -> None:
        """Refuse members of other names."""
        for name, node in self._node.value.items():
            if name not in allowed:
                raise FileRefusedError(_("There is no “%(name)s” here."), node.place, name=name[:80])

    def get(self, name: str) -> Node | None:
        """The member; None where it is not there or null."""
        node: Node | None = self._node.value.get(name)
        return None if node is None or node.value is None else node

    def required(self, name: str) -> Node:
        node = self.get(name)
        if node is None:
            raise FileRefusedError(_("“%(name)s” is missing here."), self._node.place, name=name)
        return node

    def place(self, name: str) -> Place:
        """Where the member stands, else where the object does."""
        node = self._node.value.get(name)
        return self._node.place if node is None else node.place

    def text(self, name: str, *, optional: bool = False) -> str:
        if optional and self.get(name) is None:
            return ""
        text = _plain_text(self.required(name))
        if not text and not optional:
            raise FileRefusedError(_("“%(name)s” is empty."), self.place(name), name=name)
        return text

    def choice(self, name: str, choices: Sequence[str], *, default: str = "") -> str:
        if default and self.get(name) is None:
            return default
        text = self.text(name)
        if text not in choices:
            reason = _("“%(value)s” is none of: %(choices)s.")
            raise FileRefusedError(reason, self.place(name), value=text[:80], choices=", ".join(choices))
        return text

    def guid(self, name: str, *, optional: bool = False) -> str:
        """The identifier in one form, without braces."""
        text = self.text(name, optional=optional)
        if not text:
            return ""
        try:
            return str(uuid.UUID(text.strip("{}")))
        except ValueError:
            reason = _("“%(value)s” is not an identifier.")
            raise FileRefusedError(reason, self.place(name), value=text[:80]) from None

    def number(self, name: str, *, optional: bool = False) -> int | None:
        node = self.get(name) if optional else self.required(name)
        if node is None:
            return None
        value: Any = node.value
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_NUMBER:
            raise FileRefusedError(_("A whole number from 0 on is expected here."), node.place)
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        node = self.get(name)
        if node is None:
            return default
        if not isinstance(node.value, bool):
            raise FileRefusedError(_("True or false is expected here."), node.place)
        return node.value

    def moment(self, name: str) -> dt.datetime | None:
        """A time with its zone, as UTC to the second; None where it is not there."""
        text = self.text(name, optional=True)
        if not text:
            return None
        try:
            moment = dt.datetime.fromisoformat(text)
            if moment.tzinfo is None:
                raise ValueError
            return moment.astimezone(dt.UTC)
        except (ValueError, OverflowError):
            reason = _("“%(value)s” is not a time with a zone, like 2027-01-31T12:00:00Z.")
            raise FileRefusedError(reason, self.place(name), value=text[:80]) from None

    def entries(self, name: str, limit: int) -> list[Node]:
        """The entries of a list; none where it is not there."""
        node = self.get(name)
        if node is None:
            return []
        if not isinstance(node.value, list):
            raise FileRefusedError(_("A list is expected here."), node.place)
        if len(node.value) > limit:
            raise FileRefusedError(_("At most %(limit)s entries are read here."), node.place, limit=limit)
        return node.value
