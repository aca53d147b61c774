"""Changing the active key. A new key is made and announced first, switched to later, and the old one keeps opening."""

import logging
import uuid
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.recording import SYSTEM_ACTOR, record_admin
from keys.custody import check_usable, new_software_key
from keys.errors import KeyUnavailableError, RollInProgressError
from keys.models import KeyVersion
from tenants.freshness import MAX_AGE_SECONDS
from tenants.models import Tenant, User

log = logging.getLogger(__name__)
DEFAULT_BITS = 2048
ALLOWED_BITS = (2048, 3072, 4096)
# A pending key is older than any cache before it becomes active, so that every server knows it at the switch.
ANNOUNCEMENT = timedelta(seconds=MAX_AGE_SECONDS)


def create_first_key(tenant: Tenant) -> KeyVersion:
    """The active key of an organisation that has none yet; the existing one if it has. Safe to call twice at once."""
    existing = KeyVersion.objects.for_tenant(tenant).filter(state=KeyVersion.State.ACTIVE).first()
    if existing is not None:
        return existing
    record = new_software_key(tenant.id, bits=DEFAULT_BITS, state=KeyVersion.State.ACTIVE)
    record.activated_at = timezone.now()
    try:
        with transaction.atomic():
            record.save(force_insert=True)
    except IntegrityError:
        return KeyVersion.objects.for_tenant(tenant).get(state=KeyVersion.State.ACTIVE)
    return record


def start_roll(tenant: Tenant, *, actor: User, bits: int = DEFAULT_BITS) -> KeyVersion:
    """Make and announce a new key; `finish_due_rolls` switches to it once every server knows it.

    Raises `RollInProgressError` when one is on its way already, `ValueError` for a size that is not allowed.
    """
    if bits not in ALLOWED_BITS:
        raise ValueError(f"Keys have {', '.join(map(str, ALLOWED_BITS))} bits, not {bits}.")
    under_way = "A new key is already being rolled in; wait until it is active."
    if KeyVersion.objects.for_tenant(tenant).filter(state=KeyVersion.State.PENDING).exists():
        raise RollInProgressError(
            under_way
        )  # spares the work of making a key; the constraint is what decides
    record = new_software_key(tenant.id, bits=bits, state=KeyVersion.State.PENDING)
    try:
        with transaction.atomic():
            record.save(force_insert=True)
            record_admin(
                tenant_id=tenant.id,
                actor=actor.email,
                actor_id=actor.id,
                action="RollKey",
                target=record.fingerprint,
                target_id=record.id,
                after={"state": record.state, "bits": bits},
            )
    except IntegrityError as error:
        raise RollInProgressError(under_way) from error
    return record


def finish_due_rolls() -> int:
    """Switch every tenant whose pending key has been announced long enough. Returns how many were switched.

    May run in several workers at once and be killed at any point: each switch is one transaction.
    """
    due = KeyVersion.objects.filter(
        state=KeyVersion.State.PENDING, created_at__lte=timezone.now() - ANNOUNCEMENT
    )
    return sum(_switch(pending) for pending in due.order_by("created_at"))


def _switch(pending: KeyVersion) -> bool:
    try:
        check_usable(pending)
        return _activate(pending.id)
    except KeyUnavailableError as error:
        # The organisation goes on with the key it has.
        log.error("A rollover is put off: %s", error)
        return False
    except IntegrityError:
        # The tenant's first key came into being in this instant (`create_first_key`). The next sweep archives it, and
        # the other tenants of this one do not wait.
        log.info("A rollover is put off: another key became active meanwhile.")
        return False


def _activate(key_id: uuid.UUID) -> bool:
    with transaction.atomic():
        pending = (
            KeyVersion.objects.select_for_update().filter(id=key_id, state=KeyVersion.State.PENDING).first()
        )
        if pending is None:
            return False  # another worker was quicker
        now = timezone.now()
        # Waits for publications that hold the old key (custody.hold_active), then archives it.
        old = (
            KeyVersion.objects.select_for_update()
            .filter(tenant_id=pending.tenant_id, state=KeyVersion.State.ACTIVE)
            .first()
        )
        if old is not None:
            KeyVersion.objects.filter(id=old.id).update(state=KeyVersion.State.ARCHIVED, archived_at=now)
        KeyVersion.objects.filter(id=key_id).update(state=KeyVersion.State.ACTIVE, activated_at=now)
        record_admin(
            tenant_id=pending.tenant_id,
            actor=SYSTEM_ACTOR,
            actor_id=None,
            action="ActivateKey",
            target=pending.fingerprint,
            target_id=key_id,
            before={"active": old.fingerprint if old else None},
            after={"active": pending.fingerprint},
        )
    return True
