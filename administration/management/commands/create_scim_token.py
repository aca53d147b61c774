"""`manage.py create_scim_token TENANT`: a secret for a directory; prints the SCIM address and the secret."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from administration.scim.endpoints import base_url
from tenants.changes import Actor, ChangeRefusedError
from tenants.identity import find_tenant
from tenants.scim_tokens import create_token


class Command(BaseCommand):
    help = (
        "Make a SCIM token for an organization; prints the SCIM address and the secret, which is never shown again. "
        "The organization's admin log says so."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug, proven domain or guid")
        parser.add_argument("--name", help="what the token is called (default: operator and the time)")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = find_tenant(options["tenant"])
        if tenant is None:
            raise CommandError(f"There is no organization {options['tenant']}.")
        name = options["name"] or f"operator {timezone.now():%Y-%m-%d %H:%M:%S.%f}"
        try:
            _token, secret = create_token(tenant, name, actor=Actor("operator"))
        except ChangeRefusedError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{base_url(tenant)} {secret}")
