"""`manage.py seed_demo`: the two demonstration organizations, unless the database holds one already."""

import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from administration.demo import seed_demo


class Command(BaseCommand):
    help = "Make the demonstration organizations Contoso and Fabrikam when there is no organization yet."

    def handle(self, *args: Any, **options: Any) -> None:
        password = settings.DEMO_PASSWORD or secrets.token_urlsafe(9)
        addresses = seed_demo(password)
        if not addresses:
            return
        self.stdout.write(f"Demo sign-ins, all with the password {password}")
        for address in addresses:
            self.stdout.write(f"  {address}")
