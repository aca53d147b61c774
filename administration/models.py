"""What spans apps and has to be remembered: requests that create something, exports, and removals of organizations."""

import uuid

from django.db import models
from django.utils import timezone

from tenants.models import Tenant, TenantOwned, TenantQuerySet


class IdempotencyRecord(models.Model):
    """A creating request that named a key, and its answer once there is one.

    `status` 0: it is being worked on, or was when the server stopped. `body` is empty where the answer held a secret.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.CASCADE, related_name="+")
    person_id = models.UUIDField(help_text="the person or service that asked")
    key_hash = models.CharField(max_length=64, unique=True)
    request = models.CharField(max_length=300, help_text="method and path")
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    secret = models.BooleanField(default=False)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="idempotency_by_age")]

    def __str__(self) -> str:
        return self.request


class Removal(models.Model):
    """An organization that is to be deleted, is being deleted, or was. It outlives the organization: no relation to it.

    `counters` are the rows removed so far by kind; `receipt` is the signed statement of the whole, a JSON Web Signature.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField()
    name = models.CharField(max_length=100)
    slug = models.CharField(max_length=40)
    reason = models.CharField(max_length=500)
    requested_by = models.CharField(max_length=254)
    requested_by_id = models.UUIDField(null=True, blank=True)
    requested_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField()
    cancelled_by = models.CharField(max_length=254, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    stage = models.CharField(max_length=60, blank=True)
    counters = models.JSONField(default=dict)
    told = models.JSONField(default=list, help_text="the administrators who are sent the receipt")
    receipt = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id"],
                condition=models.Q(cancelled_at=None, finished_at=None),
                name="one_removal_at_a_time",
            ),
        ]
        indexes = [models.Index(fields=["due_at"], name="removals_by_due")]

    def __str__(self) -> str:
        return self.name


class OrganizationExport(TenantOwned):
    """An archive of what an organization has here, for its administrators to download; made by a job."""

    requested_by = models.CharField(max_length=254)
    requested_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="when a worker last said it is at it")
    attempts = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)
    file = models.CharField(max_length=200, blank=True)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)

    objects = TenantQuerySet["OrganizationExport"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_export_per_organization")]

    def __str__(self) -> str:
        return self.file or str(self.id)
