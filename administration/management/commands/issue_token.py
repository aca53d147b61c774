"""`manage.py issue_token EMAIL [--minutes N]`: an access token with all of a person's rights, alone on stdout."""

import secrets
from datetime import timedelta
from typing import Any

from allauth.idp.oidc.models import Token
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from administration.devices import SCOPES, command_line_client
from audit.recording import record_admin
from tenants.domain_names import canonical_address
from tenants.identity import SECOND_FACTOR
from tenants.models import User


class Command(BaseCommand):
    help = "Print an access token for a person, valid for devices and the admin API. The tenant's admin log says so."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument(
            "--minutes", type=int, default=60, help="how long the token is valid (default 60)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        minutes = options["minutes"]
        if not 1 <= minutes <= 60 * 24 * 30:
            raise CommandError("--minutes must be between 1 and 43200 (30 days).")
        user = User.objects.filter(
            emailaddress__email=canonical_address(options["email"]), is_active=True
        ).first()
        if user is None:
            raise CommandError(f"There is no active person with the address {options['email']}.")
        value = secrets.token_urlsafe(48)
        expires_at = timezone.now() + timedelta(minutes=minutes)
        with transaction.atomic():
            token = Token(
                type=Token.Type.ACCESS_TOKEN, user=user, client=command_line_client(), expires_at=expires_at
            )
            token.set_value(value)
            # An operator stands for whoever gets the token, so no second factor is asked for.
            token.set_scopes([*SCOPES, SECOND_FACTOR])
            token.save()
            record_admin(
                tenant_id=user.tenant_id,
                actor="operator",
                actor_id=None,
                action="IssueToken",
                target=user.email,
                target_id=user.id,
                after={"expires_at": expires_at.isoformat(timespec="seconds")},
            )
        self.stderr.write(f"Token for {user.email}, valid until {expires_at:%Y-%m-%d %H:%M} UTC.")
        self.stdout.write(value)
