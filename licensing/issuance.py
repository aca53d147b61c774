"""Use licenses: one attempt to open a document, decided, logged, answered (protocol.md 1.5)."""

from typing import Any

from django.conf import settings
from django.utils import timezone

from licensing.calls import Call
from licensing.decision import Decision, Recognized, decide, is_known_to_be_let_in, recognize
from licensing.errors import DeviceError, KeptShutError, ServiceDisabledError
from licensing.languages import best_name
from licensing.wire import guid, key_object, time
from policies.evaluation import Outcome
from policies.publishing import localized
from rms.rights import OWNER, VIEWRIGHTSDATA
from tenants.membership import TRACK_ALL, holds
from tracking.registry import note_unregistered

_RESULTS = {
    Outcome.GRANTED: "Success",
    Outcome.DENIED: "AccessDenied",
    Outcome.REVOKED: "AccessRevoked",
    Outcome.EXPIRED: "ContentExpired",
    Outcome.NEEDS_FACTOR: "AccessDenied",
}


def issue_use_license(call: Call, license: bytes) -> dict[str, Any]:
    """Decide whether the caller may open the content of `license` (raw bytes) and return the answer as sent.

    Exactly one usage row is committed before this returns or raises `DeviceError`.
    """
    try:
        recognized = recognize(license)
    except DeviceError as error:
        call.log(error.log_name)
        raise
    facts = _facts(recognized)
    try:
        if not recognized.state.tenant_active:
            raise ServiceDisabledError("This organization's protection service is switched off.")
        decision = decide(recognized, call.caller, now=timezone.now())
    except KeptShutError as error:
        call.log(error.outcome, **facts)
        return _kept_shut(call, recognized, error.reason)
    except DeviceError as error:
        call.log(error.log_name, **facts)
        raise
    if not recognized.state.registered:
        note_unregistered(recognized.tenant_id, recognized.key.id, recognized.license.content_id)
    outcome = decision.verdict.outcome
    answer = _granted(call, decision) if outcome is Outcome.GRANTED else _refused(call, decision)
    call.log(
        _RESULTS[outcome],
        **facts,
        issuer=decision.opened.rights.issuer_address,
        key_id=recognized.opener.id,
        admin_action=decision.by_power,
        acting_as_user=_acted_for(decision),
    )
    return answer


def _acted_for(decision: Decision) -> str:
    """The owner, when a super user opens somebody else's document by that power."""
    by_proxy = decision.by_power and not decision.subject.is_owner
    return decision.recognized.license.owner_address if by_proxy else ""


def _facts(recognized: Recognized) -> dict[str, Any]:
    license, state = recognized.license, recognized.state
    return {
        "tenant_id": recognized.tenant_id,
        "content_id": license.content_id,
        "owner_email": license.owner_address,
        "template_id": license.descriptor_id if state.template_version_id is not None else None,
        "file_name": state.file_name,
        "date_published": license.issued_at,
    }


def _refusal(call: Call, recognized: Recognized) -> dict[str, Any]:
    """A refusal repeats only what stands in the verified license, which the caller already has."""
    license = recognized.license
    name, _ = best_name(license.names, call.languages)
    return {
        "AccessStatus": "AccessDenied",
        "Id": guid(license.descriptor_id or license.content_id),
        "Name": name,
        "Referrer": license.referral or "",
        "Rights": [],
    }


def _kept_shut(call: Call, recognized: Recognized, reason: str) -> dict[str, Any]:
    """Those who would be let in are told why they are not; for everybody else it is the refusal they know."""
    answer = _refusal(call, recognized)
    if is_known_to_be_let_in(recognized, call.caller, now=timezone.now()):
        answer["Reason"] = reason
    return answer


def _refused(call: Call, decision: Decision) -> dict[str, Any]:
    outcome = decision.verdict.outcome
    answer = _refusal(call, decision.recognized)
    if outcome is Outcome.EXPIRED:
        answer |= {"AccessStatus": "ContentExpired", "Reason": "expired"}
    elif outcome is Outcome.REVOKED:
        answer["Reason"] = "revoked"
    elif outcome is Outcome.NEEDS_FACTOR:
        answer["Reason"] = "second factor"
        answer["SetUpAt"] = f"{settings.PUBLIC_URL}/accounts/2fa/"
    elif holds(call.caller, decision.recognized.tenant_id, TRACK_ALL):
        answer["Reason"] = "not granted"
    return answer


def _granted(call: Call, decision: Decision) -> dict[str, Any]:
    license, verdict, rights = decision.recognized.license, decision.verdict, decision.opened.rights
    if decision.version is not None:
        current = localized(decision.version, list(call.languages))
        name, description = current.name, current.description
    else:
        name, description = best_name(license.names, call.languages)
    answer: dict[str, Any] = {
        "AccessStatus": "AccessGranted",
        "Id": guid(license.descriptor_id or license.content_id),
        "Name": name,
        "Description": description,
        "Owner": rights.owner_address,
        "IssuedTo": call.caller.address,
        "Referrer": license.referral or "",
        "ContentId": guid(license.content_id),
        "Key": key_object(decision.opened.content_key),
        "Rights": list(verdict.rights),
        "Roles": [],
        "FromTemplate": decision.version is not None,
        "LicenseValidUntil": time(verdict.license_until) if verdict.license_until else None,
        "allowOfflineAccess": verdict.offline,
        "SignedApplicationData": dict(license.application_data),
        "EncryptedApplicationData": dict(rights.encrypted_application_data),
    }
    if verdict.content_until is not None:
        answer["ContentValidUntil"] = time(verdict.content_until)
    if decision.recognized.state.integrity_root:
        answer["IntegrityRoot"] = decision.recognized.state.integrity_root
    if decision.subject.is_owner or OWNER in verdict.rights or VIEWRIGHTSDATA in verdict.rights:
        answer["Policy"] = {
            "AllowAuditedExtraction": rights.allow_audited_extraction,
            "IntervalTimeInDays": verdict.offline_days,
            "UserRights": [
                {"Users": [grant.principal], "Rights": list(grant.rights)}
                for grant in (*decision.policy.grants, *decision.policy.decided)
                if grant.rights
            ],
            "UserRoles": [],
        }
    return answer
