"""`manage.py invite_organization EMAIL`: lets one address start an organization where sign-up is by invitation."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from administration.sign_up import InvitationError, invite_organization


class Command(BaseCommand):
    help = "Mail a link, valid for 14 days and once, by which the holder of an address may start an organization."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            invitation = invite_organization(options["email"])
        except InvitationError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Invited {invitation.email}; the link is valid until {invitation.expires_at:%Y-%m-%d %H:%M} UTC."
        )
