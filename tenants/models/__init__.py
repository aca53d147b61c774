"""Organizations, the people in them, and what they may do there."""

from tenants.models.base import TenantOwned, TenantQuerySet
from tenants.models.groups import Group, GroupMember, GroupNesting
from tenants.models.mail import OutgoingMail
from tenants.models.organizations import DomainClaim, OrganizationInvitation, Tenant, VerifiedDomain
from tenants.models.people import DirectoryEntry, Invitation, StatedAddress, User, UserManager
from tenants.models.powers import (
    RoleAssignment,
    ScimToken,
    ServicePrincipal,
    SuperUserAppointment,
    SuperUserNotice,
)
from tenants.models.sign_in import IdentityProvider

__all__ = [
    "DirectoryEntry",
    "DomainClaim",
    "Group",
    "GroupMember",
    "GroupNesting",
    "IdentityProvider",
    "Invitation",
    "OrganizationInvitation",
    "OutgoingMail",
    "RoleAssignment",
    "ScimToken",
    "ServicePrincipal",
    "StatedAddress",
    "SuperUserAppointment",
    "SuperUserNotice",
    "Tenant",
    "TenantOwned",
    "TenantQuerySet",
    "User",
    "UserManager",
    "VerifiedDomain",
]
