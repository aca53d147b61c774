"""`manage.py rotate_kek`: seal everything under the present key-encryption key that lies under the other one."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from administration.resealing import reseal_everything


class Command(BaseCommand):
    help = (
        "Seal everything under RIGHTSKEEP_KEK that still lies under RIGHTSKEEP_KEK_PREVIOUS. "
        "May be stopped at any time and started again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.KEY_ENCRYPTION_KEY_PREVIOUS:
            raise CommandError(
                "Set RIGHTSKEEP_KEK to the new key and RIGHTSKEEP_KEK_PREVIOUS to the old one."
            )
        resealed: dict[str, int] = {}
        lost: dict[str, int] = {}
        for progress in reseal_everything():
            resealed[progress.label], lost[progress.label] = progress.resealed, progress.lost
            self.stderr.write(f"{progress.label}: {progress.seen} of {progress.total}")
        if any(lost.values()):
            names = ", ".join(f"{label} ({number})" for label, number in lost.items() if number)
            raise CommandError(f"These open under neither key and were left as they are: {names}.")
        self.stdout.write(
            f"{sum(resealed.values())} values were sealed anew. Run this once more when every process uses the new key; "
            "when it says 0, RIGHTSKEEP_KEK_PREVIOUS can go."
        )
