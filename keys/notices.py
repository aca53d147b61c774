"""Warnings about keys, before anything runs out: found by a job, mailed to key and global administrators, each once.

The same list, asked for one organization, stands on its page of keys for as long as it holds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from keys import keeping
from keys.errors import KeyCustodyError
from keys.models import KeyNotice, KeyVersion, RollPolicy
from tenants.models import RoleAssignment, Tenant
from tenants.notices import tell_administrators

Kind = KeyNotice.Kind
# Policies annotated with the id of the key a warning is `about`, `since` when, and `at` what time it matters.
Found = QuerySet[Any, Any]
ROLL_AHEAD: Final = timedelta(days=14)
# Closer than that, the mail about the new key itself is about to follow.
ROLL_AT_HAND: Final = timedelta(days=2)
AGE_AHEAD: Final = timedelta(days=30)
# A roll that failed is tried again in a minute; only what goes on failing is told.
PATIENCE: Final = timedelta(minutes=10)
OVERDUE: Final = timedelta(days=1)
_AT_ONCE: Final = 200
_LOOK_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Warning:
    """What there is to know about `key`, `since` when it is so, and `at` what time it becomes pressing."""

    kind: KeyNotice.Kind
    key: KeyVersion
    since: datetime
    at: datetime

    @property
    def text(self) -> Promise:
        return _TEXTS[self.kind]

    @property
    def values(self) -> dict[str, object]:
        """What the text's placeholders stand for; dates are UTC."""
        return {
            "key": self.key.fingerprint[:16],
            "date": f"{self.at:%Y-%m-%d}",
            "time": f"{self.at:%Y-%m-%d %H:%M} UTC",
        }

    @property
    def is_bad(self) -> bool:
        """Whether something is wrong already; otherwise it is about to happen."""
        return self.kind not in (Kind.ROLL_DUE, Kind.BRING_KEY, Kind.ROLL_PLANNED, Kind.AGES_SOON)


_SUBJECTS: Final[dict[str, Promise]] = {
    Kind.ROLL_DUE: _("%(organization)s: a new key is due on %(date)s"),
    Kind.BRING_KEY: _("%(organization)s: bring a new key until %(date)s"),
    Kind.ROLL_PLANNED: _("%(organization)s: a new key takes over on %(date)s"),
    Kind.ROLL_FAILING: _("%(organization)s: the key cannot be rolled"),
    Kind.ROLL_OVERDUE: _("%(organization)s: a new key is overdue"),
    Kind.AGES_SOON: _("%(organization)s: the key grows old"),
    Kind.TOO_OLD: _("%(organization)s: the key is too old"),
    Kind.UNREACHABLE: _("%(organization)s: the key cannot be reached"),
}
_TEXTS: Final[dict[str, Promise]] = {
    Kind.ROLL_DUE: _("By its policy the key %(key)s is replaced by a new one on %(date)s. Nothing has to be done, and every document stays readable."),
    Kind.BRING_KEY: _("By its policy the key %(key)s is to be replaced by %(date)s. You brought it yourself, so the service does not replace it: bring a new one, or roll to a key that the service makes."),
    Kind.ROLL_PLANNED: _("The new key %(key)s takes over on %(time)s. Until then the roll can be withdrawn. Every document stays readable."),
    Kind.ROLL_FAILING: _("The new key cannot be made or used since %(time)s. The service goes on trying; the present key stays active. If this lasts, ask the operator of the service to look at the key store."),
    Kind.ROLL_OVERDUE: _("The key %(key)s should have been replaced on %(date)s, and was not. Roll it by hand; a key you brought yourself is replaced by one that you bring."),
    Kind.AGES_SOON: _("The key %(key)s reaches its stated age on %(date)s, and is not rolled by itself before. Plan a roll."),
    Kind.TOO_OLD: _("The key %(key)s has been older than its stated age since %(date)s. Roll it, or state another age."),
    Kind.UNREACHABLE: _("The key %(key)s cannot be used since %(time)s: nothing can be protected or opened with it until the key store answers again."),
}  # fmt: skip


def warn() -> int:
    """Tell administrators what they have not been told yet. Returns how many warnings that were.

    A warning is noted in the transaction that queues its mail, and the constraint lets one of two workers do so.
    """
    _look_at_key_stores()
    return sum(_tell(found) for kind in Kind for found in _untold(kind))


def warnings_of(tenant: Tenant) -> list[Warning]:
    """What holds for one organization now, told or not: the worst first. Two queries, whatever there is to say."""
    now = timezone.now()
    first, *others = (
        finder(now)
        .filter(tenant=tenant)
        .annotate(found=Value(kind))
        .values_list("found", "about", "since", "at")
        for kind, finder in _FINDERS.items()
    )
    rows = list(first.union(*others, all=True))
    keys = KeyVersion.objects.select_related("tenant").in_bulk([row[1] for row in rows])
    found = [Warning(Kind(kind), keys[about], since, at) for kind, about, since, at in rows if about in keys]
    return sorted(found, key=lambda warning: not warning.is_bad)


def _untold(kind: KeyNotice.Kind) -> Iterator[Warning]:
    told = KeyNotice.objects.filter(kind=kind, key_id=OuterRef("about"), since=OuterRef("since"))
    rows = _FINDERS[kind](timezone.now()).filter(~Exists(told)).order_by("id")
    return _read(kind, rows[:_AT_ONCE])


