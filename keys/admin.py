"""Keys for operators to look at: what there is and in what state, never the sealed halves."""

from django.contrib import admin

from audit.admin import ReadOnlyAdmin
from keys.models import InstallationKey, KeyVersion


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
    list_filter = ("state", "kind", "bits")
    list_select_related = ("tenant",)
    search_fields = ("^fingerprint", "^tenant__slug", "=kek_id")
    id_fields = ("id", "tenant_id")
    ordering = ("-created_at",)
    fields = (
        "id",
        "tenant",
        "fingerprint",
        "bits",
        "kind",
        "state",
        "oaep_hash",
        "kek_id",
        "created_at",
        "activated_at",
        "archived_at",
    )


@admin.register(InstallationKey)
class InstallationKeyAdmin(ReadOnlyAdmin):
    list_display = ("purpose", "kek_id", "created_at")
    fields = ("purpose", "kek_id", "created_at")
    id_fields = ()
