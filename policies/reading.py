"""Rules as people and programs send them, checked field by field: either a `Content` or everything that is wrong."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from allauth.account.models import EmailAddress
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from policies.content import Content, LocalizedText, to_json
from policies.evaluation import Grant
from policies.principals import Principals
from rms.rights import LEVELS, with_dependencies
from tenants.changes import ChangeRefusedError
from tenants.domain_names import canonical_address
from tenants.identity import domain_of
from tenants.languages import LANGUAGES
from tenants.models import Tenant, User, VerifiedDomain

MAX_NAME: Final = 100
MAX_DESCRIPTION: Final = 500
MAX_GRANTS: Final = 200
MAX_SCOPE: Final = 200
MAX_DAYS: Final = 36_500
MAX_OFFLINE_DAYS: Final = 365
_MAX_RIGHTS: Final = 1000  # characters, joined by commas
_LAST = dt.datetime(9998, 12, 31, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field: `names.de.name`, `grants.0.principal`, `grants.0.rights`, `expires_at`, `scope` …"""

    field: str
    text: str


class ContentRefusedError(ChangeRefusedError):
    """Rules that cannot be kept as they were sent, with every problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("invalid", problems[0].text)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return " ".join(dict.fromkeys(problem.text for problem in self.problems))


def read_content(raw: Mapping[str, Any], tenant: Tenant) -> Content:
    """The rules that `raw` means: the members of `policies.content.to_json`, where a grant may name a `level` instead of
    `rights`, a principal may be written as in protocol.md 1.4, and `scope` may name addresses and groups.

    Raises `ContentRefusedError`.
    """
    return _Reader(raw, tenant).read()


def check_publishable(content: Content, tenant: Tenant, *, now: dt.datetime | None = None) -> None:
    """Whether the rules can decide from now on: what they name still exists. Raises `ContentRefusedError`."""
    read_content(to_json(content), tenant)
    problems = []
    if not content.grants:
        problems.append(Problem("grants", str(_("Grant something to somebody before you publish."))))
    if content.expires_at is not None and content.expires_at <= (now or timezone.now()):
        problems.append(Problem("expires_at", str(_("The day on which the content expires is past."))))
    if problems:
        raise ContentRefusedError(problems)


class _Reader:
    def __init__(self, raw: Mapping[str, Any], tenant: Tenant) -> None:
        self._raw, self._tenant = raw, tenant
        self._problems: list[Problem] = []

    def read(self) -> Content:
        default = str(self._raw.get("default_language") or self._tenant.default_language).lower()
        expiry, expires_at, after_days = self._expiry()
        content = Content(
            default_language=default,
            texts=self._texts(default),
            grants=self._grants(),
            expiry=expiry,
            expires_at=expires_at,
            expires_after_days=after_days,
            offline_days=self._days("offline_days", 0, MAX_OFFLINE_DAYS),
            visible_to_all=bool(self._raw.get("visible_to_all", True)),
            scope=self._scope(),
        )
        if self._problems:
            raise ContentRefusedError(self._problems)
        return content

    def _refuse(self, field: str, text: Promise | str, **values: object) -> None:
        self._problems.append(Problem(field, str(text) % values if values else str(text)))

    def _texts(self, default: str) -> tuple[LocalizedText, ...]:
        texts: dict[str, LocalizedText] = {}
        for each in self._raw.get("names") or []:
            language = str(each.get("language", "")).lower()
            name = " ".join(str(each.get("name", "")).split())
            description = " ".join(str(each.get("description") or "").split())
            if not name and not description:
                continue
            field = f"names.{language}"
            if language not in LANGUAGES:
                self._refuse(f"{field}.name", _("“%(tag)s” is not a language known here."), tag=language[:20])
            elif language in texts:
                self._refuse(f"{field}.name", _("This language is given twice."))
            if not name:
                self._refuse(f"{field}.name", _("Give the template a name in this language, too."))
            self._check_line(f"{field}.name", name, MAX_NAME)
            self._check_line(f"{field}.description", description, MAX_DESCRIPTION)
            texts[language] = LocalizedText(language, name, description)
        if default not in texts:
            self._refuse(
                f"names.{default}.name", _("Give the template a name in the language others fall back to.")
            )
        return tuple(texts.values())

    def _check_line(self, field: str, text: str, limit: int) -> None:
        if len(text) > limit:
            self._refuse(field, _("At most %(limit)s characters."), limit=limit)
        if not text.isprintable():
            self._refuse(field, _("There are characters in it that cannot be shown."))

    def _grants(self) -> tuple[Grant, ...]:
        given = list(self._raw.get("grants") or [])
        if len(given) > MAX_GRANTS:
            self._refuse("grants", _("At most %(limit)s grants; use a group."), limit=MAX_GRANTS)
            return ()
        principals = Principals(self._tenant, [str(each.get("principal", "")) for each in given])
        grants: dict[str, Grant] = {}
        for number, each in enumerate(given):
            entry = str(each.get("principal", "")).strip()
            if not entry.partition(":")[2] and entry.rstrip(":") in ("", "group", "tenant", "@"):
                self._refuse(f"grants.{number}.principal", _("Say whom this grant is for."))
                continue
            try:
                principal = principals.resolve(entry)
            except ChangeRefusedError as refused:
                self._refuse(f"grants.{number}.principal", str(refused))
                principal = ""
            if principal and principal in grants:
                self._refuse(f"grants.{number}.principal", _("This is granted something above already."))
            rights = self._rights(f"grants.{number}.rights", each)
            if principal and rights:
                grants.setdefault(principal, Grant(principal, rights))
        return tuple(grants.values())

    def _rights(self, field: str, grant: Mapping[str, Any]) -> tuple[str, ...]:
        level = str(grant.get("level") or "").upper()
        if level:
            if level not in LEVELS:
                self._refuse(field, _("“%(level)s” is not a level."), level=level[:20])
            return LEVELS.get(level, ())
        rights = complete(str(right) for right in grant.get("rights") or [])
        if not rights:
            self._refuse(field, _("Choose a level or at least one right."))
        for right in rights:
            if len(right) > 256 or not right.isprintable() or set(right) & set(" ,"):
                self._refuse(field, _("“%(right)s” is not the name of a right."), right=right[:40])
        if len(",".join(rights)) > _MAX_RIGHTS:
            self._refuse(field, _("These are too many rights."))
        return rights

    def _expiry(self) -> tuple[str, dt.datetime | None, int | None]:
        kind = str(self._raw.get("expiry") or "never")
        if kind == "date":
            return kind, self._moment("expires_at"), None
        if kind == "days":
            days = self._days("expires_after_days", 1, MAX_DAYS)
            if days is None and not self._has("expires_after_days"):
                self._refuse("expires_after_days", _("Say after how many days the content expires."))
            return kind, None, days
        if kind != "never":
            self._refuse("expiry", _("Content expires never, on a date, or some days after protection."))
        return "never", None, None

    def _moment(self, field: str) -> dt.datetime | None:
        value = self._raw.get(field)
        if isinstance(value, str):
            try:
                value = dt.datetime.fromisoformat(value)
            except ValueError:
                value = None
        if not isinstance(value, dt.datetime) or value.tzinfo is None:
            self._refuse(field, _("Say on which day and at what time the content expires."))
            return None
        if not dt.datetime(1970, 1, 1, tzinfo=dt.UTC) <= value <= _LAST:
            self._refuse(field, _("This day is out of range."))
            return None
        return value.astimezone(dt.UTC).replace(microsecond=0)

    def _days(self, field: str, least: int, most: int) -> int | None:
        value = self._raw.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self._refuse(field, _("A whole number from %(least)s to %(most)s."), least=least, most=most)
            return None
        return value

    def _has(self, field: str) -> bool:
        return any(problem.field == field for problem in self._problems)

    def _scope(self) -> tuple[str, ...]:
        if self._raw.get("visible_to_all", True):
            return ()
        given = [entry for entry in (str(each).strip() for each in self._raw.get("scope") or []) if entry]
        if not given:
            self._refuse("scope", _("Name the people and groups who may see the template."))
        if len(given) > MAX_SCOPE:
            self._refuse("scope", _("At most %(limit)s entries; use a group."), limit=MAX_SCOPE)
            return ()
        shown = [entry for entry in given if entry.isprintable()]
        people, groups = people_named(self._tenant, shown), _groups(self._tenant, shown)
        found: dict[str, None] = {}
        for entry in given:
            key = canonical_address(entry)
            if (person := people.get(key)) is not None:
                found[f"user:{person}"] = None
            elif (group := groups.get(key.removeprefix("group:").strip())) is not None:
                found[f"group:{group}"] = None
            else:
                self._refuse(
                    "scope",
                    _("There is no person and no group “%(entry)s” in your organization."),
                    entry=entry[:80],
                )
        return tuple(sorted(found))


def complete(rights: Any) -> tuple[str, ...]:
    """The rights with those they depend on; a level stays exactly what it is."""
    held = [str(right).strip() for right in rights if str(right).strip()]
    known = {right.upper() for right in held}
    level = next((codes for codes in LEVELS.values() if set(codes) == known), None)
    return level or with_dependencies(held)


def people_named(tenant: Tenant, entries: Sequence[str]) -> dict[str, uuid.UUID]:
    """The members that entries mean, by an address that counts and by "user:<id>"."""
    ids = [parsed for entry in entries if entry.lower().startswith("user:") and (parsed := _uuid(entry[5:]))]
    mails = {canonical_address(entry) for entry in entries if "@" in entry}
    found: dict[str, uuid.UUID] = {}
    if ids:
        for person in User.objects.for_tenant(tenant).filter(id__in=ids).values_list("id", flat=True):
            found[f"user:{person}"] = person
    if mails:
        proven = set(VerifiedDomain.objects.for_tenant(tenant).values_list("domain", flat=True))
        rows = EmailAddress.objects.filter(user__tenant=tenant, email__in=mails)
        for mail, person, verified in rows.values_list("email", "user_id", "verified"):
            if verified or domain_of(mail) in proven:
                found[canonical_address(mail)] = person
    return found


def _groups(tenant: Tenant, entries: Sequence[str]) -> dict[str, uuid.UUID]:
    names = {entry[6:].strip() if entry.lower().startswith("group:") else entry for entry in entries}
    principals = Principals(tenant, [f"group:{name}" for name in names])
    found = {}
    for name in names:
        try:
            found[canonical_address(name)] = uuid.UUID(
                principals.resolve(f"group:{name}").removeprefix("group:")
            )
        except ChangeRefusedError:
            continue
    return found


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text.strip("{} "))
    except ValueError:
        return None