def _read(kind: KeyNotice.Kind, rows: Found) -> Iterator[Warning]:
    found = list(rows.values_list("about", "since", "at"))
    keys = KeyVersion.objects.select_related("tenant").in_bulk([row[0] for row in found])
    for about, since, at in found:
        if about in keys:
            yield Warning(kind, keys[about], since, at)


def _tell(warning: Warning) -> bool:
    tenant = warning.key.tenant
    try:
        with transaction.atomic():
            KeyNotice.objects.create(tenant=tenant, kind=warning.kind, key=warning.key, since=warning.since)
            tell_administrators(
                tenant,
                subject=_SUBJECTS[warning.kind],
                text=format_lazy("{}\n\n%(service)s/keys/", warning.text),
                values=warning.values,
                also=(RoleAssignment.Role.KEY_ADMIN,),
            )
    except IntegrityError:
        return False  # another worker was quicker
    return True


def _look_at_key_stores() -> None:
    """Try the active keys that lie elsewhere than in the database, and remember since when one cannot be used."""
    deadline, answering, silent = monotonic() + _LOOK_SECONDS, [], []
    rows = RollPolicy.objects.filter(
        key__state=KeyVersion.State.ACTIVE, key__kind=KeyVersion.Kind.PKCS11, key__held_at=None
    )
    for row in rows.select_related("key").order_by("?"):
        assert row.key is not None
        if monotonic() > deadline:
            break
        try:
            keeping.load(row.key)
        except KeyCustodyError:
            silent.append(row.id)
        else:
            answering.append(row.id)
    RollPolicy.objects.filter(id__in=silent, unreachable_since=None).update(unreachable_since=timezone.now())
    RollPolicy.objects.filter(id__in=answering, unreachable_since__isnull=False).update(
        unreachable_since=None
    )


def _in_use() -> Found:
    """Policies of organizations whose key is reckoned with, and which nothing replaces at the moment."""
    pending = KeyVersion.objects.filter(tenant_id=OuterRef("tenant_id"), state=KeyVersion.State.PENDING)
    return RollPolicy.objects.filter(
        ~Exists(pending), key__state=KeyVersion.State.ACTIVE, tenant__state=Tenant.State.ACTIVE
    )


def _of_key(rows: Found, *, at: str) -> Found:
    found: Found = rows.annotate(about=F("key_id"), since=F("key__activated_at"), at=F(at))
    return found


def _of_trouble(rows: Found, column: str) -> Found:
    found: Found = rows.filter(key__isnull=False).annotate(about=F("key_id"), since=F(column), at=F(column))
    return found


def _roll_due(now: datetime) -> Found:
    soon = _in_use().filter(next_roll_at__gt=now + ROLL_AT_HAND, next_roll_at__lte=now + ROLL_AHEAD)
    return _of_key(soon.exclude(key__origin=KeyVersion.Origin.BROUGHT), at="next_roll_at")


def _bring_key(now: datetime) -> Found:
    soon = _in_use().filter(next_roll_at__gt=now, next_roll_at__lte=now + AGE_AHEAD)
    return _of_key(soon.filter(key__origin=KeyVersion.Origin.BROUGHT), at="next_roll_at")


def _roll_planned(now: datetime) -> Found:
    pending = KeyVersion.objects.filter(
        tenant_id=OuterRef("tenant_id"), state=KeyVersion.State.PENDING, planned_at__gt=now
    )
    return RollPolicy.objects.annotate(
        about=Subquery(pending.values("id")[:1]),
        since=Subquery(pending.values("created_at")[:1]),
        at=Subquery(pending.values("planned_at")[:1]),
    ).filter(about__isnull=False)


def _roll_failing(now: datetime) -> Found:
    return _of_trouble(RollPolicy.objects.filter(trouble_since__lte=now - PATIENCE), "trouble_since")


def _roll_overdue(now: datetime) -> Found:
    return _of_key(_in_use().filter(next_roll_at__lte=now - OVERDUE), at="next_roll_at")


def _ages_soon(now: datetime) -> Found:
    by_hand = Q(next_roll_at=None) | Q(next_roll_at__gte=F("ages_at"))
    soon = _in_use().filter(by_hand, ages_at__gt=now, ages_at__lte=now + AGE_AHEAD)
    return _of_key(soon, at="ages_at")


def _too_old(now: datetime) -> Found:
    return _of_key(_in_use().filter(ages_at__lte=now), at="ages_at")


def _unreachable(now: datetime) -> Found:
    return _of_trouble(RollPolicy.objects.filter(unreachable_since__lte=now - PATIENCE), "unreachable_since")


_FINDERS: Final[dict[str, Callable[[datetime], Found]]] = {
    Kind.ROLL_DUE: _roll_due,
    Kind.BRING_KEY: _bring_key,
    Kind.ROLL_PLANNED: _roll_planned,
    Kind.ROLL_FAILING: _roll_failing,
    Kind.ROLL_OVERDUE: _roll_overdue,
    Kind.AGES_SOON: _ages_soon,
    Kind.TOO_OLD: _too_old,
    Kind.UNREACHABLE: _unreachable,
}
