"""Programs that act for an organization: their secrets, and their end. Making one: `administration.devices`."""

import secrets
from typing import Any

from allauth.idp.oidc.models import Token
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from tenants import super_users
from tenants.changes import Actor, log_change
from tenants.models import ServicePrincipal, SuperUserAppointment, Tenant


def services_of(tenant: Tenant) -> QuerySet[ServicePrincipal]:
    """All services by name; `reads_all` says whether one is appointed as super user now."""
    now = timezone.now()
    appointed = SuperUserAppointment.objects.filter(
        Q(until=None) | Q(until__gt=now), service_id=OuterRef("id"), since__lte=now
    )
    services = ServicePrincipal.objects.for_tenant(tenant).select_related("client", "tenant")
    return services.annotate(reads_all=Exists(appointed)).order_by("name")


def rotate_secret(service: ServicePrincipal, *, actor: Actor) -> str:
    """A new secret, returned once; the old one and every token that was got with it end at once.

    Where super users need a second administrator, the service is none any more: whoever knows the new secret would hold
    a power that nobody approved for them.
    """
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        if service.tenant.needs_approval:
            for appointment in SuperUserAppointment.objects.filter(service=service):
                super_users.end(appointment, actor=actor)
        client = service.client
        client.secret = make_password(secret, hasher="pbkdf2_random")
        client.save(update_fields=["secret"])
        ended, _rows = Token.objects.filter(client=client).delete()
        log_change(
            service.tenant,
            actor,
            "RotateServiceSecret",
            target=service.name,
            target_id=service.id,
            after={"tokens_ended": ended},
        )
    return secret


def delete_service(service: ServicePrincipal, *, actor: Actor) -> None:
    """The service, its credentials, its tokens and its appointment end; what it protected stays."""
    with transaction.atomic():
        log_change(
            service.tenant,
            actor,
            "DeleteService",
            target=service.name,
            target_id=service.id,
            before=described(service),
        )
        service.client.delete()


def described(service: ServicePrincipal) -> dict[str, Any]:
    """What a service may do, for the log and for programs."""
    scopes = ["licensing", "protect-for-others"] if service.protect_for_others else ["licensing"]
    return {"client_id": service.client_id, "scopes": scopes}
