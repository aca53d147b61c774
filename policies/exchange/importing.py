"""Doing what `policies.exchange.planning` found: all of a file or nothing of it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from policies.content import to_json
from policies.differences import compare
from policies.editing import MAX_TEMPLATES, log_template, save_draft
from policies.exchange.planning import Outcome, Plan, PlannedTemplate, plan_import
from policies.models import PolicyTemplate
from policies.publishing import write_version
from tenants.changes import Actor, ChangeRefusedError
from tenants.models import Tenant


class PlanChangedError(ChangeRefusedError):
    """Between preview and import something changed; `plan` is how it stands now."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(
            "plan_changed",
            _(
                "Something has changed meanwhile: the import would now do something else. Nothing was imported."
            ),
        )
        self.plan = plan


class UnknownIdentitiesError(ChangeRefusedError):
    """The file names somebody who is not known here; `plan` holds them in `unknown`."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(
            "unknown_identities",
            _("Not known in this organization: %(names)s. Say whom to take instead."),
            names=", ".join(each.who.label for each in plan.unknown[:10]),
        )
        self.plan = plan


@dataclass(frozen=True, slots=True)
class ImportedTemplate:
    """A template of the file and the one it has become."""

    planned: PlannedTemplate
    template: PolicyTemplate


@dataclass(frozen=True, slots=True)
class Imported:
    """What was planned and what came of it."""

    plan: Plan
    templates: tuple[ImportedTemplate, ...]


def import_templates(
    tenant: Tenant,
    data: bytes,
    *,
    actor: Actor,
    mapping: Mapping[str, str],
    copies: bool = False,
    seen: str | None = None,
    keep_ids: bool = False,
) -> Imported:
    """Import a whole file; what arrives is archived, at the end of the list in the order of the file.

    `seen` is the fingerprint of the plan that was looked at. `keep_ids`: new templates get the identifiers of the file
    where those are free, so that documents go on naming them. Raises `FileRefusedError`, `UnknownIdentitiesError`,
    `PlanChangedError`, `ChangeRefusedError` when there would be too many.
    """
    with transaction.atomic():
        Tenant.objects.select_for_update().get(id=tenant.id)  # as for making one: positions and their number
        plan = plan_import(tenant, data, mapping=mapping, copies=copies)
        if plan.unknown:
            raise UnknownIdentitiesError(plan)
        if seen is not None and seen != plan.fingerprint:
            raise PlanChangedError(plan)
        templates = PolicyTemplate.objects.for_tenant(tenant)
        if templates.count() + plan.count(Outcome.NEW, Outcome.COPY) > MAX_TEMPLATES:
            raise ChangeRefusedError(
                "too_many_templates",
                _("An organization has at most %(limit)s templates."),
                limit=MAX_TEMPLATES,
            )
        last = templates.aggregate(last=Max("position"))["last"]
        position = 0 if last is None else last + 1
        imported = []
        for planned in plan.templates:
            template = planned.existing
            if planned.outcome in (Outcome.NEW, Outcome.COPY):
                template = _make(tenant, planned, position, actor, plan, keep_ids)
                position += 1
            elif template is not None and planned.outcome is Outcome.DRAFT:
                template = save_draft(template, planned.wanted, actor=actor, seen=template.revision)
                log_template(
                    template, actor, "ImportTemplate", after=_origin(planned, plan) | {"as": "draft"}
                )
            assert template is not None  # what is the same or a draft exists
            imported.append(ImportedTemplate(planned, template))
    return Imported(plan, tuple(imported))


def _make(
    tenant: Tenant, planned: PlannedTemplate, position: int, actor: Actor, plan: Plan, keep_id: bool
) -> PolicyTemplate:
    draft = planned.draft if planned.arrives_archived else planned.wanted
    template = PolicyTemplate.objects.create(
        id=_free_id(planned.filed.id) if keep_id else uuid.uuid4(),
        tenant=tenant,
        position=position,
        draft=to_json(draft) if draft is not None else None,
        changed_by=actor.name[:254],
    )
    if planned.arrives_archived:
        template.current = write_version(template, planned.content, number=1, published_by=actor.name)
        template.state = PolicyTemplate.State.ARCHIVED
        template.save(update_fields=["current", "state"])
    after = {change.field: change.after for change in compare(None, planned.content)}
    log_template(
        template, actor, "ImportTemplate", after=after | _origin(planned, plan) | {"as": template.state}
    )
    return template


def _free_id(filed: str) -> uuid.UUID:
    """The identifier in the file, unless it is none or any organization here has it."""
    try:
        wanted = uuid.UUID(filed)
    except ValueError:
        return uuid.uuid4()
    return uuid.uuid4() if PolicyTemplate.objects.filter(id=wanted).exists() else wanted


def _origin(planned: PlannedTemplate, plan: Plan) -> dict[str, Any]:
    """Where it came from, as the file says; and whoever was taken for somebody else or left out."""
    mapped = {
        each.who.label: each.entry or "nobody"
        for each in planned.resolutions
        if each.how in ("mapped", "left_out")
    }
    origin = {"imported_from": planned.filed.id, "organization": plan.file.organization[:100]}
    return origin | ({"mapped": mapped} if mapped else {})
