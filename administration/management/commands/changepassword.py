"""`manage.py changepassword EMAIL`: Django's command, for operators' own accounts only."""

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.core.management.base import CommandError

from tenants.models import User


class Command(changepassword.Command):
    help = "Set a new password for an operator's account. People of organizations set theirs anew by mail."

    def handle(self, *args: Any, **options: Any) -> None:
        # A password set by an operator would open an organization's account, unseen by anybody in the organization.
        if User.objects.filter(email=options["username"] or "").exclude(tenant=None).exists():
            raise CommandError(
                "This account is an organization's: its person sets a new password by mail. "
                "`issue_token` acts for them, and says so in the organization's admin log."
            )
        super().handle(*args, **options)
