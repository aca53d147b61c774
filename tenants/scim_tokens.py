"""The secrets by which directories come in: shown once, kept as hashes, each for one organization."""

import secrets
import uuid
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.models import ScimToken, Tenant
from tenants.tokens import hash_token

PREFIX: Final = "rsscim_"
MAX_TOKENS: Final = 20
# The time of use is for people to read: it is written at most once in this while.
_USED_EVERY: Final = timedelta(minutes=1)


def create_token(
    tenant: Tenant, name: str, *, actor: Actor, expires_at: datetime | None = None
) -> tuple[ScimToken, str]:
    """A new token and its secret, which nobody sees again. Raises `ChangeRefusedError`."""
    name = " ".join(name.split())
    if not name or len(name) > 100 or not name.isprintable():
        raise ChangeRefusedError("bad_name", _("The name of a token has 1 to 100 characters."))
    if expires_at is not None and expires_at <= timezone.now():
        raise ChangeRefusedError("bad_time", _("The token would have expired already."))
    secret = PREFIX + secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            Tenant.objects.select_for_update().get(id=tenant.id)
            if ScimToken.objects.for_tenant(tenant).count() >= MAX_TOKENS:
                raise ChangeRefusedError("too_many", _("There are 20 tokens already. Revoke one first."))
            token = ScimToken.objects.create(
                tenant=tenant,
                name=name,
                token_hash=hash_token(secret),
                created_by=actor.name[:254],
                expires_at=expires_at,
            )
            after = {"expires_at": expires_at.isoformat() if expires_at else None}
            log_change(tenant, actor, "CreateScimToken", target=name, target_id=token.id, after=after)
    except IntegrityError as error:
        raise ChangeRefusedError(
            "name_taken", _("There is already a token called %(name)s."), name=name
        ) from error
    return token, secret


def find_token(tenant: Tenant, token_id: uuid.UUID) -> ScimToken | None:
    return ScimToken.objects.for_tenant(tenant).filter(id=token_id).first()


def revoke_token(token: ScimToken, *, actor: Actor) -> None:
    """From this moment the directory gets no answer any more; what it brought stays."""
    with transaction.atomic():
        if ScimToken.objects.filter(id=token.id).delete()[0]:
            log_change(token.tenant, actor, "RevokeScimToken", target=token.name, target_id=token.id)


def find_by_secret(tenant_id: uuid.UUID, secret: str) -> ScimToken | None:
    """The token with this secret, if it is one of `tenant_id` and valid; None tells nothing about why not."""
    if not secret.startswith(PREFIX) or len(secret) > 200:
        return None
    token = (
        ScimToken.objects.select_related("tenant")
        .filter(token_hash=hash_token(secret), tenant_id=tenant_id)
        .first()
    )
    now = timezone.now()
    if token is None or (token.expires_at is not None and token.expires_at <= now):
        return None
    if token.used_at is None or now - token.used_at > _USED_EVERY:
        ScimToken.objects.filter(id=token.id).update(used_at=now)
    return token


def actor_of(token: ScimToken) -> Actor:
    """Who the admin log names for what comes with this token."""
    return Actor(f"directory ({token.name})", token.id, by_directory=True)
