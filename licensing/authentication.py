"""Bearer tokens: from the header to the caller, with one query at most and facts at most five seconds old."""

from datetime import datetime
from typing import Any

from allauth.idp.oidc.models import Token
from django.conf import settings
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from tenants.freshness import FactCache
from tenants.identity import Caller
from tenants.tokens import hash_token

LICENSING = "licensing"
ADMIN = "admin"
_MAX_TOKEN = 512
_callers: FactCache = FactCache(20_000)


def caller_of(authorization: str) -> Caller | None:
    """The person or service behind an `Authorization` header; None when it names nobody (any more)."""
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() != "bearer" or not value or len(value) > _MAX_TOKEN:
        return None
    digest = hash_token(value)
    known: tuple[Caller, datetime] | None = _callers.get(digest)
    if known is None:
        known = _read_token(digest)
        if known is None:
            return None
        _callers[digest] = known
    caller, expires_at = known
    return caller if expires_at > timezone.now() else None


def _read_token(digest: str) -> tuple[Caller, datetime] | None:
    token = (
        Token.objects.select_related("user", "client__service")
        .filter(type=Token.Type.ACCESS_TOKEN, hash=digest, expires_at__gt=timezone.now())
        .first()
    )
    if token is None or token.expires_at is None:
        return None
    scopes = frozenset(token.get_scopes())
    if token.user is not None:
        if not token.user.is_active:
            return None
        return Caller.of(token.user, scopes=scopes), token.expires_at
    service = getattr(token.client, "service", None)
    if service is None:
        return None
    caller = Caller(
        id=service.id,
        address=f"{service.name}@service.{service.tenant_id}",
        name=service.name,
        tenant_id=service.tenant_id,
        scopes=scopes,
        is_service=True,
        protects_for_others=service.protect_for_others,
    )
    return caller, token.expires_at


def challenge() -> str:
    """The `WWW-Authenticate` value of protocol.md 1.1: the first parameter is an address without query string."""
    return (
        f'Bearer authorization="{settings.PUBLIC_URL}/identity/o/authorize", '
        f'realm="{settings.PUBLIC_URL}", resource="{settings.PUBLIC_URL}"'
    )


class BearerAuthentication(BaseAuthentication):
    """The same tokens for the REST interfaces under `/api/v1`; `request.user` is a `Caller`."""

    def authenticate(self, request: Request) -> tuple[Caller, Any] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        caller = caller_of(header)
        if caller is None:
            raise AuthenticationFailed("This token is not valid, or not any more. Sign in again.")
        return caller, caller.scopes

    def authenticate_header(self, request: Request) -> str:
        return challenge()
