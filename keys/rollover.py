"""Changing the active key. A new key is made and announced first, switched to later, and the old one keeps opening.

Rolls by policy begin in `keys.schedule`; from the announced key on, both go the same way. Every step is one transaction
that does nothing when it was done before, so a worker may die anywhere and another one goes on.
"""

import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from time import monotonic
from typing import Any, Final

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from audit.models import AdminEvent
from audit.recording import record_admin, record_system
from keys import keeping
from keys.custody import check_usable
from keys.errors import KeyCustodyError, RollInProgressError
from keys.models import KeyVersion, RollPolicy
from tenants.freshness import MAX_AGE_SECONDS
from tenants.models import Tenant, User

log = logging.getLogger(__name__)
DEFAULT_BITS = 2048
ALLOWED_BITS = (2048, 3072, 4096)
# A pending key is older than any cache before it becomes active, so that every server knows it at the switch.
ANNOUNCEMENT = timedelta(seconds=MAX_AGE_SECONDS)
# How far ahead a roll may be planned by hand.
FURTHEST: Final = timedelta(days=365)
# How many organizations are switched in one transaction: it holds their active keys, so it stays short.
BATCH: Final = 25
# A publication that hangs keeps its own organization's key, and not the switch of all others.
_LOCK_PATIENCE: Final = "5s"
_LONGEST_PAUSE: Final = timedelta(hours=1)


def create_first_key(tenant: Tenant) -> KeyVersion:
    """The active key of an organisation that has none yet; the existing one if it has. Safe to call twice at once."""
    existing = KeyVersion.objects.for_tenant(tenant).filter(state=KeyVersion.State.ACTIVE).first()
    if existing is not None:
        return existing
    record = keeping.new_key(tenant.id, bits=DEFAULT_BITS, state=KeyVersion.State.ACTIVE)
    record.activated_at = timezone.now()
    try:
        with transaction.atomic():
            keeping.store(record)
    except IntegrityError:
        keeping.discard(record)
        return KeyVersion.objects.for_tenant(tenant).get(state=KeyVersion.State.ACTIVE)
    return record


def start_roll(
    tenant: Tenant, *, actor: User, bits: int = DEFAULT_BITS, at: datetime | None = None
) -> KeyVersion:
    """Make and announce a new key; `finish_due_rolls` switches to it once every server knows it, and not before `at`.

    Raises `RollInProgressError` when one is on its way already, `ValueError` for a size or a time that is not allowed.
    """
    if bits not in ALLOWED_BITS:
        raise ValueError(f"Keys have {', '.join(map(str, ALLOWED_BITS))} bits, not {bits}.")
    if at is not None and not timezone.now() < at <= timezone.now() + FURTHEST:
        raise ValueError(f"A roll is planned for a time within the next {FURTHEST.days} days.")
    under_way = "A new key is already being rolled in; wait until it is active."
    if KeyVersion.objects.for_tenant(tenant).filter(state=KeyVersion.State.PENDING).exists():
        raise RollInProgressError(
            under_way
        )  # spares the work of making a key; the constraint is what decides
    record = keeping.new_key(tenant.id, bits=bits, state=KeyVersion.State.PENDING)
    record.planned_at = at
    try:
        with transaction.atomic():
            keeping.store(record)
            record_admin(
                tenant_id=tenant.id,
                actor=actor.email,
                actor_id=actor.id,
                action="RollKey",
                target=record.fingerprint,
                target_id=record.id,
                after=described(record),
            )
    except IntegrityError as error:
        keeping.discard(record)
        raise RollInProgressError(under_way) from error
    return record


def described(record: KeyVersion) -> dict[str, Any]:
    """What the admin log says of a key that was made."""
    planned = {"planned_at": record.planned_at.isoformat(timespec="seconds")} if record.planned_at else {}
    return {"state": record.state, "bits": record.bits, **planned}


def finish_due_rolls(*, seconds: float = 20.0) -> int:
    """Switch every tenant whose pending key has been announced long enough. Returns how many were switched.

    May run in several workers at once and be killed at any point. Ends after `seconds`; the next sweep goes on.
    """
    deadline, now, switched = monotonic() + seconds, timezone.now(), 0
    pausing = RollPolicy.objects.filter(tenant_id=OuterRef("tenant_id"), retry_at__gt=now)
    due = KeyVersion.objects.filter(
        Q(planned_at=None) | Q(planned_at__lte=now),
        ~Exists(pausing),
        state=KeyVersion.State.PENDING,
        created_at__lte=now - ANNOUNCEMENT,
    )
    waiting = iter(list(due.order_by("created_at", "id").values_list("id", flat=True)))
    while (batch := list(islice(waiting, BATCH))) and monotonic() < deadline:
        switched += _switch(_usable(batch))
    return switched


