"""What happened: usage rows and admin rows, append-only, and the sealed segments that daily files are made of.

Rows carry ids and text snapshots instead of foreign keys, so that they outlive what they describe.
"""

import uuid
from collections.abc import Sequence
from typing import Any, NoReturn, Self, TypeVar

from django.db import models
from django.utils import timezone

M = TypeVar("M", bound=models.Model)
INSTALLATION = "installation"


def scope_of(tenant_id: uuid.UUID | None) -> str:
    """The name of a log: the tenant's id, or 'installation'. A NULL would not be unique in the database."""
    return str(tenant_id) if tenant_id else INSTALLATION


class AppendOnlyQuerySet(models.QuerySet[M]):
    """Refuses changes: what has been logged stays as it was logged."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{self.model.__name__} rows are append-only")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{self.model.__name__} rows are append-only")

    def delete(self) -> NoReturn:
        raise TypeError(f"{self.model.__name__} rows are append-only")

    def remove_organization(self, tenant_id: uuid.UUID, ids: Sequence[int]) -> int:
        """The one exception: an organization is deleted with everything it has. Returns how many of `ids` are gone.

        Only rows of that organization; never the installation's own. What was removed stands in a signed receipt.
        """
        if tenant_id is None:  # a caller without types
            raise TypeError("the log of the installation is never removed")
        rows: Any = self.filter(tenant_id=tenant_id, id__in=ids)
        removed: int = rows._raw_delete(rows.db)
        return removed

    def for_tenant(self, tenant_id: uuid.UUID | None) -> Self:
        """The rows of one organisation, or of the installation's own log for None."""
        return self.filter(tenant_id=tenant_id)


class UsageEvent(models.Model):
    """One authenticated request to the licensing endpoints (protocol.md section 6).

    `id` is assigned at insert and is the order of the log; `tenant_id` is empty for the installation's own log.
    """

    id = models.BigAutoField(primary_key=True)
    row_id = models.UUIDField(default=uuid.uuid4)
    tenant_id = models.UUIDField(null=True)
    time = models.DateTimeField(default=timezone.now)
    request_type = models.CharField(max_length=40)
    user_id = models.CharField(max_length=254, blank=True)
    person_id = models.UUIDField(null=True)
    result = models.CharField(max_length=60)
    correlation_id = models.CharField(max_length=80, blank=True)
    content_id = models.UUIDField(null=True)
    owner_email = models.CharField(max_length=254, blank=True)
    issuer = models.CharField(max_length=254, blank=True)
    template_id = models.UUIDField(null=True)
    key_id = models.UUIDField(null=True, help_text="the key whose private half was used; not in the files")
    file_name = models.CharField(max_length=255, blank=True)
    date_published = models.DateTimeField(null=True)
    c_info = models.CharField(max_length=255, blank=True)
    c_ip = models.CharField(max_length=45, blank=True)
    admin_action = models.BooleanField(default=False)
    acting_as_user = models.CharField(
        max_length=254, blank=True
    )  # the owner, when the caller acts in their place

    objects = AppendOnlyQuerySet["UsageEvent"].as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "id"], name="usage_of_tenant_in_order"),
            models.Index(fields=["tenant_id", "content_id", "id"], name="usage_of_document"),
        ]

    def __str__(self) -> str:
        return f"{self.time:%Y-%m-%d %H:%M:%S} {self.request_type} {self.result}"


class AdminEvent(models.Model):
    """One change to a setting, with who, what, before and after; never a secret."""

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.UUIDField(null=True)
    time = models.DateTimeField(default=timezone.now)
    actor_id = models.UUIDField(null=True)
    actor = models.CharField(max_length=254)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=254, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    passed = models.BooleanField(default=True)

    objects = AppendOnlyQuerySet["AdminEvent"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "id"], name="admin_events_in_order")]

    def __str__(self) -> str:
        return f"{self.time:%Y-%m-%d %H:%M:%S} {self.actor} {self.action}"


class LogSegment(models.Model):
    """A run of usage rows of one tenant and one UTC day, written once as a file and linked to the one before it.

    `number` counts from 1 within a tenant; the unique pair is what lets two workers race safely.
    `chain` = SHA-256(previous chain ‖ SHA-256 of the file), hex; see `audit.chain`.
    """

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.UUIDField(null=True)
    scope = models.CharField(max_length=36, help_text="see scope_of")
    number = models.PositiveIntegerField()
    day = models.DateField()
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    rows = models.PositiveIntegerField()
    file = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    chain = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)

    objects = AppendOnlyQuerySet["LogSegment"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "number"], name="one_segment_per_number"),
            models.CheckConstraint(
                condition=models.Q(last_id__gte=models.F("first_id")), name="segment_ids_in_order"
            ),
        ]
        indexes = [models.Index(fields=["scope", "day", "number"], name="segments_of_day")]

    def __str__(self) -> str:
        return f"{self.scope} {self.day} #{self.number}"


class AggregationCursor(models.Model):
    """How far aggregation has come over all tenants: every row up to `last_id` stands in a segment. One row only."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    last_id = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_aggregation_cursor")]

    def __str__(self) -> str:
        return f"up to {self.last_id}"


class ClientLog(models.Model):
    """A debug or performance log sent by a device, kept for the tenant's support bundle."""

    class Kind(models.TextChoices):
        DEBUG = "debug"
        PERFORMANCE = "performance"

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.UUIDField(null=True)
    person_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    received_at = models.DateTimeField(default=timezone.now)
    body = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "id"], name="client_logs_in_order")]

    def __str__(self) -> str:
        return f"{self.kind} {self.received_at:%Y-%m-%d %H:%M:%S}"
