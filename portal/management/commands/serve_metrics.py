"""`manage.py serve_metrics`: answer Prometheus where RIGHTSKEEP_METRICS says. `script/server` runs it by itself."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.metrics import make_server


class Command(BaseCommand):
    help = "Serve /metrics at the address of RIGHTSKEEP_METRICS, until told to stop."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.METRICS is None:
            raise CommandError("RIGHTSKEEP_METRICS does not say where to serve metrics.")
        host, port = settings.METRICS
        try:
            server = make_server(host, port)
        except OSError as error:
            raise CommandError(
                f"Metrics cannot be served at {host}, port {port}: {error.strerror}."
            ) from error
        server.serve_forever()
