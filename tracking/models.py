"""The register of protected documents: what was protected by whom, and what has been decided about it since."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from keys.models import KeyVersion
from tenants.models import TenantOwned, TenantQuerySet, User


class DocumentQuerySet(TenantQuerySet["Document"]):
    def trackable_by(self, user: User, *, as_admin: bool) -> Self:
        """Documents whose history `user` may see: their own, or all of the organisation for its administrators."""
        return self if as_admin else self.filter(issuer=user)

    def matching(self, text: str) -> Self:
        return self.filter(Q(file_name__icontains=text) | Q(issuer_address__icontains=text)) if text else self


class Document(TenantOwned):
    """One publishing license the tenant issued. `content_id` is what the license and the logs call the document."""

    content_id = models.UUIDField()
    key = models.ForeignKey(KeyVersion, on_delete=models.PROTECT, related_name="+")
    template_id = models.UUIDField(null=True, blank=True)
    issuer = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    issuer_address = models.CharField(max_length=254)
    owner_address = models.CharField(max_length=254)
    file_name = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=255, blank=True)
    published_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    sealed = models.BooleanField(default=False)
    integrity_root = models.CharField(max_length=64, blank=True, help_text="tree hash of the ciphertext, hex")
    integrity_length = models.BigIntegerField(null=True, blank=True)
    sealed_at = models.DateTimeField(null=True, blank=True)
    sealed_by = models.CharField(max_length=254, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=254, blank=True)
    revocation_reason = models.CharField(max_length=500, blank=True)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "content_id"], name="one_document_per_content_id")
        ]
        indexes = [
            models.Index(fields=["tenant", "-published_at", "id"], name="documents_newest_first"),
            models.Index(fields=["tenant", "issuer", "-published_at"], name="documents_of_issuer"),
            models.Index(fields=["key"], name="documents_on_key"),
        ]

    def __str__(self) -> str:
        return self.file_name or str(self.content_id)

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None
