"""Organizations and the mail domains they have proven."""

import secrets
import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.languages import default_languages
from tenants.models.base import TenantOwned, TenantQuerySet


class Tenant(models.Model):
    """An organisation. Its id stands in every license it issues and never changes."""

    class State(models.TextChoices):
        INACTIVE = "inactive", _("Inactive")
        ACTIVE = "active", _("Active")

    class Onboarding(models.TextChoices):
        EVERYONE = "everyone", _("Everyone may protect")
        GROUP = "group", _("Only members of one group may protect")
        LICENSED = "licensed", _("Only licensed people may protect")

    class SecondFactor(models.TextChoices):
        OPTIONAL = "optional", _("Everyone decides for themselves")
        ADMINS = "admins", _("Required of everyone with a role")
        EVERYONE = "everyone", _("Required of everyone")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=100)
    state = models.CharField(max_length=10, choices=State.choices, default=State.INACTIVE)
    server_id = models.UUIDField(default=uuid.uuid4, editable=False)
    default_language = models.CharField(max_length=10, default="en")
    languages = models.JSONField(
        default=default_languages, help_text="what templates are written in, tags of tenants.languages"
    )
    max_use_license_days = models.PositiveSmallIntegerField(default=30)
    onboarding = models.CharField(max_length=10, choices=Onboarding.choices, default=Onboarding.EVERYONE)
    onboarding_group = models.ForeignKey(
        "tenants.Group", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    super_users_enabled = models.BooleanField(default=False)
    super_users_need_approval = models.BooleanField(default=False)
    approval_ends_at = models.DateTimeField(
        null=True, blank=True, help_text=_("From then on no second admin is needed for super users any more")
    )
    second_factor = models.CharField(
        max_length=10, choices=SecondFactor.choices, default=SecondFactor.OPTIONAL
    )
    created_at = models.DateTimeField(default=timezone.now)
    activated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(onboarding="group") | Q(onboarding_group__isnull=False),
                name="onboarding_group_is_named",
            ),
            models.CheckConstraint(
                condition=Q(max_use_license_days__gte=1, max_use_license_days__lte=365),
                name="use_license_days_in_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        return self.state == self.State.ACTIVE

    @property
    def needs_approval(self) -> bool:
        """Whether a super user needs a second admin now; giving that up takes effect after a day."""
        over = self.approval_ends_at is not None and self.approval_ends_at <= timezone.now()
        return self.super_users_need_approval and not over


def new_domain_token() -> str:
    """What a DNS TXT record has to say, beside our name, to prove a domain."""
    return secrets.token_hex(16)


class VerifiedDomain(TenantOwned):
    """A mail domain that an organization has proven to be its own; a domain belongs to one organization.

    `lost_since`: since when the daily look no longer finds the record; the domain keeps counting, its admins are told.
    """

    domain = models.CharField(max_length=253, unique=True)
    token = models.CharField(max_length=32, blank=True, help_text=_("Empty: vouched for by the installation"))
    proven_at = models.DateTimeField(default=timezone.now)
    checked_at = models.DateTimeField(default=timezone.now)
    lost_since = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["VerifiedDomain"].as_manager()

    def __str__(self) -> str:
        return self.domain


class DomainClaim(TenantOwned):
    """A mail domain that an organization says is its own and has yet to prove. Several may claim the same one."""

    domain = models.CharField(max_length=253)
    token = models.CharField(max_length=32, default=new_domain_token)
    created_at = models.DateTimeField(default=timezone.now)
    checked_at = models.DateTimeField(null=True, blank=True)
    result = models.CharField(max_length=40, blank=True, help_text=_("Code of what the last look found"))

    objects = TenantQuerySet["DomainClaim"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "domain"], name="one_claim_per_domain")]

    def __str__(self) -> str:
        return self.domain


class OrganizationInvitation(models.Model):
    """Leave to sign an organization up, where the installation asks for one; the secret in the mail is kept as a hash."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(max_length=254)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    tenant = models.OneToOneField(
        Tenant,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text=_("What came of it"),
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("created_at")), name="invitation_lasts_a_while"
            ),
        ]

    def __str__(self) -> str:
        return self.email
