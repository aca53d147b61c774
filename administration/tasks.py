"""Celery tasks of what spans apps: thin, safe to run twice."""

from celery import shared_task

from administration.export import make_due
from administration.removal import continue_removals


@shared_task(name="administration.continue_removals")
def remove_organizations() -> None:
    """Beat's sweep: carry out the removals that are due."""
    continue_removals()


@shared_task(name="administration.make_exports")
def make_exports() -> None:
    """Beat's sweep: make the exports that were asked for."""
    make_due()
