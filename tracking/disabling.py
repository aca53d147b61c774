"""Disabling a key that is not in use any more, which can be taken back: what still needs its private half does not open."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.models import UsageEvent
from keys.custody import forget_key
from keys.models import KeyVersion
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.models import Tenant, User
from tracking.models import Destruction, Document, DocumentQuerySet, SealedCopy, UnregisteredDocument
from tracking.registry import OPENING, SUCCESS
from tracking.resealing import hanging_on

_READERS_SHOWN: Final = 3
State = KeyVersion.State


@dataclass(frozen=True, slots=True)
class Losses:
    """What opens for nobody while a key does not: registered documents, of how many publishers, and others that were seen."""

    documents: int
    issuers: int
    unregistered: int


def losses_of(tenant: Tenant, key: KeyVersion) -> Losses:
    """What hangs on the private half of a key now."""
    return Losses(
        hanging_on([key.id])[key.id],
        documents_on(tenant, key).order_by().values("issuer_address").distinct().count(),
        unregistered_on(key).count(),
    )


def documents_on(tenant: Tenant, key: KeyVersion) -> DocumentQuerySet:
    """The registered documents that open by the private half of a key: those with a license that is not sealed to another one."""
    kept = SealedCopy.objects.filter(document=OuterRef("pk"))
    hanging = Exists(kept.filter(key=key)) | (Q(key=key) & ~Exists(kept))
    return Document.objects.for_tenant(tenant).filter(hanging).defer("terms")


def unregistered_on(key: KeyVersion) -> QuerySet[UnregisteredDocument]:
    """Documents that were seen, open by the private half of a key and are in no register."""
    return UnregisteredDocument.objects.filter(tenant_id=key.tenant_id, key=key)


def last_readers(documents: Sequence[Document]) -> dict[uuid.UUID, list[str]]:
    """For each document's content id, the addresses of those who opened it last, at most three."""
    readers: dict[uuid.UUID, list[str]] = defaultdict(list)
    if documents:
        opened = UsageEvent.objects.for_tenant(documents[0].tenant_id).filter(
            content_id__in=[document.content_id for document in documents],
            request_type=OPENING,
            result=SUCCESS,
        )
        latest = opened.values_list("content_id", "user_id").annotate(last=Max("id")).order_by("-last")
        for content_id, address, _last in latest:
            if content_id is not None and len(readers[content_id]) < _READERS_SHOWN:
                readers[content_id].append(address)
    return readers


def disable_key(tenant: Tenant, key: KeyVersion, *, actor: User) -> KeyVersion:
    """Let an archived key open nothing, until it is enabled again. Raises `ChangeRefusedError`."""
    with transaction.atomic():
        locked = KeyVersion.objects.for_tenant(tenant).select_for_update().get(id=key.id)
        if locked.state != State.ARCHIVED:
            raise ChangeRefusedError(
                "not_archived", _("Only an archived key can be disabled. Roll the active key first.")
            )
        losses = losses_of(tenant, locked)
        after = {"documents": losses.documents, "unregistered": losses.unregistered}
        _change(tenant, locked, State.DISABLED, "DisableKey", actor, after)
    forget_key(locked.fingerprint)
    return locked


def enable_key(tenant: Tenant, key: KeyVersion, *, actor: User) -> KeyVersion:
    """Let a disabled key open again what it sealed. Raises `ChangeRefusedError`."""
    with transaction.atomic():
        locked = KeyVersion.objects.for_tenant(tenant).select_for_update().get(id=key.id)
        if locked.state != State.DISABLED:
            raise ChangeRefusedError("not_disabled", _("This key is not disabled."))
        if destruction_of(locked) is not None:
            raise ChangeRefusedError(
                "destruction_asked", _("Somebody asked for this key to be destroyed: cancel that first.")
            )
        _change(tenant, locked, State.ARCHIVED, "EnableKey", actor, {})
    forget_key(locked.fingerprint)
    return locked


def destruction_of(key: KeyVersion) -> Destruction | None:
    """The destruction of a key that is asked for or done; None when nobody has asked, or it was canceled."""
    return Destruction.objects.filter(tenant_id=key.tenant_id, key=key, canceled_at=None).first()


def _change(
    tenant: Tenant, key: KeyVersion, state: str, action: str, actor: User, facts: dict[str, int]
) -> None:
    before, key.state = key.state, state
    key.disabled_at = timezone.now() if state == State.DISABLED else None
    key.save(update_fields=["state", "disabled_at"])
    log_change(
        tenant,
        Actor.of(actor),
        action,
        target=key.fingerprint,
        target_id=key.id,
        before={"state": before},
        after={"state": state, **facts},
    )
