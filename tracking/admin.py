"""The register of documents for operators to look at."""

from django.contrib import admin

from audit.admin import ReadOnlyAdmin
from tracking.models import Document


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    list_display = ("content_id", "tenant", "file_name", "issuer_address", "published_at", "revoked_at")
    list_filter = ("published_at", ("revoked_at", admin.EmptyFieldListFilter), "sealed")
    list_select_related = ("tenant",)
    search_fields = ("^issuer_address", "file_name", "^tenant__slug")
    search_help_text = "Address, file name, short name of an organization, or an id"
    id_fields = ("content_id", "tenant_id", "id", "template_id", "issuer_id", "key_id")
    ordering = ("-published_at",)
