"""Keys for operators to look at: what there is and in what state, never the sealed halves."""

from django.contrib import admin

from audit.admin import ReadOnlyAdmin
from keys.models import (
    ImportKey,
    IncidentStep,
    InstallationKey,
    KeyExport,
    KeyIncident,
    KeyNotice,
    KeyPolicy,
    KeyUse,
    KeyUseCursor,
    KeyVersion,
    RollPolicy,
    WrappingKey,
)


@admin.register(KeyVersion)
class KeyVersionAdmin(ReadOnlyAdmin):
    list_display = (
        "fingerprint",
        "tenant",
        "state",
        "kind",
        "bits",
        "created_at",
        "activated_at",
        "archived_at",
    )
    list_filter = ("state", "kind", "origin", "bits")
    list_select_related = ("tenant",)
    search_fields = ("^fingerprint", "^tenant__slug", "=token_label")
    id_fields = ("id", "tenant_id")
    ordering = ("-created_at",)
    fields = (
        "id",
        "tenant",
        "fingerprint",
        "bits",
        "kind",
        "state",
        "origin",
        "oaep_hash",
        "token_label",
        "held_at",
        "created_at",
        "planned_at",
        "activated_at",
        "archived_at",
        "disabled_at",
    )


@admin.register(RollPolicy)
class RollPolicyAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "every_days", "stated_age_days", "next_roll_at", "trouble", "trouble_since")
    list_filter = ("trouble",)
    list_select_related = ("tenant",)
    search_fields = ("^tenant__slug",)
    id_fields = ("tenant_id", "key_id")
    ordering = ("next_roll_at",)


@admin.register(KeyNotice)
class KeyNoticeAdmin(ReadOnlyAdmin):
    list_display = ("sent_at", "tenant", "kind", "key", "since")
    list_filter = ("kind",)
    list_select_related = ("tenant", "key")
    search_fields = ("^tenant__slug",)
    id_fields = ("tenant_id", "key_id")
    ordering = ("-sent_at",)


@admin.register(KeyUse)
class KeyUseAdmin(ReadOnlyAdmin):
    list_display = ("day", "tenant", "key", "protected", "opened")
    list_select_related = ("tenant", "key")
    search_fields = ("^tenant__slug",)
    id_fields = ("tenant_id", "key_id")
    ordering = ("-day",)


@admin.register(KeyUseCursor)
class KeyUseCursorAdmin(ReadOnlyAdmin):
    list_display = ("last_id",)
    id_fields = ()


@admin.register(InstallationKey)
class InstallationKeyAdmin(ReadOnlyAdmin):
    list_display = ("purpose", "kek_id", "created_at")
    fields = ("purpose", "kek_id", "created_at")
    id_fields = ()


@admin.register(WrappingKey)
class WrappingKeyAdmin(ReadOnlyAdmin):
    list_display = ("key", "kek_id", "created_at")
    list_select_related = ("key",)
    search_fields = ("=kek_id", "^key__fingerprint")
    fields = ("key", "kek_id", "created_at")
    id_fields = ("key_id",)
    owner = "key.tenant_id"


@admin.register(KeyPolicy)
class KeyPolicyAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "place", "export_wait_hours")
    list_select_related = ("tenant",)
    search_fields = ("^tenant__slug",)
    fields = (
        "id",
        "tenant",
        "place",
        "export_wait_hours",
        "next_export_wait_hours",
        "next_export_wait_at",
    )
    id_fields = ("id", "tenant_id")


@admin.register(ImportKey)
class ImportKeyAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "created_by", "created_at", "expires_at", "used_at")
    list_select_related = ("tenant",)
    search_fields = ("^tenant__slug", "^created_by")
    fields = ("id", "tenant", "kek_id", "created_by", "created_at", "expires_at", "used_at")
    id_fields = ("id", "tenant_id")


@admin.register(KeyExport)
class KeyExportAdmin(ReadOnlyAdmin):
    list_display = (
        "requested_at",
        "tenant",
        "requested_by",
        "approved_at",
        "expires_at",
        "outcome",
        "downloads",
    )
    list_filter = ("outcome",)
    list_select_related = ("tenant",)
    search_fields = ("^tenant__slug", "^requested_by", "^recipient_fingerprint")
    exclude = ("recipient_modulus",)
    id_fields = ("id", "tenant_id")
    ordering = ("-requested_at",)


@admin.register(KeyIncident)
class KeyIncidentAdmin(ReadOnlyAdmin):
    list_display = ("opened_at", "tenant", "kind", "drill", "key", "opened_by", "closed_at")
    list_filter = ("kind", "drill")
    list_select_related = ("tenant", "key")
    search_fields = ("^tenant__slug", "^opened_by")
    id_fields = ("id", "tenant_id", "key_id")
    ordering = ("-opened_at",)


@admin.register(IncidentStep)
class IncidentStepAdmin(ReadOnlyAdmin):
    list_display = ("taken_at", "tenant", "incident", "name", "taken_by")
    list_filter = ("name",)
    list_select_related = ("tenant", "incident")
    search_fields = ("^tenant__slug", "^taken_by")
    id_fields = ("tenant_id", "incident_id")
    ordering = ("-taken_at",)
