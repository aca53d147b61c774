"""Key records: which keys a tenant has had, in what state; private material is sealed or lives elsewhere."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.models import TenantOwned, TenantQuerySet


class KeyVersion(TenantOwned):
    """One RSA key of a tenant. Material never changes; the state moves pending -> active -> archived (-> destroyed)."""

    class State(models.TextChoices):
        PENDING = "pending"
        ACTIVE = "active"
        ARCHIVED = "archived"
        DESTROYED = "destroyed"

    class Kind(models.TextChoices):
        SOFTWARE = "software"
        PKCS11 = "pkcs11"
        BYOK = "byok"

    fingerprint = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the modulus, hex")
    modulus = models.BinaryField(help_text="big-endian")
    bits = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.SOFTWARE)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    oaep_hash = models.CharField(max_length=8, default="sha256")
    sealed_private = models.BinaryField(null=True)
    kek_id = models.CharField(max_length=16, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    activated_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["KeyVersion"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"], condition=Q(state="active"), name="one_active_key_per_tenant"
            ),
            models.UniqueConstraint(
                fields=["tenant"], condition=Q(state="pending"), name="one_pending_key_per_tenant"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fingerprint[:16]} ({self.state})"


class InstallationKey(models.Model):
    """A private key of the installation itself, sealed by the key-encryption key (the OpenID Connect signing key)."""

    purpose = models.CharField(max_length=40, primary_key=True)
    sealed_private = models.BinaryField()
    kek_id = models.CharField(max_length=16)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.purpose
