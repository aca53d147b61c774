"""Time, without waiting for it."""

from datetime import timedelta

from django.utils import timezone

from keys.models import KeyVersion, RollPolicy
from keys.rollover import ANNOUNCEMENT


def let_announcements_pass() -> None:
    """As if every pending key had been announced long enough ago."""
    pending = KeyVersion.objects.filter(state=KeyVersion.State.PENDING)
    pending.update(created_at=timezone.now() - ANNOUNCEMENT - timedelta(seconds=1))


def let_plans_pass() -> None:
    """As if it were after the time that every pending key was planned for."""
    let_announcements_pass()
    planned = KeyVersion.objects.filter(state=KeyVersion.State.PENDING, planned_at__isnull=False)
    planned.update(planned_at=timezone.now() - timedelta(seconds=1))


def let_claims_run_out() -> None:
    """As if the workers that hold claims were long dead, and every pause over."""
    RollPolicy.objects.update(claimed_until=None, retry_at=None)


def age_keys(days: int) -> None:
    """As if every active key had become active so many days ago, and nothing had been reckoned since."""
    then = timezone.now() - timedelta(days=days)
    KeyVersion.objects.filter(state=KeyVersion.State.ACTIVE).update(activated_at=then)
    RollPolicy.objects.update(key=None)
