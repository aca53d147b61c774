"""`manage.py create_service TENANT NAME --scope …`: a service principal; prints its client id and secret once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from administration.devices import SERVICE_SCOPES, ServiceError, create_service
from tenants.identity import find_tenant


class Command(BaseCommand):
    help = "Make a service principal for client credentials; prints client id and secret, which is never shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug, proven domain or guid")
        parser.add_argument("name")
        parser.add_argument("--scope", action="append", choices=sorted(SERVICE_SCOPES), required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = find_tenant(options["tenant"])
        if tenant is None:
            raise CommandError(f"There is no organization {options['tenant']}.")
        try:
            client_id, secret = create_service(
                tenant, options["name"], set(options["scope"]), actor="operator"
            )
        except ServiceError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"client id: {client_id}")
        self.stdout.write(f"client secret: {secret}")
