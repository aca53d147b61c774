"""Errors of the admin API: `{"code", "message"}` for everything, with the right status."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response

from administration.activation import OrganizationError
from administration.idempotency import IdempotencyError, RequestRunningError
from audit.errors import SegmentDamagedError
from keys.errors import KeyCustodyError
from licensing.authentication import challenge
from licensing.errors import DeviceError, ServerFaultError
from policies.editing import TemplateChangedError
from policies.exchange.importing import UnknownIdentitiesError
from policies.exchange.shapes import FileRefusedError
from policies.reading import ContentRefusedError
from tenants.changes import ChangeRefusedError
from tenants.fetching import FetchError
from tenants.provider_metadata import MetadataError
from tenants.sso import SignOnSettingsError

log = logging.getLogger(__name__)


class Conflict(exceptions.APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


def api_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: domain errors and DRF's own in one shape; None lets Django answer with 500."""
    if isinstance(error, ServerFaultError):
        log.error("%s", error.__cause__ or error)
        return _answer(503, "service_unavailable", str(error))
    if isinstance(error, DeviceError):
        return _answer(400, error.log_name, str(error))
    if isinstance(error, _REFUSALS):
        return _refused(error)
    if isinstance(error, IdempotencyError):
        response = _answer(error.status, error.code, str(error))
        if isinstance(error, RequestRunningError):
            response.headers["Retry-After"] = "1"
        return response
    if isinstance(error, SegmentDamagedError):
        return _answer(500, error.code, str(error))
    if isinstance(error, Http404):
        return _answer(404, "not_found", "There is nothing here under this name.")
    if isinstance(error, PermissionDenied):
        return _answer(403, "forbidden", "Your roles do not allow this.")
    if isinstance(error, exceptions.APIException):
        response = _answer(error.status_code, _code(error), _sentence(error.detail))
        if error.status_code == 401:
            response.headers["WWW-Authenticate"] = challenge()
        return response
    return None


_REFUSALS = (
    ChangeRefusedError,
    FetchError,
    FileRefusedError,
    KeyCustodyError,
    MetadataError,
    OrganizationError,
    SignOnSettingsError,
)


def _refused(error: Any) -> Response:
    """A domain's refusal, with what a program needs to put it right."""
    if isinstance(error, TemplateChangedError):
        difference = [
            {"field": change.field, "theirs": change.before, "yours": change.after}
            for change in error.changes
        ]
        return _answer(409, error.code, str(error), revision=error.template.revision, difference=difference)
    if isinstance(error, FileRefusedError):
        place = {"line": error.place.line, "column": error.place.column, "reason": error.reason}
        return _answer(400, error.code, str(error), **place)
    if isinstance(error, UnknownIdentitiesError):
        unknown = [{"name": each.who.label, "kind": each.who.kind} for each in error.plan.unknown]
        return _answer(409, error.code, str(error), unknown=unknown)
    if isinstance(error, ContentRefusedError):
        problems = [{"field": problem.field, "message": problem.text} for problem in error.problems]
        return _answer(400, error.code, str(error), errors=problems)
    return _answer(409, error.code, str(error))


def _answer(status_code: int, code: str, message: str, **more: Any) -> Response:
    return Response({"code": code, "message": message, **more}, status=status_code)


def _code(error: exceptions.APIException) -> str:
    codes = error.get_codes()
    return codes if isinstance(codes, str) else "invalid"


def _sentence(detail: Any) -> str:
    if isinstance(detail, dict):
        return "; ".join(f"{name}: {_sentence(value)}" for name, value in detail.items())
    if isinstance(detail, list):
        return " ".join(_sentence(value) for value in detail)
    return str(detail)
