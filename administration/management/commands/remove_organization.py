"""`manage.py remove_organization TENANT --reason TEXT [--days N]`: have an organization deleted, or take that back."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from administration.removal import RemovalError, cancel_removal, request_removal
from tenants.identity import find_tenant


class Command(BaseCommand):
    help = "Have an organization deleted after a time of grace. Its administrators get a mail, its admin log a row."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug, proven domain or guid")
        parser.add_argument("--reason", default="")
        parser.add_argument("--days", type=int, help="time of grace; 0 deletes at the next run of the job")
        parser.add_argument("--cancel", action="store_true", help="take a deletion back that has not begun")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = find_tenant(options["tenant"])
        if tenant is None:
            raise CommandError(f"There is no organization {options['tenant']}.")
        if not options["cancel"] and not options["reason"].strip():
            raise CommandError("Name a --reason: it stands in the mail, the log and the receipt.")
        if options["days"] is not None and not 0 <= options["days"] <= 365:
            raise CommandError("--days must be between 0 and 365.")
        try:
            if options["cancel"]:
                cancel_removal(tenant, actor=None)
                self.stdout.write(f"{tenant.name} is not going to be deleted.")
                return
            removal = request_removal(
                tenant, reason=options["reason"].strip(), actor=None, grace_days=options["days"]
            )
        except RemovalError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{tenant.name} is deleted from {removal.due_at:%Y-%m-%d %H:%M} UTC on.")
