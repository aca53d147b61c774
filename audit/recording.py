"""Writing log rows: usage rows durably and one by one, admin rows inside the transaction of the change they tell of."""

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from django.db import connection, models
from django.utils import timezone

from audit.models import AdminEvent, UsageEvent
from audit.w3c import single_line

# Writers share this lock, the aggregator takes it alone for an instant: see `aggregation.horizon`.
WRITERS_LOCK = 0x52534C47  # "RSLG"
SYSTEM_ACTOR = "system"
OPENING = "FECreateEndUserLicenseV1"  # the request that decrypts; every other use of a key signs


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The facts of one usage row; text longer than its column is cut, never refused."""

    tenant_id: uuid.UUID | None
    request_type: str
    result: str
    user_id: str = ""
    person_id: uuid.UUID | None = None
    correlation_id: str = ""
    content_id: uuid.UUID | None = None
    owner_email: str = ""
    issuer: str = ""
    template_id: uuid.UUID | None = None
    key_id: uuid.UUID | None = None
    file_name: str = ""
    date_published: dt.datetime | None = None
    c_info: str = ""
    c_ip: str = ""
    admin_action: bool = False
    acting_as_user: str = ""


_LIMITS = {
    field.name: field.max_length
    for field in UsageEvent._meta.concrete_fields
    if isinstance(field, models.CharField)
    and field.max_length
    and field.name in {own.name for own in fields(Usage)}
}
_COLUMNS = ("row_id", "time", *(field.name for field in fields(Usage)))
# The CTE takes the shared lock before the row's id is drawn, so no row can become visible behind the aggregator's back.
_POSTGRES_INSERT = (
    f"WITH writer AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared({WRITERS_LOCK}) AS held) "  # noqa: S608  (constants only)
    f"INSERT INTO {UsageEvent._meta.db_table} ({', '.join(_COLUMNS)}) "
    f"SELECT {', '.join(['%s'] * len(_COLUMNS))} FROM writer WHERE held IS NOT NULL OR held IS NULL"
)


def record_usage(usage: Usage) -> None:
    """Write one usage row. Outside a transaction it is committed, durably, when this returns.

    Raises `django.db.DatabaseError` when the row cannot be written: then the request must not be answered.
    """
    values = {name: getattr(usage, name) for name in _COLUMNS[2:]}
    for name, limit in _LIMITS.items():
        values[name] = single_line(values[name])[:limit]
    if connection.vendor != "postgresql":
        UsageEvent.objects.create(**values)
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _POSTGRES_INSERT, [uuid.uuid4(), timezone.now(), *(values[name] for name in _COLUMNS[2:])]
        )


def record_admin(
    *,
    tenant_id: uuid.UUID | None,
    actor: str,
    actor_id: uuid.UUID | None,
    action: str,
    target: str = "",
    target_id: object = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    passed: bool = True,
) -> None:
    """Write one admin row; call it in the transaction of the change itself. `before` and `after` must hold no secret."""
    AdminEvent.objects.create(
        tenant_id=tenant_id,
        actor=actor[:254],
        actor_id=actor_id,
        action=action,
        target=target[:254],
        target_id=str(target_id),
        before=before,
        after=after,
        passed=passed,
    )


def record_looks(
    tenant_ids: Iterable[uuid.UUID], *, actor: str, actor_id: uuid.UUID | None, target: str
) -> None:
    """One row in the log of each organization of which an operator saw something in a list of `target`."""
    AdminEvent.objects.bulk_create(
        [
            AdminEvent(
                tenant_id=tenant_id,
                actor=actor[:254],
                actor_id=actor_id,
                action="OperatorListed",
                target=target[:254],
            )
            for tenant_id in sorted(tenant_ids)
        ]
    )


def record_system(events: Iterable[AdminEvent]) -> None:
    """Write rows of what the service did by itself to many organizations at once, in the transaction of the change."""
    rows = list(events)
    for event in rows:
        event.actor, event.target = SYSTEM_ACTOR, event.target[:254]
    AdminEvent.objects.bulk_create(rows)
