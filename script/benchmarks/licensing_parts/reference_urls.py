"""What a use license is compared with: a view that does nothing, and one that does all the cryptography and no more."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from keys import custody
from licensing.gate import read_body
from licensing.serializers import parse_json
from licensing.wire import decode_license, guid, key_object
from rms.xrml import open_license, parse_license

_handles: dict[str, Any] = {}


@csrf_exempt
def empty(request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


@csrf_exempt
def crypto_only(request: HttpRequest) -> JsonResponse:
    """Parse the request and the license, verify, one RSA operation, open: no token, no database, no decision, no log."""
    license = parse_license(
        decode_license(parse_json(read_body(request) or b"").get("SerializedPublishingLicense"))
    )
    if license.fingerprint not in _handles:
        _handles[license.fingerprint] = custody.find_key(license.fingerprint)
    handle = _handles[license.fingerprint]
    opened = open_license(license, decrypt=handle.decrypt)
    return JsonResponse({"ContentId": guid(license.content_id), "Key": key_object(opened.content_key)})


urlpatterns = [
    path("my/reference/empty", empty),
    path("my/reference/crypto", crypto_only),
    path("", include("licensing.urls")),
]
