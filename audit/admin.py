"""The operators' view of the logs, and the base of every operator page: look, do not touch.

What an operator may change goes through the same functions as everyone's changes do, so that it leaves its row in the
admin log; see `administration.admin`.
"""

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

from audit.models import AdminEvent, AggregationCursor, ClientLog, LogSegment, UsageEvent
from audit.recording import record_admin, record_looks

if TYPE_CHECKING:  # these classes take parameters for the type checker only
    _ModelAdmin = admin.ModelAdmin[Any]
    _TabularInline = admin.TabularInline[Any, Any]
    _Paginator = Paginator[Any]
else:
    _ModelAdmin, _TabularInline, _Paginator = admin.ModelAdmin, admin.TabularInline, Paginator


class CappedPaginator(_Paginator):
    """Counts no further than anyone leafs: counting a log of millions takes longer than reading a page of it."""

    limit = 10_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        counted: int = rows.order_by()[: self.limit].count()
        return counted


class _ReadOnly:
    """The permissions of something to look at."""

    def has_add_permission(self, *_: object) -> bool:
        return False

    def has_change_permission(self, *_: object) -> bool:
        return False

    def has_delete_permission(self, *_: object) -> bool:
        return False


class ReadOnlyAdmin(_ReadOnly, _ModelAdmin):
    """A list and a page for each row, quick on large tables: no full counts, no choice lists of other tables."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    # Columns with ids: a guid in the search field looks them up and nothing else.
    id_fields: ClassVar[tuple[str, ...]] = ("id",)

    # Where a row says whose it is; a row of nobody's is looked at without a trace.
    owner: ClassVar[str] = "tenant_id"
    # Whether its lists show what is an organization's, so that they leave a trace as well.
    notes_lists: ClassVar[bool] = True

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One row. An operator who looks at what is an organization's leaves a row in that organization's admin log."""
        response = super().change_view(request, object_id, form_url, extra_context)
        if request.method == "GET" and response.status_code == 200:
            self._note_look(request, object_id)
        return response

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """A page of rows, which leaves one row in the admin log of each organization of which something is shown."""
        response = super().changelist_view(request, extra_context)
        changes = getattr(response, "context_data", {}).get("cl")
        if self.notes_lists and changes is not None:
            record_looks(
                {owner for row in changes.result_list if (owner := self._owner_of(row)) is not None},
                actor=str(request.user),
                actor_id=request.user.pk,
                target=self.model._meta.label,
            )
        return response

    def _owner_of(self, row: Any) -> uuid.UUID | None:
        value = row
        for name in self.owner.split("."):
            value = getattr(value, name, None)
        return value if isinstance(value, uuid.UUID) else None

    def _note_look(self, request: HttpRequest, object_id: str) -> None:
        shown = self.get_object(request, unquote(object_id))
        owner = self._owner_of(shown)
        if shown is not None and owner is not None:
            record_admin(
                tenant_id=owner,
                actor=str(request.user),
                actor_id=request.user.pk,
                action="OperatorViewed",
                target=shown._meta.label,
                target_id=shown.pk,
            )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        wanted = _guid(search_term)
        if wanted is None or not self.id_fields:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(Q.create([(name, wanted) for name in self.id_fields], connector=Q.OR)), False


def _guid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None


class ReadOnlyInline(_ReadOnly, _TabularInline):
    """The few rows that make up another."""

    extra = 0
    can_delete = False
    show_change_link = False


@admin.register(UsageEvent)
class UsageEventAdmin(ReadOnlyAdmin):
    list_display = ("time", "tenant_id", "request_type", "result", "user_id", "file_name", "c_ip")
    list_filter = ("time", "request_type", "admin_action")
    search_fields = ("^user_id", "file_name", "^c_ip", "^correlation_id")
    search_help_text = "Address, file name, network address, or the id of an organization, document or row"
    id_fields = ("tenant_id", "content_id", "row_id", "template_id", "person_id")
    ordering = ("-id",)


@admin.register(AdminEvent)
class AdminEventAdmin(ReadOnlyAdmin):
    list_display = ("time", "tenant_id", "actor", "action", "target", "passed")
    list_filter = ("time", "action", "passed")
    search_fields = ("^actor", "^action", "target")
    search_help_text = "Who, action, target, or the id of an organization or person"
    id_fields = ("tenant_id", "actor_id")
    ordering = ("-id",)


@admin.register(LogSegment)
class LogSegmentAdmin(ReadOnlyAdmin):
    list_display = ("scope", "day", "number", "rows", "file", "created_at")
    list_filter = ("day",)
    search_fields = ("^scope", "sha256")
    id_fields = ("tenant_id",)
    ordering = ("-id",)


@admin.register(AggregationCursor)
class AggregationCursorAdmin(ReadOnlyAdmin):
    list_display = ("id", "last_id")
    id_fields = ()


@admin.register(ClientLog)
class ClientLogAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "tenant_id", "kind", "person_id")
    list_filter = ("received_at", "kind")
    search_fields = ("body",)
    id_fields = ("tenant_id", "person_id")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request)
        # A list of fifty must not fetch fifty megabytes of bodies that it does not show.
        match = request.resolver_match
        return (
            queryset.defer("body") if match and (match.url_name or "").endswith("_changelist") else queryset
        )
