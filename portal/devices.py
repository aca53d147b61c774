"""Signing a device in: the provider's pages, with the protections they lack. Routed before allauth's own addresses."""

from allauth.idp.oidc.views import authorization, device_authorization
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_protect


@csrf_protect
def device(request: HttpRequest) -> HttpResponse:
    """A person types the code their device shows and says yes or no.

    The provider's view is marked exempt from the check for forged requests; decorating it directly would change nothing.
    """
    response: HttpResponse = device_authorization(request)
    return response


def authorize(request: HttpRequest) -> HttpResponse:
    """The authorization code flow. A code challenge has to be S256: "plain" would be accepted, and protects nothing."""
    asked = request.GET
    if "code_challenge" in asked and asked.get("code_challenge_method") != "S256":
        raise BadRequest("code_challenge_method must be S256")
    response: HttpResponse = authorization(request)
    return response
