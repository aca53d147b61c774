"""Celery tasks of the logs: thin, safe to run twice."""

from celery import shared_task

from audit import aggregation


@shared_task(name="audit.aggregate_usage")
def aggregate_usage() -> None:
    """Beat's sweep: seal the rows that have waited long enough."""
    if aggregation.is_due():
        aggregation.aggregate()
