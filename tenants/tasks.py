"""Celery tasks of organizations and people: thin, safe to run twice."""

from celery import shared_task

from tenants import domains, outbox, super_users


@shared_task(name="tenants.send_mail")
def send_mail() -> None:
    """Beat's sweep: send the mail that waits."""
    outbox.send_due()


@shared_task(name="tenants.check_domains")
def check_domains() -> None:
    """Beat's sweep: look again at the proven domains whose last look is a day old."""
    domains.check_due()


@shared_task(name="tenants.tell_of_super_users")
def tell_of_super_users() -> None:
    """Beat's sweep: tell administrators what their super users opened."""
    super_users.tell_of_uses()
