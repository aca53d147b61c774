"""Celery tasks of the register: thin, safe to run twice."""

from celery import shared_task

from tracking.destruction import carry_out_due
from tracking.resealing import continue_resealings


@shared_task(name="tracking.continue_resealings")
def reseal_documents() -> None:
    """Beat's sweep: seal anew what hangs on keys that somebody wants to get off."""
    continue_resealings()


@shared_task(name="tracking.destroy_keys")
def destroy_keys() -> None:
    """Beat's sweep: destroy the keys whose time of grace is over, finish what a worker that died has begun."""
    carry_out_due()
