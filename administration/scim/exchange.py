"""Requests in, answers out: bodies with limits, parameters with types."""

import json
import uuid
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from scim2_models import Path, ResponseParameters

from administration.scim.errors import ScimError
from administration.scim.resources import MAX_BODY, MAX_RESULTS

CONTENT_TYPE: Final = "application/scim+json"
MAX_FILTER: Final = 4000
_MAX_DEPTH: Final = 12
_MAX_INDEX: Final = 2**31 - 1
_ACCEPTED: Final = (CONTENT_TYPE, "application/json")


@dataclass(frozen=True, slots=True)
class Query:
    """What a request for a list asks; the defaults are a request without parameters."""

    filter: str = ""
    start: int = 1
    count: int = MAX_RESULTS
    attributes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def shape(self) -> ResponseParameters[Any]:
        """The wanted attributes, as the models take them."""
        return ResponseParameters(
            attributes=[Path(name) for name in self.attributes] or None,
            excluded_attributes=[Path(name) for name in self.excluded] or None,
        )

    def wants(self, attribute: str) -> bool:
        """Whether `attribute` of the core schema is in the answer, so that it has to be read at all."""
        name = attribute.lower()
        asked = {text.rpartition(":")[2].partition(".")[0].lower() for text in self.attributes}
        left_out = {text.rpartition(":")[2].lower() for text in self.excluded}
        return name in asked if asked else name not in left_out


def read_body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object in the body. Raises `ScimError` for what is too long, too deep, or not an object."""
    kind = (request.content_type or "").lower()
    if kind and kind not in _ACCEPTED:
        raise ScimError(415, "Send application/scim+json.")
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > MAX_BODY:
        raise _too_long()
    try:
        raw = request.read(MAX_BODY + 1)
    except (RequestDataTooBig, UnreadablePostError) as error:
        raise _too_long() from error
    if len(raw) > MAX_BODY:
        raise _too_long()
    try:
        body = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ScimError(400, "The body is not JSON.", "invalidSyntax") from error
    _check(body, 0)
    if not isinstance(body, dict):
        raise ScimError(400, "The body is not a JSON object.", "invalidSyntax")
    return body


def query_of_parameters(request: HttpRequest) -> Query:
    """The question in an address."""
    values = request.GET
    names = {key.lower(): values[key] for key in values}
    return query_of(
        {
            "filter": names.get("filter"),
            "startIndex": names.get("startindex"),
            "count": names.get("count"),
            "attributes": names.get("attributes"),
            "excludedAttributes": names.get("excludedattributes"),
        }
    )


def query_of(values: dict[str, Any]) -> Query:
    """The question in a `SearchRequest`, or in parameters. Raises `ScimError`."""
    text = values.get("filter") or ""
    if not isinstance(text, str):
        raise ScimError(400, "The filter is not text.", "invalidFilter")
    if len(text) > MAX_FILTER:
        raise ScimError(400, f"A filter has at most {MAX_FILTER} characters.", "invalidFilter")
    _check(text, 0)
    attributes, excluded = _names(values.get("attributes")), _names(values.get("excludedAttributes"))
    if attributes and excluded:
        raise ScimError(400, "Name attributes or excludedAttributes, not both.", "invalidValue")
    return Query(
        filter=text.strip(),
        start=max(1, _number(values.get("startIndex"), 1, "startIndex")),
        count=min(MAX_RESULTS, max(0, _number(values.get("count"), MAX_RESULTS, "count"))),
        attributes=attributes,
        excluded=excluded,
    )


def answer(body: dict[str, Any] | None, status: int = 200) -> HttpResponse:
    """A SCIM answer; with its version and place in the head where the body has them."""
    if body is None:
        return HttpResponse(status=status)
    response = HttpResponse(json.dumps(body), content_type=CONTENT_TYPE, status=status)
    meta = body.get("meta")
    if isinstance(meta, dict):
        if meta.get("version"):
            response["ETag"] = meta["version"]
        if meta.get("location"):
            response["Location" if status == 201 else "Content-Location"] = meta["location"]
    return response


def parse_id(text: str) -> uuid.UUID | None:
    """An id in the one form in which we give it out; None for anything else."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def _too_long() -> ScimError:
    return ScimError(413, f"A request has at most {MAX_BODY} bytes.")


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def _check(value: Any, depth: int) -> None:
    """Refuse what no database keeps as text, and nesting no directory sends."""
    if depth > _MAX_DEPTH:
        raise ScimError(400, "The body is nested too deeply.", "invalidSyntax")
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ScimError(400, "A text contains characters that cannot be kept.", "invalidValue")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth + 1)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)


def _names(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) > 100:
        raise ScimError(400, "Attributes are named in a list.", "invalidValue")
    return tuple(name.strip() for name in names if name.strip())


def _number(value: Any, default: int, name: str) -> int:
    if value is None or value == "":
        return default
    try:
        if isinstance(value, bool):
            raise ValueError
        number = int(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ScimError(400, f"{name} is not a whole number.", "invalidValue") from error
    return max(-1, min(number, _MAX_INDEX))
