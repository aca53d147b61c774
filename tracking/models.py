"""The register of protected documents: what was protected by whom, and what has been decided about it since."""

import uuid
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from audit.models import AppendOnlyQuerySet
from keys.models import KeyVersion
from tenants.models import TenantOwned, TenantQuerySet, User


class DocumentQuerySet(TenantQuerySet["Document"]):
    def trackable_by(self, user: User, *, as_admin: bool) -> Self:
        """Documents whose history `user` may see: their own, or all of the organisation for its administrators."""
        found = self if as_admin else self.filter(issuer=user)
        return found.defer("terms")  # may name two thousand people; a list needs none of them

    def matching(self, text: str) -> Self:
        return self.filter(Q(file_name__icontains=text) | Q(issuer_address__icontains=text)) if text else self


class Document(TenantOwned):
    """One publishing license the tenant issued. `content_id` is what the license and the logs call the document."""

    content_id = models.UUIDField()
    key = models.ForeignKey(KeyVersion, on_delete=models.PROTECT, related_name="+")
    template_id = models.UUIDField(null=True, blank=True)
    issuer = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    issuer_address = models.CharField(max_length=254)
    owner = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
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
    terms = models.JSONField(
        null=True, blank=True, help_text="The policy inside a license without a template, as protected"
    )
    overrides = models.JSONField(
        default=dict, blank=True, help_text="Rights by principal that count instead of the license's"
    )

    objects = DocumentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "content_id"], name="one_document_per_content_id")
        ]
        indexes = [
            models.Index(fields=["tenant", "-published_at", "id"], name="documents_newest_first"),
            models.Index(fields=["tenant", "issuer", "-published_at"], name="documents_of_issuer"),
            models.Index(fields=["key"], name="documents_on_key"),
            models.Index(
                fields=["tenant", "template_id"],
                condition=Q(template_id__isnull=False),
                name="documents_of_template",
            ),
        ]

    def __str__(self) -> str:
        return self.file_name or str(self.content_id)

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None


class AccessChangeQuerySet(AppendOnlyQuerySet["AccessChange"]):
    """The history of a document's access: read and added to, never changed."""


class AccessChange(models.Model):
    """One change of who may open a document that was already sent; never changed or removed itself."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="access_changes")
    number = models.PositiveIntegerField(help_text="Counts from 1 within the document")
    time = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=254)
    reason = models.CharField(max_length=500, blank=True)
    principal = models.CharField(max_length=260)
    before = models.JSONField(
        null=True, help_text="Rights that counted instead of the license's; empty: none did"
    )
    after = models.JSONField(null=True)
    undoes = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="+")

    objects = AccessChangeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document", "number"], name="access_changes_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.document_id} {self.number}: {self.principal}"


class SealedCopy(models.Model):
    """What in one license of a document only a private key opens, kept here so that it can be sealed to another key.

    `block` is the RSA-OAEP block with the license's session key, sealed to `key`: at first the license's own. Whoever
    opens brings the license, which `body_digest` (SHA-256 of its signed text) names. A document has one license from its
    publication, and one more for each time that a file was sealed to a newer key.
    """

    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="sealed_copies", db_index=False
    )
    key = models.ForeignKey(KeyVersion, on_delete=models.PROTECT, related_name="+", db_index=False)
    body_digest = models.BinaryField(max_length=32)
    block = models.BinaryField(max_length=512)
    unreadable = models.BooleanField(default=False, help_text="could not be sealed anew")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document", "body_digest"], name="one_sealed_copy_per_license")
        ]
        indexes = [models.Index(fields=["key", "document"], name="sealed_copies_on_key")]

    def __str__(self) -> str:
        return str(self.document_id)


class Resealing(TenantOwned):
    """Getting off an archived key: what of the register hangs on it is sealed to the active one, as somebody asked."""

    key = models.OneToOneField(KeyVersion, on_delete=models.CASCADE, related_name="+")
    requested_by = models.CharField(max_length=254)
    requested_at = models.DateTimeField(default=timezone.now)
    documents = models.PositiveIntegerField(default=0, help_text="sealed anew so far")
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["Resealing"].as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["requested_at"], condition=Q(finished_at__isnull=True), name="resealings_under_way"
            )
        ]

    def __str__(self) -> str:
        return str(self.key_id)


class UnregisteredDocument(TenantOwned):
    """A document that somebody opened and that is in no register, as after the database was restored from before it."""

    key = models.ForeignKey(KeyVersion, on_delete=models.CASCADE, related_name="+")
    content_id = models.UUIDField()
    seen_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["UnregisteredDocument"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "content_id"], name="one_row_per_unregistered_document")
        ]

    def __str__(self) -> str:
        return str(self.content_id)


class Destruction(TenantOwned):
    """The end of a disabled key: asked for by one administrator, approved by another, carried out when it is due.

    `due_at` is set by the approval. From `started_at` on there is no way back; `certificate` is made last.
    """

    key = models.ForeignKey(KeyVersion, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=500)
    asked_by = models.CharField(max_length=254)
    asked_by_id = models.UUIDField()
    asked_at = models.DateTimeField(default=timezone.now)
    grace_days = models.PositiveSmallIntegerField()
    approved_by = models.CharField(max_length=254, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    canceled_by = models.CharField(max_length=254, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    documents = models.PositiveIntegerField(
        default=0, help_text="registered ones that hung on the key to the end"
    )
    unregistered = models.PositiveIntegerField(default=0, help_text="seen ones that are in no register")
    certificate = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["Destruction"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(canceled_at__isnull=True), name="one_destruction_per_key"
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(canceled_at__isnull=True, finished_at__isnull=True),
                name="destructions_under_way",
            )
        ]

    def __str__(self) -> str:
        return str(self.key_id)
