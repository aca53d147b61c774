"""Templates for operators to look at."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.admin import ReadOnlyAdmin, ReadOnlyInline
from policies.models import (
    LocalizedName,
    PolicyTemplate,
    ProtectionLimits,
    TemplateGrant,
    TemplateScope,
    TemplateVersion,
)


class LocalizedNameInline(ReadOnlyInline):
    model = LocalizedName


class TemplateGrantInline(ReadOnlyInline):
    model = TemplateGrant


class TemplateScopeInline(ReadOnlyInline):
    model = TemplateScope

    def get_queryset(self, request: HttpRequest) -> QuerySet[TemplateScope]:
        return super().get_queryset(request).select_related("user", "group")


@admin.register(PolicyTemplate)
class PolicyTemplateAdmin(ReadOnlyAdmin):
    list_display = ("id", "tenant", "state", "current", "created_at")
    list_filter = ("state",)
    list_select_related = ("tenant", "current")
    search_fields = ("^tenant__slug", "versions__names__name")
    id_fields = ("id", "tenant_id")
    ordering = ("-created_at",)
    fields = (
        "id",
        "tenant",
        "state",
        "position",
        "revision",
        "current",
        "draft",
        "changed_at",
        "changed_by",
        "created_at",
    )


@admin.register(TemplateVersion)
class TemplateVersionAdmin(ReadOnlyAdmin):
    owner = "template.tenant_id"
    list_display = (
        "template",
        "number",
        "modified_at",
        "published_by",
        "expiry",
        "offline_days",
        "visible_to_all",
    )
    list_filter = ("expiry", "visible_to_all")
    list_select_related = ("template",)
    search_fields = ("^template__tenant__slug", "names__name")
    id_fields = ("template_id", "template__tenant_id")
    ordering = ("-id",)
    inlines = (LocalizedNameInline, TemplateGrantInline, TemplateScopeInline)


@admin.register(ProtectionLimits)
class ProtectionLimitsAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "own_permissions", "outsiders", "anyone", "default_template")
    list_select_related = ("tenant", "default_template")
    search_fields = ("^tenant__slug",)
    id_fields = ("tenant_id",)
    ordering = ("tenant_id",)
