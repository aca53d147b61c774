"""Organizations, and what an operator may do about them: the same steps as an administrator's, logged in their log."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from administration.activation import activate_tenant, deactivate_tenant
from administration.arrival_page import arrive
from administration.models import IdempotencyRecord, OrganizationExport, Removal
from audit.admin import ReadOnlyAdmin
from keys.errors import KeyCustodyError
from tenants.models import Tenant, User


@admin.register(Tenant)
class TenantAdmin(ReadOnlyAdmin):
    owner = "id"
    notes_lists = False  # which organizations there are is no organization's own
    list_display = ("name", "slug", "state", "onboarding", "super_users_enabled", "created_at")
    list_filter = ("state", "onboarding", "super_users_enabled")
    search_fields = ("name", "slug")
    ordering = ("name", "id")
    actions = ("activate", "deactivate")
    readonly_fields = ("id", "server_id")

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        page = csrf_exempt(lambda request: arrive(request, site))  # the page asks for the token itself
        return [path("arrive/", site.admin_view(page), name="arrive"), *super().get_urls()]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and request.user.is_superuser

    @admin.action(description="Activate protection", permissions=["operate"])
    def activate(self, request: HttpRequest, tenants: QuerySet[Tenant]) -> None:
        for tenant in tenants:
            try:
                activate_tenant(tenant, actor=_operator(request))
            except KeyCustodyError as error:
                self.message_user(request, f"{tenant.name}: {error}", messages.ERROR)
            else:
                self.message_user(request, f"{tenant.name} is active.", messages.SUCCESS)

    @admin.action(description="Deactivate protection", permissions=["operate"])
    def deactivate(self, request: HttpRequest, tenants: QuerySet[Tenant]) -> None:
        for tenant in tenants:
            deactivate_tenant(tenant, actor=_operator(request))
            self.message_user(
                request, f"{tenant.name} is inactive: nothing can be protected or opened.", messages.SUCCESS
            )


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    list_display = ("request", "tenant", "status", "created_at")
    list_select_related = ("tenant",)
    search_fields = ("^request",)
    id_fields = ("id", "tenant_id", "person_id")
    ordering = ("-created_at",)
    exclude = ("key_hash", "digest", "body")


def _operator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the admin lets nobody else in
    return request.user


@admin.register(Removal)
class RemovalAdmin(ReadOnlyAdmin):
    owner = ""  # the organization may be gone, and its log with it
    list_display = ("name", "requested_by", "requested_at", "due_at", "cancelled_at", "finished_at", "stage")
    search_fields = ("name", "slug", "requested_by")
    id_fields = ("id", "organization_id")
    ordering = ("-requested_at",)


@admin.register(OrganizationExport)
class OrganizationExportAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "requested_by", "requested_at", "finished_at", "size", "attempts")
    list_select_related = ("tenant",)
    search_fields = ("^tenant__slug", "requested_by")
    id_fields = ("id", "tenant_id")
    ordering = ("-requested_at",)
