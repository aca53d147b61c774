"""The service's signature on a protected file: who protected it, when, and the tree hash of what (protocol.md 5)."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.utils import timezone

from keys.custody import hold_active
from keys.errors import KeyNoLongerActiveError, KeyUnavailableError
from licensing.calls import Call
from licensing.decision import Decision, decide, is_known_to_be_let_in, recognize
from licensing.errors import (
    BadInputError,
    DeviceError,
    KeptShutError,
    ServerFaultError,
    ServiceDisabledError,
)
from licensing.sealing_key import UNUSABLE
from policies.evaluation import Outcome
from rms.integrity import SealedRecord, encode_record
from rms.rights import EDIT, implies
from tracking.models import Document

_REFUSED = "You may not seal this document: that takes its publisher or the right to edit."
_ROOT = re.compile(r"[0-9a-fA-F]{64}")


class SealRefusedError(DeviceError):
    """The caller may not vouch for this document."""


class KeyRolledError(DeviceError):
    """The key that signed the license is archived; the file has to be protected anew."""


def seal_document(call: Call, *, content_id: uuid.UUID, license: bytes, root: str, length: int) -> bytes:
    """Sign and register the integrity record of a file whose ciphertext has the tree hash `root` (hex) and `length`.

    The caller must have issued the license or hold EDIT on it. Returns the record with its signature. One usage row is
    committed, together with the registration when it succeeds. Raises `DeviceError`.
    """
    with one_row(call) as facts:
        if not _ROOT.fullmatch(root) or not 0 <= length < 2**62:
            raise BadInputError("Root is 64 hexadecimal digits, Length the number of encrypted bytes.")
        refused = SealRefusedError(_REFUSED)
        decision = decided(call, facts, content_id=content_id, license=license, refused=refused)
        verdict = decision.verdict
        if verdict.outcome is not Outcome.GRANTED or not implies(verdict.rights, EDIT):
            raise refused
        return _sign_and_register(call, decision, bytes.fromhex(root), length, facts)


@contextmanager
def one_row(call: Call) -> Iterator[dict[str, Any]]:
    """A usage row for whatever is refused inside, unless one was written; it states what was put into the dictionary."""
    facts: dict[str, Any] = {}
    try:
        yield facts
    except DeviceError as error:
        if not call.results:
            call.log(error.log_name, **facts)
        raise


def decided(
    call: Call, facts: dict[str, Any], *, content_id: uuid.UUID, license: bytes, refused: DeviceError
) -> Decision:
    """What the caller may do with the document of a license that was sent for `content_id`.

    Raises `DeviceError`; that is `refused` where the key opens for nobody and the caller is not to know it.
    """
    recognized = recognize(license)
    named = recognized.license
    facts |= {
        "tenant_id": recognized.tenant_id,
        "content_id": named.content_id,
        "owner_email": named.owner_address,
        "file_name": recognized.state.file_name,
        "date_published": named.issued_at,
    }
    if named.content_id != content_id:
        raise BadInputError("The license belongs to another document.")
    if not recognized.state.tenant_active:
        raise ServiceDisabledError("This organization's protection service is switched off.")
    now = timezone.now()
    try:
        return decide(recognized, call.caller, now=now)
    except KeptShutError as error:
        call.log(error.outcome, **facts)
        if is_known_to_be_let_in(recognized, call.caller, now=now):
            raise
        raise refused from error


def _sign_and_register(
    call: Call, decision: Decision, root: bytes, length: int, facts: dict[str, Any]
) -> bytes:
    recognized = decision.recognized
    record = SealedRecord(
        content_id=recognized.license.content_id,
        content_length=length,
        root=root,
        publisher_id=call.caller.id,
        publisher_address=call.caller.address,
        sealed_at=timezone.now().replace(microsecond=0),
        key_fingerprint=recognized.key.fingerprint,
    )
    try:
        signature = recognized.key.sign(record.to_signed_bytes())
        with transaction.atomic():
            hold_active(recognized.key)
            _register(recognized.tenant_id, record)
            call.log("Success", **facts, key_id=recognized.key.id, acting_as_user=_acted_for(decision))
    except KeyNoLongerActiveError as error:
        raise KeyRolledError(
            "The organization's key was changed in between: protect the file again."
        ) from error
    except KeyUnavailableError as error:
        raise ServerFaultError(UNUSABLE) from error
    return encode_record(record, signature)


def _acted_for(decision: Decision) -> str:
    """The owner, when whoever protected in their name seals, too."""
    by_proxy = decision.subject.is_issuer and not decision.subject.is_owner
    return decision.recognized.license.owner_address if by_proxy else ""


def _register(tenant_id: uuid.UUID, record: SealedRecord) -> None:
    changed = Document.objects.filter(tenant_id=tenant_id, content_id=record.content_id).update(
        sealed=True,
        integrity_root=record.root.hex(),
        integrity_length=record.content_length,
        sealed_at=record.sealed_at,
        sealed_by=record.publisher_address,
    )
    if not changed:
        raise BadInputError("This document is not registered here.")
