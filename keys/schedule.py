"""Rolling by policy: when a tenant's key is due, and the job that makes the new one (claim, then generate).

A worker claims organizations by a conditional UPDATE, makes their keys outside any transaction, and announces those
whose claim is still its own. A worker that dies leaves a claim that runs out. What follows, the switch, is `rollover`'s.
"""

import contextlib
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from time import monotonic
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from audit.models import AdminEvent
from audit.recording import record_admin, record_system
from keys import keeping
from keys.errors import KeyCustodyError, KeyUnavailableError, NoRollError, RollPolicyError
from keys.models import KeyVersion, RollPolicy
from keys.rollover import ALLOWED_BITS, described, no_trouble, note_trouble
from tenants.models import Tenant, User

log = logging.getLogger(__name__)
SHORTEST_DAYS: Final = 30
LONGEST_DAYS: Final = 3650
# A key that is made by policy takes over a day later: administrators are told in between, and can withdraw it.
LEAD: Final = timedelta(days=1)
# So long before the stated age a key is rolled, where the policy says "before": time for several attempts.
MARGIN: Final = timedelta(days=14)
# After a withdrawn roll, the policy does not try again sooner.
PUT_OFF: Final = timedelta(days=7)
# A worker that has not announced its keys by then is taken for dead.
LEASE: Final = timedelta(minutes=5)
# Claimed at a time, and announced in one transaction: a worker that dies loses at most so many made keys.
CLAIMED: Final = 50
ANNOUNCED: Final = 10
_REPLANNED: Final = 500


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as it is asked for. Days count from the instant a key becomes active.

    `every_days` None: rolled by hand only. `before_age`: rolled 14 days before the key is `stated_age_days` old.
    """

    every_days: int | None = None
    stated_age_days: int = 730
    before_age: bool = False
    bits: int = 2048

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def check(self) -> None:
        """Raises `RollPolicyError`."""
        for days in (self.every_days, self.stated_age_days):
            if days is not None and not SHORTEST_DAYS <= days <= LONGEST_DAYS:
                raise RollPolicyError(f"A key is used for {SHORTEST_DAYS} to {LONGEST_DAYS} days.")
        if self.bits not in ALLOWED_BITS:
            raise RollPolicyError(f"Keys have {', '.join(map(str, ALLOWED_BITS))} bits.")

    def next_roll(
        self, key: KeyVersion, *, now: datetime, put_off_until: datetime | None = None
    ) -> datetime | None:
        """When `key` is to be rolled: never sooner than `LEAD` from now; None: when somebody does it by hand.

        A key that the customer brought is not replaced by one that the service makes: its day is only told of.
        """
        if key.activated_at is None:
            return None
        days = [timedelta(days=self.every_days)] if self.every_days else []
        if self.before_age:
            days.append(timedelta(days=self.stated_age_days) - MARGIN)
        if not days:
            return None
        return max(key.activated_at + min(days), put_off_until or now, now + LEAD)

    def ages_at(self, key: KeyVersion) -> datetime | None:
        """When `key` reaches the stated age."""
        return key.activated_at + timedelta(days=self.stated_age_days) if key.activated_at else None


DEFAULT: Final = Policy()


def read_policy(row: RollPolicy | None) -> Policy:
    """The policy in a row, or the default one."""
    if row is None:
        return DEFAULT
    return Policy(row.every_days, row.stated_age_days, row.before_age, row.bits)


def policy_row(tenant: Tenant) -> RollPolicy | None:
    """The tenant's row, with where its roll stands; None until it has been needed."""
    return RollPolicy.objects.for_tenant(tenant).first()


def set_policy(tenant: Tenant, policy: Policy, *, actor: User) -> RollPolicy:
    """Keep a new policy; it counts at once for the key that is active now. A key that is on its way stays on it.

    Raises `RollPolicyError`.
    """
    policy.check()
    with transaction.atomic():
        RollPolicy.objects.get_or_create(tenant=tenant)
        row = RollPolicy.objects.select_for_update().get(tenant=tenant)
        before = read_policy(row)
        if before != policy:
            row.every_days, row.stated_age_days = policy.every_days, policy.stated_age_days
            row.before_age, row.bits = policy.before_age, policy.bits
            record_admin(
                tenant_id=tenant.id,
                actor=actor.email,
                actor_id=actor.id,
                action="ChangeRollPolicy",
                target=tenant.name,
                target_id=row.id,
                before=before.as_json(),
                after=policy.as_json(),
            )
        active = KeyVersion.objects.for_tenant(tenant).filter(state=KeyVersion.State.ACTIVE).first()
        _reckon(row, active, timezone.now())
        row.save()
    return row


