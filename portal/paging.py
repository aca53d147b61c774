"""Lists by key: a page knows where the one before and the one after begin, however many rows there are."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.http import QueryDict

PAGE_SIZE = 25
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """`previous` and `next` are cursors for the query string, empty at the ends."""

    rows: list[M]
    previous: str
    next: str


def page_of(rows: QuerySet[M], query: QueryDict, *order: str, size: int = PAGE_SIZE) -> Page[M]:
    """The page that `after` or `before` in the query asks for. `order` names columns, "-" for descending; together
    they must be unique. A cursor nobody issued means the first page."""
    after, before = (
        _decode(rows, query.get("after", ""), order),
        _decode(rows, query.get("before", ""), order),
    )
    if before is not None and after is None:
        found = list(
            rows.filter(_beyond(order, before, backwards=True)).order_by(*map(_reversed, order))[: size + 1]
        )
        more_before, more_after = len(found) > size, True
        found = found[:size][::-1]
    else:
        if after is not None:
            rows = rows.filter(_beyond(order, after, backwards=False))
        found = list(rows.order_by(*order)[: size + 1])
        more_before, more_after = after is not None, len(found) > size
        found = found[:size]
    return Page(
        found,
        _encode(found[0], order) if found and more_before else "",
        _encode(found[-1], order) if found and more_after else "",
    )


def _reversed(column: str) -> str:
    return column[1:] if column.startswith("-") else f"-{column}"


def _beyond(order: Sequence[str], values: Sequence[Any], *, backwards: bool) -> Q:
    condition, equal = Q(), Q()
    for column, value in zip(order, values, strict=True):
        name = column.lstrip("-")
        descending = column.startswith("-") is not backwards
        condition |= equal & Q(**{f"{name}__{'lt' if descending else 'gt'}": value})
        equal &= Q(**{name: value})
    # Implied by the rest, and the only part by which a database finds its place in an index of the first column.
    first = order[0].lstrip("-")
    descending = order[0].startswith("-") is not backwards
    return Q(**{f"{first}__{'lte' if descending else 'gte'}": values[0]}) & condition


def _encode(row: Model, order: Sequence[str]) -> str:
    values = [_column(type(row), column).value_to_string(row) for column in order]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _decode(rows: QuerySet[M], cursor: str, order: Sequence[str]) -> list[Any] | None:
    if not cursor or len(cursor) > 1000:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        fields = [_column(rows.model, column) for column in order]
        return [field.to_python(value) for field, value in zip(fields, values, strict=True)]
    except (ValueError, TypeError, binascii.Error, ValidationError):
        return None


def _column(model: type[Model], column: str) -> "Field[Any, Any]":
    field = model._meta.get_field(column.lstrip("-"))
    assert isinstance(field, Field)
    return field
