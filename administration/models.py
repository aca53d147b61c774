"""What the admin API remembers of requests that create something."""

import uuid

from django.db import models
from django.utils import timezone

from tenants.models import Tenant


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