def _usable(ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Those of the pending keys that this process can use. The organizations of the others go on with what they have."""
    usable, is_silent = [], False
    pending = KeyVersion.objects.filter(id__in=ids, state=KeyVersion.State.PENDING)
    for record in pending.select_related("wrapping"):
        if is_silent and record.kind == KeyVersion.Kind.PKCS11:
            continue  # a token that does not answer is not waited for again in this batch
        try:
            check_usable(record)
        except KeyCustodyError as error:
            log.error("A rollover is put off: %s", error)
            note_trouble(record.tenant_id, error.code)
            is_silent = is_silent or record.kind == KeyVersion.Kind.PKCS11
        else:
            usable.append(record.id)
    return usable


def note_trouble(tenant_id: uuid.UUID, code: str) -> None:
    """Remember that a step failed, since when, and not to try again at once: 1, 2, 4 … minutes, at most an hour."""
    now = timezone.now()
    RollPolicy.objects.get_or_create(tenant_id=tenant_id)
    policies = RollPolicy.objects.filter(tenant_id=tenant_id)
    attempts = policies.values_list("attempts", flat=True).get()
    pause = min(timedelta(minutes=2 ** min(attempts, 10)), _LONGEST_PAUSE)
    policies.update(
        attempts=F("attempts") + 1,
        retry_at=now + pause,
        trouble=code,
        trouble_since=Coalesce("trouble_since", now),
    )


def no_trouble() -> dict[str, Any]:
    """The columns of a policy after a step that succeeded."""
    return {"attempts": 0, "retry_at": None, "trouble": "", "trouble_since": None}


def _switch(ids: Sequence[uuid.UUID]) -> int:
    if not ids:
        return 0
    try:
        return _activate(ids)
    except (IntegrityError, OperationalError) as error:
        # A tenant's first key came into being in this instant (`create_first_key`), or a publication keeps its key
        # for long. The next sweep switches that tenant, and the others of this batch do not wait.
        if len(ids) > 1:
            return sum(_switch([one]) for one in ids)
        if isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", "") != "55P03":
            raise
        log.info("A rollover is put off: %s", type(error).__name__)
        return 0


def _activate(ids: Iterable[uuid.UUID]) -> int:
    """Make pending keys the active ones and archive those that were, all at one instant. Returns how many."""
    with transaction.atomic():
        _limit_waiting()
        skip = connection.features.has_select_for_update_skip_locked
        pending = list(
            KeyVersion.objects.select_for_update(skip_locked=skip)
            .filter(id__in=ids, state=KeyVersion.State.PENDING)
            .only("id", "tenant_id", "fingerprint")
            .order_by("id")
        )
        if not pending:
            return 0  # another worker was quicker
        now = timezone.now()
        tenants = [record.tenant_id for record in pending]
        # Waits for publications that hold the old keys (custody.hold_active), then archives them.
        active = (
            KeyVersion.objects.select_for_update()
            .filter(tenant_id__in=tenants, state=KeyVersion.State.ACTIVE)
            .only("id", "tenant_id", "fingerprint")
        )
        old = {record.tenant_id: record for record in active.order_by("id")}
        KeyVersion.objects.filter(id__in=[record.id for record in old.values()]).update(
            state=KeyVersion.State.ARCHIVED, archived_at=now
        )
        KeyVersion.objects.filter(id__in=[record.id for record in pending]).update(
            state=KeyVersion.State.ACTIVE, activated_at=now
        )
        troubled = Q(retry_at__isnull=False) | Q(trouble_since__isnull=False) | Q(put_off_until__isnull=False)
        RollPolicy.objects.filter(troubled, tenant_id__in=tenants).update(**no_trouble(), put_off_until=None)
        record_system(_story(record, old.get(record.tenant_id)) for record in pending)
    return len(pending)


def _story(new: KeyVersion, old: KeyVersion | None) -> AdminEvent:
    return AdminEvent(
        tenant_id=new.tenant_id,
        action="ActivateKey",
        target=new.fingerprint,
        target_id=str(new.id),
        before={"active": old.fingerprint if old else None},
        after={"active": new.fingerprint},
    )


def _limit_waiting() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_PATIENCE])
