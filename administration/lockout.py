"""Ending what everybody else of an organization holds, at once: programs, browsers, tokens of services, super users."""

from typing import Any

from allauth.idp.oidc.models import Token
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import Q, QuerySet

from tenants.changes import Actor, log_change
from tenants.models import ServicePrincipal, Tenant, User
from tenants.super_users import set_feature


def held_access(tenant: Tenant, *, besides: User) -> dict[str, int]:
    """How many tokens and browser sessions there are besides one's own, how many services, and whether super users act."""
    return {
        "tokens": _tokens(tenant, besides).count(),
        "sessions": _sessions(tenant, besides).count(),
        "services": ServicePrincipal.objects.for_tenant(tenant).count(),
        "super_users_on": int(tenant.super_users_enabled),
    }


def end_access(tenant: Tenant, *, actor: User) -> dict[str, int]:
    """End all tokens and sessions but the actor's own and switch super users off; returns what there was.

    Services and people go on as soon as they sign in anew: secrets and passwords are not changed. Servers follow within
    five seconds.
    """
    with transaction.atomic():
        held = held_access(tenant, besides=actor)
        _tokens(tenant, actor).delete()
        for session in _sessions(tenant, actor):
            session.end()
        log_change(
            tenant, Actor.of(actor), "EndAllAccess", target=tenant.name, target_id=tenant.id, before=held
        )
        if tenant.super_users_enabled:
            set_feature(tenant, enabled=False, actor=Actor.of(actor))
    return held


def _tokens(tenant: Tenant, besides: User) -> "QuerySet[Any, Any]":
    services = ServicePrincipal.objects.for_tenant(tenant).values("client_id")
    found: QuerySet[Any, Any] = Token.objects.filter(Q(user__tenant=tenant) | Q(client_id__in=services))
    return found.exclude(user=besides)


def _sessions(tenant: Tenant, besides: User) -> "QuerySet[Any, Any]":
    found: QuerySet[Any, Any] = UserSession.objects.filter(user__tenant=tenant)
    return found.exclude(user=besides)
