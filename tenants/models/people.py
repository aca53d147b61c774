"""People, the invitations sent to them, and what a directory says of them."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.domain_names import canonical_address
from tenants.models.base import TenantOwned, TenantQuerySet
from tenants.models.organizations import Tenant


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=canonical_address(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """An operator of the installation, for `/operator/`."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def for_tenant(self, tenant: Tenant) -> models.QuerySet["User"]:
        """The people of an organization. An account that was merged into another one is nobody's any more."""
        return self.filter(tenant=tenant, merged_into=None)


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
    suspended_at = models.DateTimeField(null=True, blank=True)
    is_guest = models.BooleanField(
        default=False, help_text=_("Came by a one-time code and has no password; belongs to no organization")
    )
    is_staff = models.BooleanField(default=False, help_text=_("Operator of this installation"))
    licensed = models.BooleanField(
        default=False, help_text=_("Counts where only licensed people may protect")
    )
    language = models.CharField(max_length=10, blank=True)
    time_zone = models.CharField(max_length=40, blank=True)
    date_joined = models.DateTimeField(default=timezone.now)
    merged_into = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="merged",
        help_text=_("The other account of the same person, which stands for this closed one"),
    )

    emailaddress_set: Any  # allauth's addresses of this person; its models carry no types

    objects = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(merged_into=None) | Q(is_active=False) & ~Q(merged_into=F("id")),
                name="merged_account_is_closed",
            ),
        ]
        # The orders of the list of people, each page by key.
        indexes = [
            models.Index(fields=["tenant", "email"], name="people_by_address"),
            models.Index(fields=["tenant", "name", "id"], name="people_by_name"),
            models.Index(fields=["tenant", "-date_joined", "id"], name="people_newest_first"),
            models.Index(fields=["tenant", "email"], condition=Q(is_active=False), name="people_suspended"),
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email


class StatedAddress(TenantOwned):
    """A mail address outside the organization's domains that it says one of its people has. Until the person proves it,
    or the organization the domain, it is nobody's: no grant meets it, no mail goes there, nobody signs in by it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="stated_addresses")
    address = models.EmailField(max_length=254)
    stated_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["StatedAddress"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "address"], name="address_is_stated_once")]
        indexes = [models.Index(fields=["tenant", "address"], name="stated_addresses")]

    def __str__(self) -> str:
        return self.address


class Invitation(TenantOwned):
    """A person is asked to join the organization; the secret in the mail is kept as a hash."""

    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=100, blank=True)
    language = models.CharField(max_length=10, blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    groups: "models.ManyToManyField[Any, Any]" = models.ManyToManyField(
        "tenants.Group", blank=True, related_name="+"
    )

    objects = TenantQuerySet["Invitation"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "email"], name="one_invitation_per_address")]

    def __str__(self) -> str:
        return self.email


class DirectoryEntry(TenantOwned):
    """What the organization's directory says of one of its people, as it said it (SCIM 2.0, RFC 7643).

    Nothing here counts for rights: addresses count by the rules of `tenants.identity`. A person whose stated addresses
    are all outside the proven domains has an internal main address and keeps the stated ones unverified.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="directory_entry")
    user_name = models.CharField(max_length=254)
    external_id = models.CharField(max_length=254, blank=True)
    attributes = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet["DirectoryEntry"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", Lower("user_name"), name="one_entry_per_user_name"),
        ]
        indexes = [
            models.Index(fields=["tenant", "external_id"], name="directory_external_id"),
            models.Index(fields=["tenant", "created_at", "id"], name="directory_order"),
        ]

    def __str__(self) -> str:
        return self.user_name