def withdraw_roll(tenant: Tenant, *, actor: User) -> KeyVersion:
    """Give up the key that is on its way; the active one stays. A policy tries again after `PUT_OFF`.

    Raises `NoRollError`.
    """
    with transaction.atomic():
        pending = KeyVersion.objects.select_for_update().filter(tenant=tenant, state=KeyVersion.State.PENDING)
        record = pending.first()
        if record is None:
            raise NoRollError("No new key is on its way, or it is active already.")
        now = timezone.now()
        record.state, record.archived_at = KeyVersion.State.WITHDRAWN, now
        record.save(update_fields=["state", "archived_at"])
        keeping.take_away(record)
        row = RollPolicy.objects.select_for_update().filter(tenant=tenant).first()
        if row is not None:
            row.put_off_until = now + PUT_OFF
            active = KeyVersion.objects.for_tenant(tenant).filter(state=KeyVersion.State.ACTIVE).first()
            _reckon(row, active, now)
            for column, value in no_trouble().items():
                setattr(row, column, value)
            row.save()
        record_admin(
            tenant_id=tenant.id,
            actor=actor.email,
            actor_id=actor.id,
            action="WithdrawKey",
            target=record.fingerprint,
            target_id=record.id,
            before={"state": KeyVersion.State.PENDING},
            after={"state": record.state},
        )
    with contextlib.suppress(KeyUnavailableError):  # nobody uses it, so it may stay in a token that is silent
        keeping.clear_token(record.id)
    return record


def replan() -> int:
    """Reckon anew when the next roll is due, wherever another key has become active since. Returns for how many."""
    reckoned = RollPolicy.objects.filter(key_id=OuterRef("id"))
    stale = KeyVersion.objects.filter(~Exists(reckoned), state=KeyVersion.State.ACTIVE)
    count = 0
    for _ in range(100):
        keys = {key.tenant_id: key for key in stale.order_by("id")[:_REPLANNED]}
        if not keys:
            break
        RollPolicy.objects.bulk_create(
            [RollPolicy(tenant_id=tenant_id) for tenant_id in keys], ignore_conflicts=True
        )
        with transaction.atomic():
            now = timezone.now()
            rows = list(
                RollPolicy.objects.select_for_update().filter(tenant_id__in=keys).order_by("tenant_id")
            )
            for row in rows:
                _reckon(row, keys[row.tenant_id], now)
            RollPolicy.objects.bulk_update(rows, ["key", "next_roll_at", "ages_at"])
        count += len(rows)
    return count


def roll_due(*, seconds: float = 50.0) -> int:
    """Make and announce the new key of every organization whose policy wants one. Returns for how many.

    May run in several workers at once and be killed at any point.
    """
    deadline, made = monotonic() + seconds, 0
    while monotonic() < deadline:
        claimed = _claim()
        if claimed is None:
            break
        made += _make(claimed)
    return made


def _claim() -> list[RollPolicy] | None:
    """Some organizations that are due and now this worker's; none where another was quicker, None when nothing is due."""
    now = timezone.now()
    free = _due(now)
    ids = list(free.order_by("next_roll_at", "id").values_list("id", flat=True)[:CLAIMED])
    if not ids:
        return None
    claim = uuid.uuid4()
    free.filter(id__in=ids).update(claim=claim, claimed_until=now + LEASE)
    return list(RollPolicy.objects.filter(claim=claim).select_related("key").order_by("next_roll_at", "id"))


