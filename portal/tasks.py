"""Housekeeping that belongs to no app of ours."""

from importlib import import_module

from allauth.idp.oidc.models import Token
from celery import shared_task
from django.conf import settings

from administration.idempotency import forget_old


@shared_task(name="portal.clean_up")
def clean_up() -> None:
    """Remove browser sessions, tokens and answers kept for repeated requests, when their time is over."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    Token.objects.expired().delete()  # unscoped: a job of the installation, not a page
    forget_old()
