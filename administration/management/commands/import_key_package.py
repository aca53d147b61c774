"""`manage.py import_key_package PACKAGE --recipient-key KEY --admin ADDRESS`: an organization comes from another installation."""

import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from administration.activation import OrganizationError
from administration.arrival import founder_at, import_package
from keys.errors import KeyCustodyError
from rms.errors import FormatError
from rms.key_package import MAX_PACKAGE, RecipientKey
from tenants.changes import ChangeRefusedError


class Command(BaseCommand):
    help = "Take an organization over with the package of its key export: keys and templates arrive archived."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("package", type=Path)
        parser.add_argument(
            "--recipient-key", type=Path, required=True, help="the private key the package was made for"
        )
        parser.add_argument(
            "--admin",
            required=True,
            help="the address of who becomes its administrator: an account of no organization",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            founder = founder_at(options["admin"])
            with options["package"].open("rb") as stream:
                data = stream.read(MAX_PACKAGE + 1)
            arrival = import_package(data, _recipient(options["recipient_key"]), founder=founder)
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from error
        except (ValueError, FormatError, OrganizationError, KeyCustodyError, ChangeRefusedError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{arrival.tenant.name} ({arrival.tenant.id}): {arrival.keys} keys, {arrival.templates} templates and "
            f"{arrival.documents} documents with withdrawn or changed access. The package is signed by {arrival.signed_by}."
        )
        for fingerprint in arrival.left_out:
            self.stderr.write(f"Without its private half, so left out: {fingerprint}")
        self.stdout.write(f"{founder.email} activates it: nothing opens before.")


def _recipient(path: Path) -> RecipientKey:
    data = path.read_bytes()
    try:
        return RecipientKey(data)
    except TypeError:
        return RecipientKey(data, getpass.getpass(f"Password of {path}: ").encode())
