"""A file's license issued anew under the active key, and its integrity record signed anew (protocol.md 5).

Nothing that is signed here comes from the caller: it is what the organization's own key signed before, under its new key.
"""

import uuid
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from administration.seal import decided, one_row
from keys.custody import KeyHandle, hold_active
from licensing.calls import Call
from licensing.decision import NOT_OURS, Decision, Recognized
from licensing.errors import BadInputError, DeviceError
from licensing.sealing_key import issuer_of, with_active_key
from policies.evaluation import Outcome
from rms.errors import FormatError
from rms.integrity import IntegrityState, SealedRecord, decode_record, encode_record, verify_record
from rms.rights import EDIT, implies
from rms.xrml import Terms, issue_license, parse_license
from tenants.models import Tenant
from tracking.resealing import MAX_LICENSES, TooManyLicensesError, UnknownLicenseError, keep_reissued

_REFUSED = "You may not seal this document to another key: that takes its publisher, its owner, the right to edit or a super user."
UNKNOWN = "This license is not in the register, so it cannot be issued anew."


class ResealRefusedError(DeviceError):
    """The caller may not have this license issued anew."""


class AccessRevokedError(DeviceError):
    """Access to the document was revoked."""


class ContentExpiredError(DeviceError):
    """The document has expired."""


class FileAlteredError(DeviceError):
    """The integrity record is not the one that belongs to the file."""


class LicensesUsedUpError(DeviceError):
    """The document has as many licenses under the active key as one may have."""


@dataclass(frozen=True, slots=True)
class Reissued:
    """The fingerprint of the active key, with the new license and record; no license when it is under that key already."""

    fingerprint: str
    license: bytes | None = None
    record: bytes | None = None


def reissue_license(call: Call, *, content_id: uuid.UUID, license: bytes, record: bytes | None) -> Reissued:
    """Issue the license of a protected file anew under the active key: same content key, policy, people and times.

    `record` is the file's integrity record, where it has one. The caller must be the document's issuer or owner, a super
    user, or hold EDIT on it, and the register must know the license. One usage row is committed, together with the new
    license. Raises `DeviceError`.
    """
    with one_row(call) as facts:
        refused = ResealRefusedError(_REFUSED)
        decision = decided(call, facts, content_id=content_id, license=license, refused=refused)
        _check_may(decision, refused)
        recognized = decision.recognized
        facts |= {"issuer": decision.opened.rights.issuer_address, "admin_action": decision.by_power}
        sealed = _checked_record(recognized, record)
        tenant = Tenant.objects.get(id=recognized.tenant_id)
        return with_active_key(tenant, lambda key: _reissue(call, decision, sealed, tenant, key, facts))


def _check_may(decision: Decision, refused: DeviceError) -> None:
    verdict = decision.verdict
    if verdict.outcome is Outcome.REVOKED:
        raise AccessRevokedError("Access to this document was revoked.")
    if verdict.outcome is Outcome.EXPIRED:
        raise ContentExpiredError("This document has expired.")
    if verdict.outcome is not Outcome.GRANTED or not implies(verdict.rights, EDIT):
        raise refused


def _checked_record(recognized: Recognized, data: bytes | None) -> SealedRecord | None:
    """The record that the organization's key signed for this very license and the registered content.

    None for a file that never had one. Raises `FileAlteredError`.
    """
    license, root = recognized.license, recognized.state.integrity_root
    if data is None:
        if license.sealed or root:
            raise FileAlteredError(
                "This document has an integrity record, and the file has none: it was altered."
            )
        return None
    try:
        record, _ = decode_record(data)
    except FormatError as error:
        raise FileAlteredError(str(error)) from error
    state = verify_record(data, license, record.root, record.content_length).state
    if state is not IntegrityState.UNALTERED or root not in ("", record.root.hex()):
        raise FileAlteredError("The integrity record does not belong to this document as it is registered.")
    return record


def _reissue(
    call: Call,
    decision: Decision,
    record: SealedRecord | None,
    tenant: Tenant,
    key: KeyHandle,
    facts: dict[str, Any],
) -> Reissued:
    recognized = decision.recognized
    if key.id == recognized.key.id:
        call.log("Success", **facts, key_id=key.id)
        return Reissued(key.fingerprint)
    if not recognized.state.registered:
        raise BadInputError(UNKNOWN)
    try:
        raw = issue_license(
            _terms(decision), issuer_of(tenant, key), decision.opened.content_key, sign=key.sign
        )
    except ValueError as error:
        raise BadInputError(str(error)) from error
    encoded = None
    if record is not None:
        anew = replace(record, key_fingerprint=key.fingerprint)
        encoded = encode_record(anew, key.sign(anew.to_signed_bytes()))
    try:
        with transaction.atomic():
            hold_active(key)
            keep_reissued(recognized.license, recognized.key, parse_license(raw), key)
            call.log("Success", **facts, key_id=key.id)
    except UnknownLicenseError as error:
        raise BadInputError(UNKNOWN) from error
    except TooManyLicensesError as error:
        raise LicensesUsedUpError(
            f"{MAX_LICENSES} files of this document were sealed to the active key already."
        ) from error
    return Reissued(key.fingerprint, raw, encoded)


def _terms(decision: Decision) -> Terms:
    """What the license says, word for word. Raises `BadInputError` for what the service never wrote."""
    license = decision.recognized.license
    if license.descriptor_id is None:
        raise BadInputError(NOT_OURS)
    return Terms(
        content_id=license.content_id,
        issued_at=license.issued_at,
        descriptor_id=license.descriptor_id,
        descriptor_version=license.descriptor_version,
        names=license.names,
        rights=decision.opened.rights,
        owner_address=license.owner_address,
        valid_until=license.valid_until,
        referral=license.referral,
        signed_application_data=license.application_data,
        sealed=license.sealed,
    )
