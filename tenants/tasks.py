"""Celery tasks of organizations and people: thin, safe to run twice."""

from celery import shared_task

from tenants import outbox


@shared_task(name="tenants.send_mail")
def send_mail() -> None:
    """Beat's sweep: send the mail that waits."""
    outbox.send_due()
