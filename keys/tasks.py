"""Celery tasks of keys: thin, safe to run twice."""

from celery import shared_task

from keys.importing import clear_tokens, expire_import_keys
from keys.notices import warn
from keys.rollover import finish_due_rolls
from keys.schedule import replan, roll_due
from keys.uses import count_uses


@shared_task(name="keys.continue_rollovers")
def continue_rollovers() -> None:
    """Beat's sweep: finish rollovers whose announcement time is over."""
    finish_due_rolls()


@shared_task(name="keys.roll_by_policy")
def roll_by_policy() -> None:
    """Beat's sweep: make the new keys that policies want."""
    replan()
    roll_due()


@shared_task(name="keys.warn_of_keys")
def warn_of_keys() -> None:
    """Beat's sweep: tell administrators what is about to run out, or has."""
    warn()


@shared_task(name="keys.count_uses")
def count_key_uses() -> None:
    """Beat's sweep: count the uses of keys that the usage log has got since."""
    count_uses()


@shared_task(name="keys.tidy_imports")
def tidy_imports() -> None:
    """Beat's sweep: forget import keys whose time is over, destroy in tokens what was taken away."""
    expire_import_keys()
    clear_tokens()
