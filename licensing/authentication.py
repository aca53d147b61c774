"""Bearer tokens: from the header to the caller, with one query at most and facts at most five seconds old."""

from datetime import datetime
from typing import Any

from allauth.idp.oidc.models import Token
from django.conf import settings
from django.db import connection
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from tenants.freshness import FactCache
from tenants.identity import SECOND_FACTOR, Caller, moment_value, uuid_value
from tenants.membership import holds_role
from tenants.models import ServicePrincipal, Tenant, User
from tenants.tokens import hash_token

LICENSING = "licensing"
ADMIN = "admin"
_MAX_TOKEN = 512
_callers: FactCache = FactCache(20_000)


class FactorMissingError(Exception):
    """The organization asks this person for a second factor, and the token was got without one."""

    def __init__(self) -> None:
        super().__init__("Your organization asks for a second factor. Sign in again, with the second factor.")


def caller_of(authorization: str) -> Caller | None:
    """The person or service behind an `Authorization` header; None when it names nobody (any more).

    Raises `FactorMissingError`.
    """
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() != "bearer" or not value or len(value) > _MAX_TOKEN:
        return None
    digest = hash_token(value)
    known: tuple[Caller, datetime, bool] | None = _callers.get(digest)
    if known is None:
        known = _read_token(digest)
        if known is None:
            return None
        _callers[digest] = known
    caller, expires_at, lacks_factor = known
    if expires_at <= timezone.now():
        return None
    if lacks_factor:
        raise FactorMissingError
    return caller


# One plain statement, because the cost of every opening by somebody new to this process is mostly this look: the ORM
# needs four times as long for it (`script/bench licensing`, "spread").
_TOKEN = f"""
SELECT t.expires_at, t.scopes, h.second_factor, u.id, u.email, u.name, u.tenant_id, u.licensed, u.is_active,
       s.id, s.name, s.tenant_id, s.protect_for_others
FROM {Token._meta.db_table} t
LEFT JOIN {User._meta.db_table} u ON u.id = t.user_id
LEFT JOIN {Tenant._meta.db_table} h ON h.id = u.tenant_id
LEFT JOIN {ServicePrincipal._meta.db_table} s ON s.client_id = t.client_id AND t.user_id IS NULL
WHERE t.type = %s AND t.hash = %s
"""  # noqa: S608  (names of tables only)


def _read_token(digest: str) -> tuple[Caller, datetime, bool] | None:
    """The caller, until when the token is valid, and whether it lacks a second factor that is asked for."""
    with connection.cursor() as cursor:
        cursor.execute(_TOKEN, [Token.Type.ACCESS_TOKEN.value, digest])
        row = cursor.fetchone()
    if row is None or row[0] is None:
        return None
    expires_at, scopes, policy = moment_value(row[0]), frozenset(row[1].split()), row[2]
    person, service = row[3:9], row[9:]
    if person[0] is not None:
        caller = _person(*person, scopes=scopes)
    else:
        caller = _service(*service, scopes=scopes) if service[0] is not None else None
    return None if caller is None else (caller, expires_at, _lacks_factor(caller, policy))


def _lacks_factor(caller: Caller, policy: str | None) -> bool:
    """Services have no second factor and no organization's policy here. One statement more for "admins", unless proven."""
    if caller.tenant_id is None or policy is None or SECOND_FACTOR in caller.scopes:
        return False
    if policy == Tenant.SecondFactor.ADMINS:
        return holds_role(caller.id, caller.tenant_id)
    return policy == Tenant.SecondFactor.EVERYONE


def _person(
    id: Any, email: str, name: str, tenant_id: Any, licensed: Any, active: Any, *, scopes: frozenset[str]
) -> Caller | None:
    if not active:
        return None
    return Caller(
        id=uuid_value(id),
        address=email,
        name=name or email,
        tenant_id=None if tenant_id is None else uuid_value(tenant_id),
        scopes=scopes,
        licensed=bool(licensed),
    )


def _service(id: Any, name: str, tenant_id: Any, for_others: Any, *, scopes: frozenset[str]) -> Caller:
    tenant = uuid_value(tenant_id)
    return Caller(
        id=uuid_value(id),
        address=f"{name}@service.{tenant}",
        name=name,
        tenant_id=tenant,
        scopes=scopes,
        is_service=True,
        protects_for_others=bool(for_others),
    )


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
        try:
            caller = caller_of(header)
        except FactorMissingError as error:
            raise AuthenticationFailed(str(error), code="second_factor_required") from error
        if caller is None:
            raise AuthenticationFailed("This token is not valid, or not any more. Sign in again.")
        return caller, caller.scopes

    def authenticate_header(self, request: Request) -> str:
        return challenge()
