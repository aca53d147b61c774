"""Templates and their versions: the rules an organisation offers under a name."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models import Group, Tenant, TenantOwned, TenantQuerySet, User


class TemplateQuerySet(TenantQuerySet["PolicyTemplate"]):
    def offered(self) -> "TemplateQuerySet":
        """Published ones, with what a list shows."""
        return self.filter(state=PolicyTemplate.State.PUBLISHED).select_related("current")

    def with_current(self) -> "TemplateQuerySet":
        return self.select_related("current").prefetch_related(
            "current__names", "current__grants", "current__scope"
        )


class PolicyTemplate(TenantOwned):
    """A named policy. Its id stands in licenses; its current version decides, also for content protected long ago.

    What is being written stands in `draft` until it is published and becomes the next version (ADR 0055).
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")
        ARCHIVED = "archived", _("Archived")

    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    position = models.PositiveIntegerField(default=0, help_text="order in lists, also on devices")
    revision = models.PositiveIntegerField(
        default=1, help_text="counts changes; who changes names what they saw"
    )
    draft = models.JSONField(null=True, blank=True, help_text="rules not published yet, see policies.content")
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.CharField(max_length=254, blank=True)
    current = models.ForeignKey(
        "policies.TemplateVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = TemplateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state="draft") | Q(current__isnull=False), name="published_template_has_version"
            )
        ]
        indexes = [models.Index(fields=["tenant", "position", "id"], name="templates_in_order")]

    def __str__(self) -> str:
        return str(self.id)


class TemplateVersion(models.Model):
    """One state of a template's rules, never changed once written."""

    class Expiry(models.TextChoices):
        NEVER = "never", _("Never")
        DATE = "date", _("On a date")
        DAYS = "days", _("A number of days after protection")

    template = models.ForeignKey(PolicyTemplate, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    modified_at = models.DateTimeField(default=timezone.now)
    published_by = models.CharField(max_length=254, blank=True)
    default_language = models.CharField(max_length=10, default="en")
    expiry = models.CharField(max_length=5, choices=Expiry.choices, default=Expiry.NEVER)
    expires_at = models.DateTimeField(null=True, blank=True)
    expires_after_days = models.PositiveIntegerField(null=True, blank=True)
    offline_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="empty: as long as the organisation allows; 0: never offline"
    )
    visible_to_all = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="one_version_per_number"),
            models.CheckConstraint(
                condition=Q(expiry="never", expires_at__isnull=True, expires_after_days__isnull=True)
                | Q(expiry="date", expires_at__isnull=False, expires_after_days__isnull=True)
                | Q(expiry="days", expires_at__isnull=True, expires_after_days__isnull=False),
                name="expiry_has_its_value",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template_id} v{self.number}"


class LocalizedName(models.Model):
    """Name and description of a template version in one language."""

    version = models.ForeignKey(TemplateVersion, on_delete=models.CASCADE, related_name="names")
    language = models.CharField(max_length=10)
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "language"], name="one_name_per_language")]

    def __str__(self) -> str:
        return f"{self.language}: {self.name}"


class TemplateGrant(models.Model):
    """Rights for one principal, written like an entry of `Users` (protocol.md 1.4), resolved to ids."""

    version = models.ForeignKey(TemplateVersion, on_delete=models.CASCADE, related_name="grants")
    principal = models.CharField(max_length=260)
    rights = models.CharField(max_length=1000, help_text="comma-separated")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "principal"], name="one_grant_per_principal")
        ]

    def __str__(self) -> str:
        return f"{self.principal}: {self.rights}"


class TemplateScope(models.Model):
    """Who may see and choose a template that is not visible to all: one person or one group a row."""

    version = models.ForeignKey(TemplateVersion, on_delete=models.CASCADE, related_name="scope")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    group = models.ForeignKey(Group, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, group__isnull=True)
                | Q(user__isnull=True, group__isnull=False),
                name="scope_is_person_or_group",
            )
        ]

    def __str__(self) -> str:
        return str(self.user or self.group)


class ProtectionLimits(models.Model):
    """What the people of one organization may do when they protect. Without a row everything is allowed."""

    tenant = models.OneToOneField(Tenant, primary_key=True, on_delete=models.CASCADE, related_name="+")
    own_permissions = models.BooleanField(
        _("People may say themselves who may open"),
        default=True,
        help_text=_("Otherwise they protect with templates only."),
    )
    outsiders = models.BooleanField(
        _("People may grant to addresses and domains outside your organization"), default=True
    )
    anyone = models.BooleanField(_("People may grant to anybody who signs in"), default=True)
    default_template = models.ForeignKey(
        PolicyTemplate, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    def __str__(self) -> str:
        return f"limits of {self.tenant_id}"
