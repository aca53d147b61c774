"""Proofs of daily log files: the installation's signature under what a day's file is, and where it stands in its log.

Whoever keeps a downloaded file with its proof can show years later, without this server, that nothing in it was altered,
and that between two days nothing is missing. It is the anchor of the chain outside the database.
"""

import datetime as dt
import hashlib
import uuid

from django.conf import settings

from administration.statements import sign
from audit.aggregation import closed_day
from audit.models import scope_of
from audit.w3c import HEADER
from rms.daily_log import PROOF_TYPE, DayProof, Part


def prove_day(tenant_id: uuid.UUID | None, day: dt.date) -> str | None:
    """The signed proof of a UTC day's file; None when the day is not closed yet, or had no calls."""
    segments = closed_day(tenant_id, day)
    if not segments:
        return None
    proof = DayProof(
        issuer=settings.PUBLIC_URL,
        log=scope_of(tenant_id),
        day=day,
        header_rows=HEADER.count("\n"),
        header_sha256=hashlib.sha256(HEADER.encode()).hexdigest(),
        parts=tuple(
            Part(segment.number, segment.rows, segment.sha256, segment.chain) for segment in segments
        ),
    )
    return sign(proof.to_claims(), PROOF_TYPE)
