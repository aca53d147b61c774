"""Key records: which keys a tenant has had, in what state; private material is sealed or lives elsewhere."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import TenantOwned, TenantQuerySet


class KeyVersion(TenantOwned):
    """One RSA key of a tenant. Material never changes; the state moves pending -> active -> archived.

    A pending key may be withdrawn instead; its private half is gone then. `archived_at` is when a key left its place,
    whichever way. An archived key may be disabled, which can be taken back, and only a disabled one destroyed.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        ACTIVE = "active"
        ARCHIVED = "archived"
        DISABLED = "disabled"
        DESTROYED = "destroyed"
        WITHDRAWN = "withdrawn"

    class Kind(models.TextChoices):
        """Where the private half is kept."""

        SOFTWARE = "software"
        PKCS11 = "pkcs11"

    class Origin(models.TextChoices):
        """Who made it. Only what was brought can be brought again."""

        MADE = "made"
        BROUGHT = "brought"

    fingerprint = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the modulus, hex")
    modulus = models.BinaryField(help_text="big-endian")
    bits = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.SOFTWARE)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    oaep_hash = models.CharField(max_length=8, default="sha256")
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.MADE)
    # Under the key's own wrapping key. What lies in a token is named by this row's id there (CKA_ID).
    sealed_private = models.BinaryField(null=True)
    token_label = models.CharField(max_length=32, blank=True, help_text="the token that holds the key")
    # Held by the customer: the private half is nowhere here until they bring it again.
    held_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    planned_at = models.DateTimeField(
        null=True, blank=True, help_text="when a pending key becomes active; empty: at once"
    )
    activated_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)

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


class WrappingKey(models.Model):
    """The symmetric key under which one private key lies, itself sealed by the key-encryption key.

    Without this row the private key is gone, wherever copies of its own row may be.
    """

    key = models.OneToOneField(
        KeyVersion, on_delete=models.CASCADE, primary_key=True, related_name="wrapping"
    )
    sealed = models.BinaryField()
    kek_id = models.CharField(max_length=16)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.key_id)


class KeyPolicy(TenantOwned):
    """What an organization has decided about its keys; absent: what the operator's settings say."""

    class Place(models.TextChoices):
        SOFTWARE = "software", _("on the server, encrypted")
        PKCS11 = "pkcs11", _("in the hardware security module")

    place = models.CharField(max_length=10, choices=Place.choices, blank=True)
    export_wait_hours = models.PositiveSmallIntegerField(
        default=24, help_text="how long whoever approves an export has held the role"
    )
    # A shorter time begins only when the longer one is over.
    next_export_wait_hours = models.PositiveSmallIntegerField(null=True, blank=True)
    next_export_wait_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["KeyPolicy"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_key_policy_per_tenant")]

    def __str__(self) -> str:
        return self.place


class ImportKey(TenantOwned):
    """A one-time RSA key for a customer to wrap theirs with. Its private half goes at the first use, or when it expires."""

    modulus = models.BinaryField(help_text="big-endian")
    sealed_private = models.BinaryField(null=True)
    kek_id = models.CharField(max_length=16, blank=True)
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["ImportKey"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"], condition=Q(sealed_private__isnull=False), name="one_import_key_per_tenant"
            )
        ]

    def __str__(self) -> str:
        return f"import key of {self.created_at:%Y-%m-%d %H:%M}"


