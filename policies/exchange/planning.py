"""What an import would do: seen before it is done, and done from exactly this (ADR 0064)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from policies.content import Content, content_of, from_json, to_json
from policies.differences import compare
from policies.exchange.files import read_file
from policies.exchange.identities import Resolution, identities_of, resolve
from policies.exchange.shapes import (
    FiledRules,
    FiledTemplate,
    FileRefusedError,
    Identity,
    Place,
    TemplateFile,
)
from policies.models import LocalizedName, PolicyTemplate
from policies.reading import ContentRefusedError, read_content
from tenants.languages import LANGUAGES
from tenants.models import Tenant


class Outcome(StrEnum):
    """NEW: a template of its own. DRAFT: the draft of the template with this id. SAME: nothing. COPY: a template of its own,
    because that template has a draft which would be overwritten.
    """

    NEW = "new"
    DRAFT = "draft"
    SAME = "same"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class PlannedTemplate:
    """One template of the file and what becomes of it. `clashes` are its names that another template bears already."""

    filed: FiledTemplate
    outcome: Outcome
    content: Content
    draft: Content | None
    existing: PolicyTemplate | None
    clashes: tuple[str, ...]
    resolutions: tuple[Resolution, ...]

    @property
    def wanted(self) -> Content:
        """What an editor would show of it."""
        return self.draft or self.content

    @property
    def unknown(self) -> tuple[Resolution, ...]:
        """Who in it is not known here; until they are, its grants and scope lack them."""
        return tuple(each for each in self.resolutions if each.how == "unknown")

    @property
    def arrives_archived(self) -> bool:
        """Rules that grant nothing decide nothing: such a one arrives as the draft that it was."""
        return bool(self.content.grants)

    @property
    def state(self) -> str:
        """The state of the template afterwards."""
        if self.existing is not None and self.outcome is not Outcome.COPY:
            return self.existing.state
        return PolicyTemplate.State.ARCHIVED if self.arrives_archived else PolicyTemplate.State.DRAFT


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a file. Nothing can be imported while somebody in it is unknown here."""

    form: str
    file: TemplateFile
    templates: tuple[PlannedTemplate, ...]
    unknown: tuple[Resolution, ...]

    @property
    def fingerprint(self) -> str:
        """Another one when the import would do anything else than this."""
        facts = [
            [
                planned.filed.id,
                planned.outcome,
                planned.existing.revision if planned.existing else None,
                to_json(planned.content),
                to_json(planned.draft) if planned.draft else None,
            ]
            for planned in self.templates
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def count(self, *outcomes: Outcome) -> int:
        return sum(planned.outcome in outcomes for planned in self.templates)


def plan_import(tenant: Tenant, data: bytes, *, mapping: Mapping[str, str], copies: bool = False) -> Plan:
    """What importing the file would do; `copies`: templates of their own even of those that are there already.

    Raises `FileRefusedError` for a bad file, `ChangeRefusedError` for a bad mapping.
    """
    form, file = read_file(data)
    resolutions = resolve(file, tenant, mapping)
    existing = {
        str(template.id): template
        for template in PolicyTemplate.objects.for_tenant(tenant)
        .with_current()
        .filter(id__in=[] if copies else [template.id for template in file.templates])
    }
    names = _names_in_use(tenant)
    planner = _Planner(tenant, resolutions, names)
    planned = tuple(planner.plan(filed, existing.get(filed.id)) for filed in file.templates)
    unknown = tuple(each for each in resolutions.values() if each.how == "unknown")
    return Plan(form, file, planned, unknown)


class _Planner:
    def __init__(
        self, tenant: Tenant, resolutions: Mapping[Identity, Resolution], names: Mapping[str, set[str]]
    ) -> None:
        self._tenant, self._resolutions, self._names = tenant, resolutions, names

    def plan(self, filed: FiledTemplate, existing: PolicyTemplate | None) -> PlannedTemplate:
        content = self._content(filed.rules, filed.place)
        draft = self._content(filed.draft, filed.place) if filed.draft is not None else None
        if draft is not None and not filed.rules.grants:
            reason = _("Rules that grant nothing were never published; there is no draft beside them.")
            raise FileRefusedError(reason, filed.place)
        outcome = _outcome(existing, draft or content)
        own = {filed.id} if outcome in (Outcome.DRAFT, Outcome.SAME) else set()
        rules = [filed.rules] if filed.draft is None else [filed.rules, filed.draft]
        named = dict.fromkeys(who for each in rules for who in identities_of(each))
        return PlannedTemplate(
            filed=filed,
            outcome=outcome,
            content=content,
            draft=draft if draft is None or compare(content, draft) else None,
            existing=existing if outcome is not Outcome.NEW else None,
            clashes=tuple(
                dict.fromkeys(
                    text.name
                    for text in (draft or content).texts
                    if self._names.get(text.name.casefold(), set()) - own
                )
            ),
            resolutions=tuple(self._resolutions[who] for who in named),
        )

    def _content(self, rules: FiledRules, place: Place) -> Content:
        raw, places = _raw(rules, self._resolutions)
        nobody_sees_it = not rules.visible_to_all and not raw["scope"]
        raw["visible_to_all"] = rules.visible_to_all or nobody_sees_it
        try:
            content = read_content(raw, self._tenant)
        except ContentRefusedError as refused:
            problem = refused.problems[0]
            raise FileRefusedError(problem.text, _place_of(problem.field, places, place)) from None
        # Of a template whose last people and groups are gone nobody may become everybody.
        return replace(content, visible_to_all=False, scope=()) if nobody_sees_it else content


def _outcome(existing: PolicyTemplate | None, wanted: Content) -> Outcome:
    if existing is None:
        return Outcome.NEW
    if not compare(content_of(existing), wanted):
        return Outcome.SAME
    return Outcome.DRAFT if existing.draft is None else Outcome.COPY


def _raw(
    rules: FiledRules, resolutions: Mapping[Identity, Resolution]
) -> tuple[dict[str, Any], dict[str, Place]]:
    """The rules as `read_content` takes them, and where in the file each of its fields stands."""
    places = dict(rules.places)
    names = []
    for text in rules.texts:
        tag = _language(text.language)
        names.append({"language": tag, "name": text.name, "description": text.description})
        places.setdefault(f"names.{tag}", rules.places.get(f"names.{text.language}", Place(1, 1)))
    grants: dict[str, list[str]] = {}
    for number, grant in enumerate(rules.grants):
        entry = resolutions[grant.who].entry
        if not entry:
            continue
        if entry not in grants:
            places[f"grants.{len(grants)}"] = rules.places.get(f"grants.{number}", Place(1, 1))
        # Two names of the file may mean the same here: whoever both reach holds the rights of both.
        held = grants.setdefault(entry, [])
        held.extend(right for right in grant.rights if right not in held)
    scope = [resolutions[who].entry for who in rules.scope]
    raw = {
        "default_language": _language(rules.default_language),
        "names": names,
        "grants": [{"principal": entry, "rights": rights} for entry, rights in grants.items()],
        "expiry": rules.expiry,
        "expires_at": rules.expires_at,
        "expires_after_days": rules.expires_after_days,
        "offline_days": rules.offline_days,
        "scope": [entry for entry in scope if entry],
    }
    return raw, places


def _language(tag: str) -> str:
    """ "de-at" is read as "de" where organizations write no Austrian German."""
    base = tag.partition("-")[0]
    return tag if tag in LANGUAGES or base not in LANGUAGES else base


def _place_of(field: str, places: Mapping[str, Place], default: Place) -> Place:
    while field:
        if field in places:
            return places[field]
        field = field.rpartition(".")[0]
    return default


def _names_in_use(tenant: Tenant) -> dict[str, set[str]]:
    """The names of the organization's templates, folded, with the ids of those that bear them."""
    found: dict[str, set[str]] = {}
    rows = LocalizedName.objects.filter(
        version__template__tenant=tenant, version=F("version__template__current")
    ).values_list("name", "version__template_id")
    drafts = PolicyTemplate.objects.for_tenant(tenant).filter(draft__isnull=False).only("id", "draft")
    drafted = [(text.name, row.id) for row in drafts if row.draft for text in from_json(row.draft).texts]
    for name, template in [*rows, *drafted]:
        found.setdefault(name.casefold(), set()).add(str(template))
    return found
