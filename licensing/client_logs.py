"""Logs that devices send: kept, cut to a size, for the organization's support bundle (protocol.md 1.6)."""

from django.db import transaction

from audit.models import ClientLog
from licensing.calls import Call

MAX_STORED = 1024 * 1024


def store(call: Call, *, kind: str, body: bytes) -> None:
    """Keep at most 1 MiB of a client's log, with the usage row of the call in the same transaction."""
    text = body[:MAX_STORED].decode("utf-8", "replace").replace("\x00", "�")
    with transaction.atomic():
        ClientLog.objects.create(
            tenant_id=call.caller.tenant_id, person_id=call.caller.id, kind=kind, body=text
        )
        call.log("Success")
