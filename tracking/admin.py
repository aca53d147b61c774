"""The register of documents for operators to look at."""

from django.contrib import admin

from audit.admin import ReadOnlyAdmin
from tracking.models import (
    AccessChange,
    Destruction,
    Document,
    Resealing,
    SealedCopy,
    UnregisteredDocument,
)


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    list_display = ("content_id", "tenant", "file_name", "issuer_address", "published_at", "revoked_at")
    list_filter = ("published_at", ("revoked_at", admin.EmptyFieldListFilter), "sealed")
    list_select_related = ("tenant",)
    search_fields = ("^issuer_address", "file_name", "^tenant__slug")
    search_help_text = "Address, file name, short name of an organization, or an id"
    id_fields = ("content_id", "tenant_id", "id", "template_id", "issuer_id", "key_id")
    ordering = ("-published_at",)


@admin.register(AccessChange)
class AccessChangeAdmin(ReadOnlyAdmin):
    owner = "document.tenant_id"
    list_display = ("document", "number", "time", "actor", "principal")
    list_select_related = ("document",)
    search_fields = ("^actor", "^principal", "^document__tenant__slug")
    id_fields = ("id", "document__content_id", "document__tenant_id")
    ordering = ("-time",)


@admin.register(SealedCopy)
class SealedCopyAdmin(ReadOnlyAdmin):
    owner = "document.tenant_id"
    list_display = ("id", "document", "key", "unreadable")
    list_filter = ("unreadable",)
    list_select_related = ("document", "key")
    search_fields = ("^document__tenant__slug",)
    id_fields = ("document__content_id", "document__tenant_id", "key_id")
    fields = ("document", "key", "unreadable")
    ordering = ("document_id", "id")


@admin.register(Resealing)
class ResealingAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "key", "requested_by", "requested_at", "documents", "finished_at")
    list_select_related = ("tenant", "key")
    search_fields = ("^tenant__slug", "^requested_by")
    id_fields = ("tenant_id", "key_id")
    ordering = ("-requested_at",)


@admin.register(UnregisteredDocument)
class UnregisteredDocumentAdmin(ReadOnlyAdmin):
    list_display = ("content_id", "tenant", "key", "seen_at")
    list_select_related = ("tenant", "key")
    search_fields = ("^tenant__slug",)
    id_fields = ("content_id", "tenant_id", "key_id")
    ordering = ("-seen_at",)


@admin.register(Destruction)
class DestructionAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "key", "asked_by", "approved_by", "due_at", "canceled_at", "finished_at")
    list_select_related = ("tenant", "key")
    search_fields = ("^tenant__slug", "^asked_by", "^approved_by")
    id_fields = ("tenant_id", "key_id")
    ordering = ("-asked_at",)
