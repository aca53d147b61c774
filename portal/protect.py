"""The Protect page and its two JSON calls. The document stays in the browser; only policy and keys pass here."""

import base64
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from administration.seal import seal_document
from licensing.calls import Call, call_from
from licensing.errors import DeviceError, NotSignedUpError, ServerFaultError, ServiceDisabledError
from licensing.gate import error_response
from licensing.issuance import issue_use_license
from licensing.publishing import protecting_tenant, publish
from licensing.serializers import parse_json, read_publish_request
from licensing.special import SPECIAL_POLICIES
from licensing.wire import decode_license, parse_guid
from policies.limits import limits_of
from policies.publishing import localized, offered_to
from portal.factors import has_used_factor, way_to_use_factor
from tenants.identity import SECOND_FACTOR, Caller
from tenants.models import User

LEVELS = [
    ("VIEWER", _("Viewer"), _("Read only")),
    ("REVIEWER", _("Reviewer"), _("Read and change")),
    ("AUTHOR", _("Co-Author"), _("Read, change, copy and print")),
    ("COOWNER", _("Co-Owner"), _("Everything, also removing the protection")),
]
_MAX_JSON = 2 * 1024 * 1024


@login_required
@require_GET
def protect_page(request: HttpRequest) -> HttpResponse:
    person = signed_in(request)
    caller = Caller.of(person)
    offered, refusal, own_permissions = [], None, True
    try:
        tenant = protecting_tenant(caller)
        language = get_language() or "en"
        own_permissions = limits_of(tenant).own_permissions
        for template in offered_to(caller, tenant):
            if template.current is not None:
                name = localized(template.current, [language])
                offered.append({"id": str(template.id), "name": name.name, "description": name.description})
    except NotSignedUpError:
        refusal = "no-organization"
    except ServiceDisabledError:
        refusal = "inactive" if person.tenant and not person.tenant.is_active else "not-onboarded"
    if not offered and not own_permissions:
        refusal = refusal or "no-templates"
    context = {
        "templates_offered": offered,
        "level_choices": LEVELS,
        "special_choices": [(role, *words) for role, words in SPECIAL_POLICIES.items()],
        "own_permissions": own_permissions,
        "refusal": refusal,
        "nav": "protect",
    }
    return render(request, "portal/protect.html", context)


@login_required
@require_GET
def open_page(request: HttpRequest) -> HttpResponse:
    context = {"nav": "open", "factor_way": way_to_use_factor(request, signed_in(request))}
    return render(request, "portal/open.html", context)


@require_POST
def protect_license(request: HttpRequest) -> JsonResponse:
    """A publishing license for a file in the browser: body and answer as protocol.md 1.4."""
    return _answer(
        request, "FECreatePublishingLicenseV1", lambda call, data: publish(call, read_publish_request(data))
    )


@require_POST
def protect_seal(request: HttpRequest) -> JsonResponse:
    """The signed integrity record of a file just protected in the browser."""
    return _answer(request, "SignDigest", _seal)


@require_POST
def open_license(request: HttpRequest) -> JsonResponse:
    """A use license for a file in the browser: body and answer as protocol.md 1.5."""
    return _answer(
        request,
        "FECreateEndUserLicenseV1",
        lambda call, data: issue_use_license(call, decode_license(data.get("SerializedPublishingLicense"))),
    )


def _seal(call: Call, data: dict[str, Any]) -> dict[str, Any]:
    length = data.get("Length")
    record = seal_document(
        call,
        content_id=parse_guid(str(data.get("ContentId", ""))),
        license=decode_license(data.get("SerializedPublishingLicense")),
        root=str(data.get("Root", "")),
        length=length if isinstance(length, int) else -1,
    )
    return {"Record": base64.b64encode(record).decode("ascii")}


def _answer(
    request: HttpRequest, request_type: str, work: Callable[[Call, dict[str, Any]], dict[str, Any]]
) -> JsonResponse:
    if not request.user.is_authenticated:
        return error_response(401, "Unauthorized", str(_("You have been signed out. Sign in and try again.")))
    person = signed_in(request)
    scopes = frozenset({SECOND_FACTOR} if has_used_factor(request, person) else ())
    call = call_from(request.META, Caller.of(person, scopes=scopes), request_type)
    try:
        return JsonResponse(work(call, parse_json(request.body[:_MAX_JSON])))
    except DeviceError as error:
        if not call.results:
            call.log(error.log_name)
        return error_response(500 if isinstance(error, ServerFaultError) else 400, error.code, str(error))


def signed_in(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # behind login_required
    return request.user