def _due(now: datetime) -> QuerySet[RollPolicy]:
    on_its_way = KeyVersion.objects.filter(tenant_id=OuterRef("tenant_id"), state=KeyVersion.State.PENDING)
    return RollPolicy.objects.filter(
        Q(claimed_until=None) | Q(claimed_until__lte=now),
        Q(retry_at=None) | Q(retry_at__lte=now),
        ~Exists(on_its_way),
        next_roll_at__lte=now + LEAD,
        key__state=KeyVersion.State.ACTIVE,
        tenant__state=Tenant.State.ACTIVE,
    ).exclude(key__origin=KeyVersion.Origin.BROUGHT)


def _make(claimed: Sequence[RollPolicy]) -> int:
    made, waiting = 0, iter(claimed)
    while batch := list(islice(waiting, ANNOUNCED)):
        made += _announce(list(_generate(batch)))
    return made


def _generate(batch: Sequence[RollPolicy]) -> Iterator[tuple[RollPolicy, KeyVersion]]:
    places, is_silent = keeping.places_for([row.tenant_id for row in batch]), False
    for row in batch:
        place = places[row.tenant_id]
        if is_silent and place == KeyVersion.Kind.PKCS11:
            _release([row])  # a token that does not answer is not waited for again at once
            continue
        try:
            record = keeping.new_key(
                row.tenant_id,
                bits=row.bits,
                state=KeyVersion.State.PENDING,
                key_id=_next_id(row),
                place=place,
            )
        except KeyCustodyError as error:
            log.error("A new key cannot be made: %s", error)
            _release([row])
            note_trouble(row.tenant_id, error.code)
            is_silent = is_silent or place == KeyVersion.Kind.PKCS11
        else:
            yield row, record


def _next_id(row: RollPolicy) -> uuid.UUID:
    """The id of the key that is to follow the active one; another one after a withdrawal, or for another size.

    Known beforehand, so that a key which a dead worker left in a token is found there and not made again. For the same
    reason a key whose claim is lost is not discarded: another worker may just be registering it.
    """
    return uuid.uuid5(row.id, f"{row.key_id} {row.put_off_until} {row.bits}")


def _announce(made: Sequence[tuple[RollPolicy, KeyVersion]]) -> int:
    """Register made keys as pending, with their log rows, where the claim still holds. Returns how many."""
    try:
        return _register(made)
    except IntegrityError:
        # Somebody has begun a roll by hand in this instant. The others are announced all the same.
        if len(made) > 1:
            return sum(_announce([one]) for one in made)
        _release([row for row, _ in made])
        return 0


def _register(made: Sequence[tuple[RollPolicy, KeyVersion]]) -> int:
    with transaction.atomic():
        now = timezone.now()
        ids = [row.id for row, _ in made]
        claims = {row.claim for row, _ in made}
        held = RollPolicy.objects.select_for_update(of=("self",)).filter(id__in=ids, claim__in=claims)
        current = {row.tenant_id: row for row in held.order_by("id")}
        records = []
        for row, record in made:
            present = current.get(row.tenant_id)
            # The policy may have been changed, or the roll been put off, while the key was made.
            if present is None or present.next_roll_at is None or present.next_roll_at > now + LEAD:
                continue
            record.created_at = now
            record.planned_at = max(present.next_roll_at, now + LEAD)
            records.append(record)
        keeping.store_many(records)
        record_system(_story(record) for record in records)
        RollPolicy.objects.filter(id__in=[row.id for row in current.values()]).update(
            claim=None, claimed_until=None, **no_trouble()
        )
    return len(records)


def _story(record: KeyVersion) -> AdminEvent:
    return AdminEvent(
        tenant_id=record.tenant_id,
        action="RollKey",
        target=record.fingerprint,
        target_id=str(record.id),
        after={**described(record), "by": "policy"},
    )


def _release(rows: Sequence[RollPolicy]) -> None:
    mine = RollPolicy.objects.filter(id__in=[row.id for row in rows], claim__in={row.claim for row in rows})
    mine.update(claim=None, claimed_until=None)


def _reckon(row: RollPolicy, active: KeyVersion | None, now: datetime) -> None:
    row.key, row.next_roll_at, row.ages_at = active, None, None
    if active is None:
        return
    policy = read_policy(row)
    row.ages_at = policy.ages_at(active)
    row.next_roll_at = policy.next_roll(active, now=now, put_off_until=row.put_off_until)
