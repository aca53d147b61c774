"""The clients of the token provider: our own command, and services that act for an organization."""

import secrets
import uuid

from allauth.idp.oidc.models import Client
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from audit.recording import record_admin
from licensing.authentication import ADMIN, LICENSING
from tenants.models import ServicePrincipal, Tenant

COMMAND_LINE = "rightskeep-cli"
SCOPES = ("openid", "email", "profile", LICENSING, ADMIN)
# What `create_service --scope` takes: to open and protect as itself, and to protect in somebody else's name.
PROTECT_FOR_OTHERS = "protect-for-others"
SERVICE_SCOPES = frozenset({LICENSING, PROTECT_FOR_OTHERS})


class ServiceError(Exception):
    """A service cannot be made as asked; the text is for people."""


def command_line_client() -> Client:
    """The public client of the `rightskeep` command, made when it is missing."""
    grants = [
        Client.GrantType.AUTHORIZATION_CODE,
        Client.GrantType.DEVICE_CODE,
        Client.GrantType.REFRESH_TOKEN,
    ]
    client, _ = Client.objects.get_or_create(
        id=COMMAND_LINE,
        defaults={
            "name": "Rightskeep command line",
            "type": Client.Type.PUBLIC,
            "secret": "",
            "scopes": "\n".join(SCOPES),
            "default_scopes": "\n".join(SCOPES),
            "grant_types": "\n".join(grants),
            "redirect_uris": "http://127.0.0.1:8765/callback",
        },
    )
    return client


def create_service(
    tenant: Tenant, name: str, scopes: set[str], *, actor: str, actor_id: uuid.UUID | None = None
) -> tuple[str, str]:
    """A service principal of `tenant`: its client id and secret; the secret is stored as a hash and never seen again.

    Raises `ServiceError` when the name is taken.
    """
    secret = secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            client = Client.objects.create(
                name=name[:100],
                type=Client.Type.CONFIDENTIAL,
                secret=make_password(secret, hasher="pbkdf2_random"),
                scopes=LICENSING,
                default_scopes=LICENSING,
                grant_types=Client.GrantType.CLIENT_CREDENTIALS,
            )
            service = ServicePrincipal.objects.create(
                tenant=tenant, name=name[:100], client=client, protect_for_others=PROTECT_FOR_OTHERS in scopes
            )
            record_admin(
                tenant_id=tenant.id,
                actor=actor,
                actor_id=actor_id,
                action="CreateService",
                target=name,
                target_id=service.id,
                after={"scopes": sorted(scopes)},
            )
    except IntegrityError as error:
        raise ServiceError(f"{tenant.name} already has a service called {name}.") from error
    return client.id, secret
