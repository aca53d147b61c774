"""Organizations' people and groups, for operators to look at. Organizations themselves: `administration.admin`."""

from django.contrib import admin

from audit.admin import ReadOnlyAdmin
from tenants.models import (
    DirectoryEntry,
    DomainClaim,
    Group,
    GroupMember,
    GroupNesting,
    IdentityProvider,
    Invitation,
    OrganizationInvitation,
    OutgoingMail,
    RoleAssignment,
    ScimToken,
    ServicePrincipal,
    StatedAddress,
    SuperUserAppointment,
    SuperUserNotice,
    User,
    VerifiedDomain,
)

SHOWN_MEMBERS = 100


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ("email", "name", "tenant", "is_active", "is_staff", "date_joined")
    list_filter = ("is_active", "is_staff", "licensed")
    list_select_related = ("tenant",)
    search_fields = ("email", "name", "^tenant__slug")
    search_help_text = "Address, name, short name of an organization, or an id"
    id_fields = ("id", "tenant_id")
    ordering = ("email",)
    fields = (
        "id",
        "email",
        "name",
        "tenant",
        "is_active",
        "is_staff",
        "is_superuser",
        "licensed",
        "language",
        "time_zone",
        "date_joined",
        "last_login",
    )


@admin.register(Group)
class GroupAdmin(ReadOnlyAdmin):
    list_display = ("name", "mail", "tenant", "created_at")
    list_select_related = ("tenant",)
    search_fields = ("name", "mail", "^tenant__slug")
    id_fields = ("id", "tenant_id")
    ordering = ("name", "id")
    fields = ("id", "tenant", "name", "mail", "created_at", "people", "groups_inside")

    @admin.display(description=f"people (the first {SHOWN_MEMBERS})")
    def people(self, group: Group) -> str:
        members = GroupMember.objects.filter(group=group).order_by("user__email")
        return "\n".join(members.values_list("user__email", flat=True)[:SHOWN_MEMBERS])

    @admin.display(description=f"groups inside (the first {SHOWN_MEMBERS})")
    def groups_inside(self, group: Group) -> str:
        nested = GroupNesting.objects.filter(parent=group).order_by("child__name")
        return "\n".join(nested.values_list("child__name", flat=True)[:SHOWN_MEMBERS])


@admin.register(VerifiedDomain)
class VerifiedDomainAdmin(ReadOnlyAdmin):
    list_display = ("domain", "tenant", "proven_at")
    list_select_related = ("tenant",)
    search_fields = ("domain", "^tenant__slug")
    id_fields = ("id", "tenant_id")
    ordering = ("domain",)


@admin.register(RoleAssignment)
class RoleAssignmentAdmin(ReadOnlyAdmin):
    list_display = ("user", "role", "tenant", "since")
    list_filter = ("role",)
    list_select_related = ("user", "tenant")
    search_fields = ("^user__email", "^tenant__slug")
    id_fields = ("id", "tenant_id", "user_id")
    ordering = ("-since",)


@admin.register(SuperUserAppointment)
class SuperUserAppointmentAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "user", "group", "appointed_by", "since", "until")
    list_select_related = ("tenant", "user", "group")
    search_fields = ("^user__email", "^group__name", "^tenant__slug")
    id_fields = ("id", "tenant_id", "user_id", "group_id")
    ordering = ("-since",)


@admin.register(SuperUserNotice)
class SuperUserNoticeAdmin(ReadOnlyAdmin):
    list_display = ("last_id",)


@admin.register(ServicePrincipal)
class ServicePrincipalAdmin(ReadOnlyAdmin):
    list_display = ("name", "tenant", "client", "protect_for_others", "created_at")
    list_select_related = ("tenant", "client")
    search_fields = ("name", "^tenant__slug", "=client__id")
    id_fields = ("id", "tenant_id")
    ordering = ("name", "id")


@admin.register(DomainClaim)
class DomainClaimAdmin(ReadOnlyAdmin):
    list_display = ("domain", "tenant", "created_at", "checked_at", "result")
    list_select_related = ("tenant",)
    search_fields = ("domain", "^tenant__slug")
    id_fields = ("id", "tenant_id")
    ordering = ("domain", "id")


@admin.register(OrganizationInvitation)
class OrganizationInvitationAdmin(ReadOnlyAdmin):
    list_display = ("email", "created_at", "expires_at", "tenant")
    list_select_related = ("tenant",)
    search_fields = ("email",)
    id_fields = ("id",)
    ordering = ("-created_at",)
    exclude = ("token_hash",)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ("email", "tenant", "invited_by", "created_at", "expires_at", "accepted_at")
    list_select_related = ("tenant",)
    search_fields = ("email", "^tenant__slug")
    id_fields = ("id", "tenant_id")
    ordering = ("-created_at",)
    exclude = ("token_hash",)


@admin.register(DirectoryEntry)
class DirectoryEntryAdmin(ReadOnlyAdmin):
    list_display = ("user_name", "tenant", "user", "external_id", "changed_at")
    list_select_related = ("tenant", "user")
    search_fields = ("user_name", "external_id", "^tenant__slug")
    id_fields = ("id", "tenant_id", "user_id")
    ordering = ("user_name", "id")


@admin.register(StatedAddress)
class StatedAddressAdmin(ReadOnlyAdmin):
    list_display = ("address", "tenant", "user", "stated_at")
    list_select_related = ("tenant", "user")
    search_fields = ("address", "^tenant__slug")
    id_fields = ("id", "tenant_id", "user_id")
    ordering = ("address", "id")


@admin.register(ScimToken)
class ScimTokenAdmin(ReadOnlyAdmin):
    list_display = ("name", "tenant", "created_by", "created_at", "expires_at", "used_at")
    list_select_related = ("tenant",)
    search_fields = ("name", "^tenant__slug")
    id_fields = ("id", "tenant_id")
    ordering = ("name", "id")
    exclude = ("token_hash",)


@admin.register(IdentityProvider)
class IdentityProviderAdmin(ReadOnlyAdmin):
    list_display = ("name", "tenant", "kind", "use", "tested_at", "last_error_at")
    list_filter = ("kind", "use")
    list_select_related = ("tenant",)
    search_fields = ("name", "^tenant__slug")
    id_fields = ("id", "tenant_id")
    ordering = ("name", "id")
    exclude = ("sealed_secret",)


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin):
    list_display = ("to", "created_at", "due_at", "sent_at", "attempts", "last_error")
    search_fields = ("=to",)
    id_fields = ("id", "tenant_id")
    ordering = ("-created_at",)
    exclude = ("subject", "text")
