"""The device endpoints: read the body, find the caller, call one domain function, answer in the wire's shape."""

import logging
from typing import Any, ClassVar

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.http import parse_etags
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from licensing import client_logs, discovery
from licensing.authentication import LICENSING, FactorMissingError, caller_of, challenge
from licensing.calls import Call, call_from
from licensing.errors import BadInputError, DeviceError, ServerFaultError
from licensing.gate import error_response, read_body
from licensing.issuance import issue_use_license
from licensing.publishing import publish
from licensing.serializers import parse_json, read_publish_request
from licensing.wire import decode_license

log = logging.getLogger(__name__)


@method_decorator(csrf_exempt, name="dispatch")
class DeviceView(View):
    """Challenge, body, caller, usage row and error envelope for all endpoints; subclasses answer."""

    request_type: ClassVar[str]
    method: ClassVar[str] = "POST"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        body = read_body(request)
        try:
            caller = caller_of(request.META.get("HTTP_AUTHORIZATION", ""))
        except FactorMissingError as error:
            return self._challenge(str(error))
        if caller is None or LICENSING not in caller.scopes:
            return self._challenge("Sign in and send the token with this request.")
        call = call_from(request.META, caller, self.request_type)
        try:
            if request.method != self.method:
                raise BadInputError(f"This service is asked with {self.method}.")
            if body is None:
                raise BadInputError("The request is larger than 32 MiB.")
            answer = self.answer(request, call, body, **kwargs)
        except (DeviceError, SuspiciousOperation) as caught:
            unreadable = BadInputError("This request cannot be read.")
            refusal = caught if isinstance(caught, DeviceError) else unreadable
            if not call.results:
                call.log(refusal.log_name)
            if not isinstance(refusal, ServerFaultError):
                return error_response(400, refusal.code, str(refusal))
            # The device is told that it is our fault, whoever runs the service is told which.
            log.error("%s failed: %s", self.request_type, refusal.__cause__ or refusal)
            return error_response(500, refusal.code, str(refusal))
        except Exception:
            # The boundary: whatever breaks behind it, the attempt is logged; the middleware answers.
            if not call.results:
                call.log(ServerFaultError().log_name)
            raise
        return answer if isinstance(answer, HttpResponse) else JsonResponse(answer, safe=False)

    def answer(self, request: HttpRequest, call: Call, body: bytes, **kwargs: Any) -> Any:
        """The JSON value to answer with, or a whole response. Raises `DeviceError`."""
        raise TypeError(f"{type(self).__name__} does not say what it answers")

    def _challenge(self, message: str) -> HttpResponse:
        response = error_response(401, "Unauthorized", message)
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
        known = parse_etags(request.META.get("HTTP_IF_NONE_MATCH", ""))
        # A proxy that compresses makes a tag weak; for an answer without ranges that is the same tag.
        found = discovery.list_templates(call, known=[tag.removeprefix("W/") for tag in known])
        response = HttpResponse(status=304) if found.rows is None else JsonResponse(found.rows, safe=False)
        response.headers["ETag"] = found.tag
        response.headers["Cache-Control"] = "private, no-cache"
        patch_vary_headers(response, ["Accept-Language", "Authorization"])
        return response


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