class KeyExport(TenantOwned):
    """A request to hand keys over to the organization, sealed for one recipient; `keys.export` says in what state it is.

    There is no package in here and nowhere else: one is made at each download.
    """

    class Outcome(models.TextChoices):
        REJECTED = "rejected"
        CANCELLED = "cancelled"

    reason = models.CharField(max_length=500)
    recipient_modulus = models.BinaryField(help_text="big-endian")
    recipient_fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the modulus, hex")
    keys = models.JSONField(help_text="fingerprints of the keys that are handed over, fixed at the request")
    requested_by = models.CharField(max_length=254)
    requested_by_id = models.UUIDField(null=True)
    requested_at = models.DateTimeField(default=timezone.now)
    approved_by = models.CharField(max_length=254, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(help_text="until then it can be approved, or downloaded once approved")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    ended_by = models.CharField(max_length=254, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    downloads = models.PositiveIntegerField(default=0)
    downloaded_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["KeyExport"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["tenant", "-requested_at"], name="key_exports_newest")]

    def __str__(self) -> str:
        return f"export of {self.requested_at:%Y-%m-%d %H:%M} for {self.recipient_fingerprint[:16]}"


class InstallationKey(models.Model):
    """A private key of the installation itself, sealed by the key-encryption key (the OpenID Connect signing key)."""

    purpose = models.CharField(max_length=40, primary_key=True)
    sealed_private = models.BinaryField()
    kek_id = models.CharField(max_length=16)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.purpose


class RollPolicy(TenantOwned):
    """When a tenant's key is rolled by itself and how old it may get, and how far the job has come with that.

    `key` is the active key that `next_roll_at` and `ages_at` were reckoned for; where it is not the active one any more,
    the job reckons anew (`keys.schedule.replan`), whatever has changed the key.
    """

    every_days = models.PositiveSmallIntegerField(null=True, blank=True, help_text="empty: by hand only")
    stated_age_days = models.PositiveSmallIntegerField(default=730)
    before_age = models.BooleanField(default=False, help_text="rolled by itself before the stated age")
    bits = models.PositiveSmallIntegerField(default=2048)
    key = models.ForeignKey(KeyVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    next_roll_at = models.DateTimeField(null=True, blank=True)
    ages_at = models.DateTimeField(null=True, blank=True)
    put_off_until = models.DateTimeField(null=True, blank=True)
    claim = models.UUIDField(null=True, blank=True, help_text="the run that makes the new key")
    claimed_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    trouble = models.CharField(max_length=40, blank=True, help_text="why the last attempt failed")
    trouble_since = models.DateTimeField(null=True, blank=True)
    unreachable_since = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["RollPolicy"].as_manager()

    class Meta:
        verbose_name_plural = "roll policies"
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_roll_policy_per_tenant")]
        indexes = [
            models.Index(fields=["next_roll_at"], name="roll_policies_by_next_roll"),
            models.Index(fields=["ages_at"], name="roll_policies_by_age"),
            models.Index(fields=["claim"], name="roll_policies_by_claim"),
            models.Index(fields=["key"], name="roll_policies_by_key"),
        ]

    def __str__(self) -> str:
        return f"every {self.every_days} days" if self.every_days else "by hand"


class KeyNotice(TenantOwned):
    """A warning about a key that administrators were sent: once, which the constraint decides.

    `since` tells one occurrence from the next: when the trouble began, or when the key came into its place.
    """

    class Kind(models.TextChoices):
        ROLL_DUE = "roll_due"
        BRING_KEY = "bring_key"
        ROLL_PLANNED = "roll_planned"
        ROLL_FAILING = "roll_failing"
        ROLL_OVERDUE = "roll_overdue"
        AGES_SOON = "ages_soon"
        TOO_OLD = "too_old"
        UNREACHABLE = "unreachable"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    key = models.ForeignKey(KeyVersion, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField()
    sent_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["KeyNotice"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "kind", "since"], name="one_notice_per_occurrence")
        ]

    def __str__(self) -> str:
        return self.kind


class KeyUse(TenantOwned):
    """How often a key was used on one UTC day, reckoned from the usage log."""

    key = models.ForeignKey(KeyVersion, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    protected = models.PositiveIntegerField(default=0)
    opened = models.PositiveIntegerField(default=0)

    objects = TenantQuerySet["KeyUse"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "day"], name="one_count_per_key_and_day")]

    def __str__(self) -> str:
        return f"{self.day}: {self.protected + self.opened}"


class KeyUseCursor(models.Model):
    """How far the usage log has been counted. One row only."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    last_id = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_key_use_cursor")]

    def __str__(self) -> str:
        return f"up to {self.last_id}"


class KeyIncident(TenantOwned):
    """Something happened to a key, or is rehearsed (`drill`): what has to be done follows from its kind, `keys.incidents`."""

    class Kind(models.TextChoices):
        LEAKED = "leaked", _("The key leaked")
        MISUSED = "misused", _("Misuse without a leak")
        WEAK = "weak", _("The algorithm is too weak")

    key = models.ForeignKey(KeyVersion, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    drill = models.BooleanField(default=False, help_text="an exercise: nothing is changed")
    reason = models.CharField(max_length=500)
    opened_by = models.CharField(max_length=254)
    opened_at = models.DateTimeField(default=timezone.now)
    closed_by = models.CharField(max_length=254, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["KeyIncident"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key", "kind", "drill"],
                condition=Q(closed_at__isnull=True),
                name="one_open_incident_per_kind_and_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.opened_at:%Y-%m-%d %H:%M}"


class IncidentStep(TenantOwned):
    """One step of an incident, as somebody took it: `facts` are the numbers of that moment."""

    incident = models.ForeignKey(KeyIncident, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=20)
    taken_by = models.CharField(max_length=254)
    taken_at = models.DateTimeField(default=timezone.now)
    facts = models.JSONField(default=dict)

    objects = TenantQuerySet["IncidentStep"].as_manager()

    def __str__(self) -> str:
        return self.name
