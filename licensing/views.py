"""The device endpoints: read the body, find the caller, call one domain function, answer in the wire's shape."""

import logging
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from licensing import client_logs, discovery
from licensing.authentication import LICENSING, caller_of, challenge
from licensing.calls import Call, call_from
from licensing.errors import BadInputError, DeviceError, ServerFaultError
from licensing.gate import error_response
from licensing.issuance import issue_use_license
from licensing.publishing import publish
from licensing.serializers import parse_json, read_publish_request
from licensing.wire import decode_license

log = logging.getLogger(__name__)
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


@method_decorator(csrf_exempt, name="dispatch")
class DeviceView(View):
    """Challenge, body, caller, usage row and error envelope for all endpoints; subclasses answer."""

    request_type: ClassVar[str]
    method: ClassVar[str] = "POST"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        body = read_body(request)
        caller = caller_of(request.META.get("HTTP_AUTHORIZATION", ""))
        if caller is None or LICENSING not in caller.scopes:
            return self._challenge()
        call = call_from(request.META, caller, self.request_type)
        try:
            if request.method != self.method:
                raise BadInputError(f"This service is asked with {self.method}.")
            if body is None:
                raise BadInputError("The request is larger than 32 MiB.")
            answer = self.answer(request, call, body, **kwargs)
        except DeviceError as error:
            if not call.results:
                call.log(error.log_name)
            return error_response(500 if isinstance(error, ServerFaultError) else 400, error.code, str(error))
        except Exception:
            # The boundary: whatever breaks behind it, the attempt is logged; the middleware answers.
            if not call.results:
                call.log(ServerFaultError().log_name)
            raise
        return JsonResponse(answer, safe=False)

    def answer(self, request: HttpRequest, call: Call, body: bytes, **kwargs: Any) -> Any:
        """The JSON value to answer with. Raises `DeviceError`."""
        raise TypeError(f"{type(self).__name__} does not say what it answers")

    def _challenge(self) -> HttpResponse:
        response = error_response(401, "Unauthorized", "Sign in and send the token with this request.")
        response.headers["WWW-Authenticate"] = challenge()
        return response


class ServiceDiscoveryView(DeviceView):
    request_type = "FindServiceLocationsForUser"
    method = "GET"

    def answer(self, request: HttpRequest, call: Call, body: bytes, **kwargs: Any) -> Any:
        email, service = request.GET.get("email", ""), request.GET.get("service", "")
        return discovery.find_services(call, version=kwargs["version"], email=email, service=service)


class TemplatesView(DeviceView):
    request_type = "FEGetAllTemplates"
    method = "GET"

    def answer(self, request: HttpRequest, call: Call, body: bytes, **kwargs: Any) -> Any:
        return discovery.list_templates(call)


class PublishingLicensesView(DeviceView):
    request_type = "FECreatePublishingLicenseV1"

    def answer(self, request: HttpRequest, call: Call, body: bytes, **kwargs: Any) -> Any:
        return publish(call, read_publish_request(parse_json(body)))


class UseLicensesView(DeviceView):
    request_type = "FECreateEndUserLicenseV1"

    def answer(self, request: HttpRequest, call: Call, body: bytes, **kwargs: Any) -> Any:
        return issue_use_license(call, decode_license(parse_json(body).get("SerializedPublishingLicense")))


class ClientLogsView(DeviceView):
    request_type = "FEStoreClientLogs"

    def answer(self, request: HttpRequest, call: Call, body: bytes, **kwargs: Any) -> Any:
        client_logs.store(call, kind=kwargs["kind"], body=body)
        return {}


def license_address(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """What a person sees who follows the address inside a license; the same for every organization, known or not."""
    return HttpResponse(
        "This is the address of a rights management service. Open the protected file with a client to read it.\n",
        content_type="text/plain; charset=utf-8",
    )
