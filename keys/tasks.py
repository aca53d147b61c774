"""Celery tasks of keys: thin, safe to run twice."""

from celery import shared_task

from keys.rollover import finish_due_rolls


@shared_task(name="keys.continue_rollovers")
def continue_rollovers() -> None:
    """Beat's sweep: finish rollovers whose announcement time is over."""
    finish_due_rolls()
