"""Roles, super users, and the programs that act for an organization."""

from allauth.idp.oidc.models import Client
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.base import TenantOwned, TenantQuerySet
from tenants.models.groups import Group
from tenants.models.people import User


class RoleAssignment(TenantOwned):
    """An administrative role in an organization, of a person at home there or of everybody in a group."""

    class Role(models.TextChoices):
        GLOBAL_ADMIN = "global_admin", _("Global administrator")
        TEMPLATE_ADMIN = "template_admin", _("Template administrator")
        KEY_ADMIN = "key_admin", _("Key administrator")
        SUPPORT = "support", _("Support")
        AUDITOR = "auditor", _("Auditor")

    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="roles")
    group = models.ForeignKey(Group, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=20, choices=Role.choices)
    since = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["RoleAssignment"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user", "role"], name="one_assignment_per_role"),
            models.UniqueConstraint(fields=["tenant", "group", "role"], name="one_group_assignment_per_role"),
            models.CheckConstraint(
                condition=Q(user__isnull=False, group__isnull=True)
                | Q(user__isnull=True, group__isnull=False),
                name="role_is_of_person_or_group",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.group}: {self.get_role_display()}"


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


class SuperUserAppointment(TenantOwned):
    """A person, a group or a service that may read everything the organization ever protected, while the feature is on."""

    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    group = models.ForeignKey(Group, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    service = models.ForeignKey(
        ServicePrincipal, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    reason = models.CharField(max_length=500)
    appointed_by = models.CharField(max_length=254)
    appointed_by_id = models.UUIDField(null=True, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    approved_by = models.CharField(max_length=254, blank=True)
    since = models.DateTimeField(
        null=True, blank=True, default=timezone.now, help_text=_("Empty: waits for the second admin")
    )
    until = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["SuperUserAppointment"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, group__isnull=True, service__isnull=True)
                | Q(user__isnull=True, group__isnull=False, service__isnull=True)
                | Q(user__isnull=True, group__isnull=True, service__isnull=False),
                name="super_user_is_one_of_three",
            ),
        ]

    def __str__(self) -> str:
        return str(self.user or self.group or self.service)


class SuperUserNotice(models.Model):
    """Up to which row of the usage log the admins were told what super users opened. One row only."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    last_id = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_super_user_notice")]

    def __str__(self) -> str:
        return f"up to {self.last_id}"


class ScimToken(TenantOwned):
    """A secret by which one directory keeps the people and groups of one organization; kept as a hash."""

    name = models.CharField(max_length=100)
    token_hash = models.CharField(max_length=64, unique=True)
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet["ScimToken"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_scim_token_per_name")]

    def __str__(self) -> str:
        return self.name
