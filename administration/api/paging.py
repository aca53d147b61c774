"""Long lists of the admin API, page by page."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class Pages(CursorPagination):
    """DRF's pages by cursor; a cursor that nobody issued is an unknown page (404), whatever it holds."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        cursor = self.decode_cursor(request)
        if cursor is not None and cursor.position is not None:
            ordering = self.get_ordering(request, queryset, view)
            position = str(cursor.position)
            try:
                queryset.model._meta.get_field(ordering[0].removeprefix("-")).to_python(position)
                known = "\x00" not in position
            except ValidationError:
                known = False
            if not known:
                raise NotFound(self.invalid_cursor_message)
        return super().paginate_queryset(queryset, request, view)
