"""What a browser may do with our pages: nothing inline, nothing foreign, in no frame. And what it may ask with."""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, urlsplit

from allauth.idp.oidc.models import Client
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from portal.errors import bad_request

POLICY: Final[dict[str, str]] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "worker-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "media-src": "'self' blob:",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "object-src": "'none'",
}
PERMISSIONS: Final = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
)


# Directories get its errors in a shape of their own; it looks at values itself.
_SCIM: Final = re.compile("/t/[^/]+/scim/")


class ContentSecurityPolicyMiddleware:
    """Adds the policy and its companions to every page; a view that needs another policy sets the header itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            targets = {"form-action": " ".join(("'self'", *redirect_origins(request)))}
            response.headers.setdefault("Content-Security-Policy", policy(targets))
            response.headers.setdefault("Permissions-Policy", PERMISSIONS)
            response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        return response


class ReadableQueryMiddleware:
    """Refuses an address whose query holds a NUL: nobody types one, and PostgreSQL takes it in no text."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", "") and not _SCIM.match(request.path_info):
            return bad_request(request, SuspiciousOperation())
        return self.get_response(request)


def policy(changes: dict[str, str] | None = None) -> str:
    """The policy as a header, with some of its directives replaced."""
    return "; ".join(f"{name} {sources}" for name, sources in {**POLICY, **(changes or {})}.items())


def redirect_origins(request: HttpRequest) -> list[str]:
    """Where a form on this page may end up besides here: the registered addresses of the program that asks for consent.

    Browsers hold `form-action` against redirects too, so without this the last step of a sign-in for a program, from
    the consent page or straight from the sign-in page, would be blocked.
    """
    client_id = _program_asking(request)
    if not client_id:
        return []
    # Programs belong to the installation, not to a tenant.
    program = Client.objects.filter(id=client_id).first()
    if program is None:
        return []
    addresses = (*program.get_redirect_uris(), *program.get_post_logout_redirect_uris())
    return sorted({source for source in map(_source, addresses) if source})


def _program_asking(request: HttpRequest) -> str:
    """The client id of the program this page answers to, on its own address or on the one that follows sign-in."""
    authorize = reverse("idp:oidc:authorization")
    if request.path in (authorize, reverse("idp:oidc:logout")):
        return request.GET.get("client_id", "")
    try:
        target = urlsplit(request.GET.get("next", ""))
    except ValueError:
        return ""
    if target.netloc or target.path != authorize:
        return ""
    return parse_qs(target.query).get("client_id", [""])[0]


def _source(address: str) -> str:
    """A redirect address as a source expression: of loopback any port (RFC 8252), of an app its scheme."""
    web = re.match(r"(https?)://([A-Za-z0-9.-]+)(:\d+)?(?:[/?#]|$)", address)
    if web:
        scheme, host, port = web.groups(default="")
        return f"{scheme}://{host}:*" if host in ("127.0.0.1", "localhost") else f"{scheme}://{host}{port}"
    app = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", address)
    return f"{app.group(1)}:" if app and app.group(1) not in ("http", "https") else ""
