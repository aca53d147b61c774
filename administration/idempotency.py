"""A creating request that is sent twice creates once: the second gets the answer of the first (ADR 0042).

A key is claimed by a unique row before the work begins, and keeps the answer for a day. Work that was cut off in the
middle is never repeated by us: nobody knows how far it came, so the client is told to look.
"""

import hashlib
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from administration.models import IdempotencyRecord
from tenants.identity import Caller
from tenants.tokens import hash_token

KEPT = timedelta(hours=24)
# No request works longer; one that has no answer by then was cut off.
LONGEST_REQUEST = timedelta(minutes=5)


class IdempotencyError(Exception):
    """A key cannot be honored; the text is for people."""

    status = 409
    code = "request_running"


class RequestRunningError(IdempotencyError):
    """The first request with this key has no answer yet."""


class OutcomeUnknownError(IdempotencyError):
    """The first request with this key was cut off."""

    code = "outcome_unknown"


class SecretNotRepeatedError(IdempotencyError):
    """The first request was answered with a secret."""

    code = "secret_not_repeated"


class KeyReusedError(IdempotencyError):
    """The key came with another request before."""

    status = 422
    code = "idempotency_key_reused"


def claim(caller: Caller, key: str, *, request: str, body: bytes) -> tuple[IdempotencyRecord, bool]:
    """The record of `key`, and whether this request is the first with it and has to do the work.

    Otherwise the record holds the first answer. Raises `IdempotencyError` where there is none to give. Call it outside a
    transaction: the claim has to be seen by others at once.
    """
    key_hash = hash_token(f"{caller.tenant_id}/{caller.id}/{key}")
    digest = hash_token(hashlib.sha256(body).hexdigest())
    IdempotencyRecord.objects.filter(key_hash=key_hash, created_at__lt=timezone.now() - KEPT).delete()
    try:
        with transaction.atomic():
            record = IdempotencyRecord.objects.create(
                tenant_id=caller.tenant_id,
                person_id=caller.id,
                key_hash=key_hash,
                request=request[:300],
                digest=digest,
            )
            return record, True
    except IntegrityError:
        known = IdempotencyRecord.objects.filter(key_hash=key_hash).first()
    if known is None:  # the first one failed in this very moment, and created nothing
        raise RequestRunningError("A request with this Idempotency-Key has just ended. Send it again.")
    _check_answered(known, request=request[:300], digest=digest)
    return known, False


def _check_answered(known: IdempotencyRecord, *, request: str, digest: str) -> None:
    if (known.request, known.digest) != (request, digest):
        raise KeyReusedError(
            "This Idempotency-Key was used for another request. Use a new key for each thing you create."
        )
    if not known.status and timezone.now() - known.created_at < LONGEST_REQUEST:
        raise RequestRunningError("The first request with this Idempotency-Key is still being worked on.")
    if not known.status:
        raise OutcomeUnknownError(
            "The first request with this Idempotency-Key was cut off. Look whether it was carried out; if not, "
            "send it with a new key."
        )
    if known.secret:
        raise SecretNotRepeatedError(
            "The first request with this Idempotency-Key was carried out. Its answer held a secret, which is shown "
            "once and not kept: look for what was created, and have a new secret made for it."
        )


def keep_answer(record: IdempotencyRecord, *, status: int, body: str, secret: bool) -> None:
    """Remember what the first request was answered; of a `secret` answer only that there was one."""
    IdempotencyRecord.objects.filter(id=record.id).update(
        status=status, body="" if secret else body, secret=secret
    )


def release(record: IdempotencyRecord) -> None:
    """The request was refused and created nothing: its key may be used again, also for a corrected request."""
    IdempotencyRecord.objects.filter(id=record.id).delete()


def forget_old() -> None:
    """Remove what is older than a day."""
    IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
