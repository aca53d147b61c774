"""Organisations, the people in them, and what they may do there."""

import uuid
from typing import Any, ClassVar, Self, TypeVar

from allauth.idp.oidc.models import Client
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

M = TypeVar("M", bound=models.Model)


class TenantQuerySet(models.QuerySet[M]):
    """The only way interface code reaches objects that belong to an organisation."""

    def for_tenant(self, tenant: "Tenant") -> Self:
        return self.filter(tenant=tenant)


class TenantOwned(models.Model):
    """Base of everything that belongs to exactly one organisation."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")

    class Meta:
        abstract = True


class Tenant(models.Model):
    """An organisation. Its id stands in every license it issues and never changes."""

    class State(models.TextChoices):
        INACTIVE = "inactive", _("Inactive")
        ACTIVE = "active", _("Active")

    class Onboarding(models.TextChoices):
        EVERYONE = "everyone", _("Everyone may protect")
        GROUP = "group", _("Only members of one group may protect")
        LICENSED = "licensed", _("Only licensed people may protect")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=100)
    state = models.CharField(max_length=10, choices=State.choices, default=State.INACTIVE)
    server_id = models.UUIDField(default=uuid.uuid4, editable=False)
    default_language = models.CharField(max_length=10, default="en")
    max_use_license_days = models.PositiveSmallIntegerField(default=30)
    onboarding = models.CharField(max_length=10, choices=Onboarding.choices, default=Onboarding.EVERYONE)
    onboarding_group = models.ForeignKey(
        "tenants.Group", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    super_users_enabled = models.BooleanField(default=False)
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


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """An operator of the installation, for `/operator/`."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def for_tenant(self, tenant: Tenant) -> models.QuerySet["User"]:
        return self.filter(tenant=tenant)


class User(AbstractBaseUser, PermissionsMixin):
    """A person: one account in the whole installation, at most one home organisation, any number of addresses."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(_("main address"), max_length=254, unique=True)
    name = models.CharField(_("name"), max_length=100, blank=True)
    tenant = models.ForeignKey(
        Tenant,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="people",
        verbose_name=_("organization"),
    )
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text=_("Operator of this installation"))
    licensed = models.BooleanField(
        default=False, help_text=_("Counts where only licensed people may protect")
    )
    language = models.CharField(max_length=10, blank=True)
    time_zone = models.CharField(max_length=40, blank=True)
    date_joined = models.DateTimeField(default=timezone.now)

    emailaddress_set: Any  # allauth's addresses of this person; its models carry no types

    objects = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email


class VerifiedDomain(TenantOwned):
    """A mail domain that an organisation has proven to be its own; a domain belongs to one organisation."""

    domain = models.CharField(max_length=253, unique=True)
    proven_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["VerifiedDomain"].as_manager()

    def __str__(self) -> str:
        return self.domain


class Group(TenantOwned):
    """A named set of people and of other groups. `mail` lets a grant name it by address."""

    name = models.CharField(_("name"), max_length=100)
    mail = models.EmailField(max_length=254, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["Group"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_group_per_name"),
            models.UniqueConstraint(
                fields=["tenant", "mail"], condition=~Q(mail=""), name="one_group_per_mail"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    """A person directly in a group."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="one_membership_per_person")]

    def __str__(self) -> str:
        return f"{self.user} in {self.group}"


class GroupNesting(models.Model):
    """A group inside a group. Cycles are harmless: evaluation visits each group once."""

    parent = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="nested")
    child = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="nested_in")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["parent", "child"], name="one_nesting_per_pair"),
            models.CheckConstraint(condition=~Q(parent=models.F("child")), name="no_group_in_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.child} in {self.parent}"


class RoleAssignment(TenantOwned):
    """A person's administrative role in their home organisation."""

    class Role(models.TextChoices):
        GLOBAL_ADMIN = "global_admin", _("Global administrator")
        TEMPLATE_ADMIN = "template_admin", _("Template administrator")
        KEY_ADMIN = "key_admin", _("Key administrator")
        SUPPORT = "support", _("Support")
        AUDITOR = "auditor", _("Auditor")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=20, choices=Role.choices)
    since = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["RoleAssignment"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user", "role"], name="one_assignment_per_role")
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()}"


class SuperUserAppointment(TenantOwned):
    """A person or a group that may read everything the organisation ever protected, while the feature is on."""

    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    group = models.ForeignKey(Group, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=500)
    appointed_by = models.CharField(max_length=254)
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["SuperUserAppointment"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, group__isnull=True)
                | Q(user__isnull=True, group__isnull=False),
                name="super_user_is_person_or_group",
            ),
        ]

    def __str__(self) -> str:
        return str(self.user or self.group)


class ServicePrincipal(TenantOwned):
    """A program that acts for an organisation; it signs in with the credentials of its OpenID Connect client."""

    name = models.CharField(max_length=100)
    client = models.OneToOneField(Client, on_delete=models.CASCADE, related_name="service")
    protect_for_others = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["ServicePrincipal"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_service_per_name")]

    def __str__(self) -> str:
        return self.name
