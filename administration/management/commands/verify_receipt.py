"""`manage.py verify_receipt FILE`: whether a receipt for a deleted organization was signed here, and what it says."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from administration.receipt import ReceiptError, verify


class Command(BaseCommand):
    help = "Check the signature of a receipt for a deleted organization and print what it says."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", help="the receipt (the last paragraph of the mail), or - for standard input"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text = sys.stdin.read() if options["file"] == "-" else Path(options["file"]).read_text("ascii")
            facts = verify(text)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from error
        except ReceiptError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False))
