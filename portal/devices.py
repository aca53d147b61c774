"""Signing a device in: the provider's pages, with the protections they lack. Routed before allauth's own addresses.

A token remembers whether its person used a second factor to get it, as a scope that no client can ask for. On the way from
the browser to the token it is noted beside the code, with the person's id, so that nobody else's proof can be used.
"""

import json
from contextlib import suppress
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from allauth.idp.oidc.internal.oauthlib.device_codes import validate_user_code
from allauth.idp.oidc.models import Client, Token
from allauth.idp.oidc.views import authorization, device_authorization
from allauth.idp.oidc.views import token as provider_token
from django.core.cache import cache
from django.core.exceptions import BadRequest, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from administration.programs import complete_sign_in
from licensing.authentication import FactorMissingError
from portal.factors import has_used_factor
from tenants.identity import SECOND_FACTOR
from tenants.models import User
from tenants.tokens import hash_token

# Longer than any code is good for.
_NOTED_SECONDS: Final = 900


@csrf_protect
def device(request: HttpRequest) -> HttpResponse:
    """A person types the code their device shows and says yes or no.

    The provider's view is marked exempt from the check for forged requests; decorating it directly would change nothing.
    """
    if request.method == "POST" and request.POST.get("action") == "confirm":
        with suppress(ValidationError):  # the provider's page says so
            _note_factor(request, validate_user_code(request.GET.get("code", ""))[0])
    response: HttpResponse = device_authorization(request)
    return response


def authorize(request: HttpRequest) -> HttpResponse:
    """The authorization code flow. A code challenge has to be S256: "plain" would be accepted, and protects nothing."""
    asked = request.GET
    if "code_challenge" in asked and asked.get("code_challenge_method") != "S256":
        raise BadRequest("code_challenge_method must be S256")
    response: HttpResponse = authorization(request)
    if response.status_code == HTTPStatus.FOUND:
        for code in parse_qs(urlsplit(response["Location"]).query).get("code", []):
            _note_factor(request, code)
    return response


@csrf_exempt
def token(request: HttpRequest) -> HttpResponse:
    """A code, or a refresh token, for tokens: marked where a second factor was used, refused where one was asked for."""
    proven_by = _proven_by(request)
    with transaction.atomic():
        response: HttpResponse = provider_token(request)
        if response.status_code != HTTPStatus.OK:
            return response
        issued = json.loads(response.content)
        if complete_sign_in(issued["access_token"], issued.get("refresh_token", ""), proven_by=proven_by):
            return response
        transaction.set_rollback(True)
    answer = {"error": "invalid_grant", "error_description": str(FactorMissingError())}
    return JsonResponse(answer, status=HTTPStatus.BAD_REQUEST)


def _note_factor(request: HttpRequest, code: str) -> None:
    """Keep beside a code that the person of this session used a second factor, when they did."""
    if isinstance(request.user, User) and has_used_factor(request, request.user):
        cache.set(_place(code), str(request.user.id), _NOTED_SECONDS)


def _place(code: str) -> str:
    return f"second-factor:{hash_token(code)}"


def _proven_by(request: HttpRequest) -> str | None:
    """Whose second factor stands behind what is to be redeemed: the id of the person."""
    sent = request.POST
    if sent.get("grant_type") == Client.GrantType.REFRESH_TOKEN:
        old = Token.objects.lookup(Token.Type.REFRESH_TOKEN, sent.get("refresh_token", ""))
        return str(old.user_id) if old is not None and SECOND_FACTOR in old.get_scopes() else None
    code = sent.get("device_code" if sent.get("grant_type") == Client.GrantType.DEVICE_CODE else "code")
    return cache.get(_place(code)) if code else None
