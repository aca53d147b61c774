"""Mail on its way out."""

import uuid

from django.db import models
from django.utils import timezone


class OutgoingMail(models.Model):
    """A mail that waits to be sent, written in the transaction of what it tells of, so that neither is lost alone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant_id = models.UUIDField(null=True, blank=True)
    to = models.EmailField(max_length=254)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(sent_at=None), name="mail_to_send"),
        ]

    def __str__(self) -> str:
        return self.subject
