"""Figures about the whole installation, for those who operate it. Nothing here tells organizations apart.

Each figure costs one small query, however large the tables are.
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Count, Max, Q
from django.utils import timezone

from administration.models import OrganizationExport, Removal
from audit.aggregation import waiting_rows
from audit.models import LogSegment, UsageEvent
from keys.models import KeyVersion
from tenants.models import OutgoingMail, Tenant
from tracking.models import Document

_ESTIMATE = "SELECT reltuples FROM pg_class WHERE oid = %s::regclass"
# Below this many, counting is as cheap as estimating.
_COUNTED = 100_000


def jobs_waiting() -> dict[str, int]:
    """What is due and not done yet, by kind. Zero, or nearly, as long as workers run."""
    now = timezone.now()
    pending = KeyVersion.objects.filter(state=KeyVersion.State.PENDING)
    return {
        "mail": OutgoingMail.objects.filter(sent_at=None, due_at__lte=now).count(),
        "key_rollovers": pending.filter(Q(planned_at=None) | Q(planned_at__lte=now)).count(),
        "exports": OrganizationExport.objects.filter(finished_at=None).count(),
        "removals": Removal.objects.filter(cancelled_at=None, finished_at=None, due_at__lte=now).count(),
    }


@dataclass(frozen=True)
class LogLag:
    """Rows of the usage log not in a daily file yet, how old the oldest is, and how long ago a part was last sealed."""

    rows: int
    oldest_seconds: float
    since_sealed_seconds: float | None


def log_lag() -> LogLag:
    rows, oldest = waiting_rows()
    sealed = LogSegment.objects.order_by("-id").values_list("created_at", flat=True).first()
    return LogLag(rows, _seconds_since(oldest) or 0.0, _seconds_since(sealed))


def organizations() -> dict[str, int]:
    """How many there are, by state."""
    counted = Tenant.objects.aggregate(
        **{state.value: Count("id", filter=Q(state=state)) for state in Tenant.State}
    )
    return {state: int(count) for state, count in counted.items()}


def documents() -> int:
    """How many documents are registered; of many on PostgreSQL about how many."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_ESTIMATE, [Document._meta.db_table])
            estimate = int(cursor.fetchone()[0])
        if estimate > _COUNTED:
            return estimate
    return Document.objects.count()


@dataclass
class DeviceCalls:
    """Calls of devices since this object was made, by request and result: rows of the usage log, each counted once.

    Ids are drawn before rows are committed. So only rows up to the newest id of the look before are counted: whoever
    wrote them has committed by now.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _counted_to: int | None = None
    _seen: int = 0

    def look(self) -> None:
        """Count what has come since. Reads as many rows as there were calls between the last two looks."""
        newest: int = UsageEvent.objects.aggregate(newest=Max("id"))["newest"] or 0
        if self._counted_to is None:
            self._counted_to = newest
        else:
            rows = UsageEvent.objects.filter(id__gt=self._counted_to, id__lte=self._seen)
            found = rows.order_by().values_list("request_type", "result").annotate(Count("id"))
            for request, result, count in found:
                self.counts[request, result] += count
            self._counted_to = max(self._counted_to, self._seen)
        self._seen = newest


def _seconds_since(moment: dt.datetime | None) -> float | None:
    return None if moment is None else max(0.0, (timezone.now() - moment).total_seconds())
