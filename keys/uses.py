"""How often each key is used a day: counted from the usage log, a batch at a time, by a job."""

import datetime as dt
import uuid
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from django.utils import timezone

from audit.aggregation import horizon
from audit.models import UsageEvent
from audit.recording import OPENING
from keys.models import KeyUse, KeyUseCursor, KeyVersion
from tenants.identity import uuid_parameter
from tenants.models import Tenant

SHOWN_DAYS: Final = 30
_BATCH_ROWS: Final = 20_000
_ADD: Final = f"""
INSERT INTO {KeyUse._meta.db_table} (id, tenant_id, key_id, day, protected, opened) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (key_id, day) DO UPDATE SET protected = {KeyUse._meta.db_table}.protected + excluded.protected,
  opened = {KeyUse._meta.db_table}.opened + excluded.opened
"""  # noqa: S608  (a table's name)


class Day(NamedTuple):
    """The uses of one key on one UTC day."""

    day: dt.date
    protected: int
    opened: int

    @property
    def total(self) -> int:
        return self.protected + self.opened


def count_uses() -> int:
    """Count the rows of the usage log that were not counted yet. Returns how many rows were looked at.

    A batch is counted in the transaction that moves the cursor, so a run that is killed or doubled counts nothing twice.
    """
    top = horizon()
    KeyUseCursor.objects.get_or_create(id=1)
    start = KeyUseCursor.objects.values_list("last_id", flat=True).get(id=1)
    first = start
    while top is not None and start < top:
        end = _end_of_batch(start, top)
        with transaction.atomic():
            if not KeyUseCursor.objects.filter(last_id=start).update(last_id=end):
                break  # another worker was quicker: it goes on
            _count(start, end)
        start = end
    return start - first


def uses_of(
    tenant: Tenant, keys: Collection[uuid.UUID], *, days: int = SHOWN_DAYS
) -> dict[uuid.UUID, list[Day]]:
    """For each key its last `days` UTC days, oldest first and today last, quiet ones too. As the job has counted: one
    query, whatever the size of the log."""
    today = timezone.now().astimezone(dt.UTC).date()
    span = [today - dt.timedelta(days=back) for back in range(days - 1, -1, -1)]
    rows = KeyUse.objects.for_tenant(tenant).filter(key_id__in=keys, day__gte=span[0])
    found = {(row.key_id, row.day): Day(row.day, row.protected, row.opened) for row in rows}
    return {key: [found.get((key, day), Day(day, 0, 0)) for day in span] for key in keys}


def _end_of_batch(start: int, top: int) -> int:
    ids = UsageEvent.objects.filter(id__gt=start, id__lte=top).order_by("id").values_list("id", flat=True)
    return ids[_BATCH_ROWS - 1 : _BATCH_ROWS].first() or top


def _count(start: int, end: int) -> None:
    """Keys that are gone with their organization are not counted."""
    events = UsageEvent.objects.filter(id__gt=start, id__lte=end, key_id__isnull=False)
    opening = Q(request_type=OPENING)
    counted = list(
        events.annotate(day=TruncDate("time", tzinfo=dt.UTC))
        .values_list("key_id", "day")
        .annotate(protected=Count("id", filter=~opening), opened=Count("id", filter=opening))
        .order_by("key_id", "day")
    )
    owners = dict(
        KeyVersion.objects.filter(id__in={row[0] for row in counted}).values_list("id", "tenant_id")
    )
    rows: list[Any] = [
        (
            uuid_parameter(uuid.uuid4()),
            uuid_parameter(owners[key]),
            uuid_parameter(key),
            str(day),
            protected,
            opened,
        )
        for key, day, protected, opened in counted
        if key in owners
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_ADD, rows)
