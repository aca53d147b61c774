"""Removing everything of one organization, a bounded batch at a time.

What belongs to it is read from the models themselves: what has an organization, and what hangs on such a thing, so that
a new table cannot be forgotten. Rows go before what they refer to. Each batch is one transaction that also counts what
it removed; a worker that dies has done a whole batch or none, and the next one goes on with what is still there.
"""

import uuid
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Final

from allauth.idp.oidc.models import Client
from django.apps import apps
from django.core.files.storage import default_storage
from django.db import models, transaction

from administration.models import OrganizationExport, Removal
from audit.models import AdminEvent, LogSegment, UsageEvent
from policies.models import PolicyTemplate
from tenants.models import ServicePrincipal, Tenant, User

BATCH: Final = 1000
FILES: Final = "files"
_FILE_BATCH: Final = 200
_STRONG = (models.CASCADE, models.PROTECT, models.RESTRICT)
# A template names its version and the version its template: one of the two is cut before anything is removed. And a
# service does not come before its client here, but ends with it.
_CUT = {
    ("policies.PolicyTemplate", "current"),
    ("tenants.Tenant", "onboarding_group"),
    ("tenants.ServicePrincipal", "client"),
}
_LOGS = (AdminEvent, LogSegment, UsageEvent)
_FILE_FIELDS: Final[dict[type[models.Model], str]] = {LogSegment: "file", OrganizationExport: "file"}


@dataclass(frozen=True, slots=True)
class Step:
    """One table, and the ways (filters without their value) by which a row of it belongs to an organization."""

    model: type[models.Model]
    ways: tuple[tuple[str, bool], ...]

    @property
    def label(self) -> str:
        return self.model._meta.label

    @property
    def has_plain_id(self) -> bool:
        """Whether its rows name the organization without a relation, and so can come after its end."""
        return any(
            field.attname == "tenant_id" and not field.is_relation
            for field in self.model._meta.concrete_fields
        )

    def filters(self, organization_id: uuid.UUID) -> list[dict[str, Any]]:
        return [
            {f"{prefix}tenant_id": organization_id} | ({f"{prefix}is_staff": False} if by_person else {})
            for prefix, by_person in self.ways
        ]


def steps() -> list[Step]:
    """Every table that holds something of organizations, in the order of removal."""
    found = {
        model: ways for model in apps.get_models(include_auto_created=True) if (ways := _ways(model, ()))
    }
    sorter: TopologicalSorter[type[models.Model]] = TopologicalSorter()
    for model in found:
        sorter.add(model)
    sorter.add(ServicePrincipal, Client)
    for model in found:
        for field in _relations(model):
            if field.related_model in found and field.related_model is not model:
                sorter.add(
                    _end_of(field.related_model), model
                )  # what is referred to comes after what refers to it
    return [Step(model, tuple(sorted(found[model]))) for model in sorter.static_order()]


def untie(tenant: Tenant) -> None:
    """Cut what refers in a circle."""
    templates = PolicyTemplate.objects.for_tenant(tenant)
    templates.update(current=None, state=PolicyTemplate.State.DRAFT)
    Tenant.objects.filter(id=tenant.id).update(
        onboarding_group=None, onboarding=Tenant.Onboarding.EVERYONE, state=Tenant.State.INACTIVE
    )


def remove_batch(removal_id: uuid.UUID, step: Step) -> bool:
    """Remove up to `BATCH` rows of one table. False when none was left, or the removal is not under way."""
    with transaction.atomic():
        removal = Removal.objects.select_for_update().get(id=removal_id)
        if removal.started_at is None or removal.finished_at is not None:
            return False
        for conditions in step.filters(removal.organization_id):
            removed = remove_rows(step.model, conditions, removal.organization_id)
            if removed:
                for label, rows in removed.items():
                    removal.counters[label] = removal.counters.get(label, 0) + rows
                removal.stage = step.label
                removal.save(update_fields=["counters", "stage"])
                return True
    return False


def is_left(organization_id: uuid.UUID) -> bool:
    """Whether any table still holds something of the organization."""
    return Tenant.objects.filter(id=organization_id).exists() or any(
        step.model._base_manager.filter(**conditions).exists()
        for step in steps()
        for conditions in step.filters(organization_id)
    )


def remove_stray_files(organization_id: uuid.UUID) -> int:
    """Files of the organization that no row names (a killed worker's). Returns how many there were."""
    return sum(_remove_folder(f"{folder}/{organization_id}") for folder in ("logs", "exports"))


def remove_rows(
    model: type[models.Model], conditions: dict[str, Any], organization_id: uuid.UUID
) -> dict[str, int]:
    """Remove a batch of the rows that meet `conditions`. Returns how many of which kind; empty when there were none."""
    size = _FILE_BATCH if model in _FILE_FIELDS else BATCH
    rows = model._base_manager.filter(**conditions).order_by("pk")
    keys = list(rows.values_list("pk", flat=True)[:size])
    if not keys:
        return {}
    files = _remove_files(model, keys)
    if issubclass(model, _LOGS):
        removed = {model._meta.label: model.objects.remove_organization(organization_id, keys)}
    else:
        _, removed = model._base_manager.filter(pk__in=keys).delete()
    removed = {label: number for label, number in removed.items() if number}
    return removed | ({FILES: files} if files else {})


def _remove_files(model: type[models.Model], keys: list[Any]) -> int:
    """Files go before the rows that name them: a row whose file is gone is removed again, a file without a row is not."""
    field = _FILE_FIELDS.get(model)
    if field is None:
        return 0
    names = [name for name in model._base_manager.filter(pk__in=keys).values_list(field, flat=True) if name]
    for name in names:
        default_storage.delete(name)
    return len(names)


def _remove_folder(path: str) -> int:
    try:
        folders, files = default_storage.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    for name in files:
        default_storage.delete(f"{path}/{name}")
    inside = sum(_remove_folder(f"{path}/{folder}") for folder in folders)
    default_storage.delete(path)
    return len(files) + inside


def _ways(model: type[models.Model], above: tuple[type[models.Model], ...]) -> set[tuple[str, bool]]:
    """How rows of `model` belong to an organization; empty when they do not."""
    if model is Tenant or model in above or model._meta.proxy or not model._meta.managed:
        return set()
    if model is User:
        return {("", True)}
    if model is Client:
        return {("service__", False)}
    if _is_direct(model):
        return {("", False)}
    found: set[tuple[str, bool]] = set()
    for field in _relations(model):
        for prefix, by_person in _ways(field.related_model, (*above, model)):
            found.add((f"{field.name}__{prefix}", by_person))
    return found


def _is_direct(model: type[models.Model]) -> bool:
    """Whether the table has a column with the organization: a strong relation, or an id without one."""
    for field in model._meta.concrete_fields:
        if field.attname == "tenant_id":
            return not field.is_relation or _is_strong(field)
    return False


def _is_strong(field: Any) -> bool:
    return field.remote_field.on_delete in _STRONG


def _end_of(model: type[models.Model]) -> type[models.Model]:
    """Where the rows of `model` end: a service goes with its sign-in client, by which alone that client is known."""
    return Client if model is ServicePrincipal else model


def _relations(model: type[models.Model]) -> list[Any]:
    """The relations by which a row cannot be without the other one."""
    return [
        field
        for field in model._meta.concrete_fields
        if field.is_relation
        and isinstance(field.related_model, type)
        and _is_strong(field)
        and (model._meta.label, field.name) not in _CUT
    ]
