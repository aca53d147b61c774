"""The way in for devices: `/my/` is answered here, before sessions, languages and pages, and always in a shape that
the devices survive, whatever broke (protocol.md 1.1)."""

import logging
from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, resolve

from licensing.errors import PREFIX, BadInputError, ServerFaultError

log = logging.getLogger(__name__)
_PATH = "/my/"
_URLS = "licensing.urls"
MAX_BODY = 32 * 1024 * 1024
# A longer body is still read, so that the client sees our answer and not a broken connection; but not for ever.
_DRAIN = 4 * MAX_BODY
_CHUNK = 256 * 1024


def read_body(request: HttpRequest) -> bytes | None:
    """The whole body; None when it is longer than 32 MiB (it has been read to its end then)."""
    parts, size = [], 0
    while size < _DRAIN and (chunk := request.read(_CHUNK)):
        size += len(chunk)
        if size <= MAX_BODY:
            parts.append(chunk)
    return b"".join(parts) if size <= MAX_BODY else None


def error_response(status: int, code: str, message: str) -> JsonResponse:
    """`{"Code", "Message"}` with the status; the message is for people and holds no secret."""
    return JsonResponse({"Code": code, "Message": message}, status=status)


class DeviceGate:
    """Outermost middleware. A device call needs nothing of what the other middleware does for people."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not f"{request.path_info}/".startswith(_PATH):
            return self.get_response(request)
        response = self._answer(request)
        # Nobody behind this middleware says how long an answer is; without it the answer would go out in chunks.
        response.headers["Content-Length"] = str(len(response.content))
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        try:
            request.get_host()
            view, args, kwargs = resolve(request.path_info, _URLS)
            response: HttpResponse = view(request, *args, **kwargs)
        except DisallowedHost:
            read_body(request)
            return error_response(400, BadInputError().code, "This service is not known under that address.")
        except Resolver404:
            read_body(request)
            return not_found()
        except Exception:
            log.exception("device call failed")
            return error_response(
                500, ServerFaultError().code, "The service has a problem. Try again in a moment."
            )
        return response


def not_found() -> JsonResponse:
    """404 tells a device that the service is not available."""
    return error_response(404, f"{PREFIX}NotFoundException", "There is no such service here.")
