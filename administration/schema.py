"""The schema of `/api/v1`: how it is authenticated, how it refuses, and where it is served."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_ERROR: Final = {
    "type": "object",
    "description": "Every refusal: `code` is for programs and stays, `message` is a sentence for people.",
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # the library is not typed here
    target_class = "licensing.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer"}


class SchemaView(SpectacularAPIView):
    """The schema as YAML or JSON; what is refused, in the shape of the interface it describes."""

    def handle_exception(self, exc: Exception) -> Response:
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return super().handle_exception(exc)


def describe_refusals(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Add to each operation what it answers when it refuses; a hook of drf-spectacular, called for the whole schema."""
    result["components"]["schemas"]["Error"] = _ERROR
    for path, operations in result["paths"].items():
        for method in _METHODS:
            operation = operations.get(method)
            if operation is not None and operation.get("security"):
                for code, text in _refusals(path, method, operation).items():
                    operation["responses"].setdefault(code, _refusal(text))
    return result


def _refusals(path: str, method: str, operation: dict[str, Any]) -> dict[str, str]:
    found = {
        "401": "No token, one that is not valid any more, or one that was got without a second factor that is asked for",
        "403": "The token's scope, or the person's roles, do not allow this",
        "default": "Any other refusal",
    }
    parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
    if "requestBody" in operation or parameters:
        found["400"] = "What was sent cannot be understood"
    if "{" in path or "cursor" in parameters:
        found["404"] = "There is nothing under this name, or it is none of yours"
    if method != "get":
        found["409"] = "Things being as they are, this cannot be done; the code says why"
    return found


def _refusal(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
