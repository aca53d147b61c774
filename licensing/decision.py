"""The decision of product.md section 3: facts are gathered here, `policies.evaluation` computes."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from keys import custody
from keys.errors import KeyUnavailableError
from licensing.errors import BadInputError, ServerFaultError
from licensing.wire import OUTSIDERS_NEED_FACTOR
from policies.evaluation import Grant, Outcome, Policy, Subject, Verdict, evaluate
from policies.models import TemplateVersion
from policies.publishing import load_version, policy_of
from rms.errors import FormatError, SealError
from rms.xrml import OpenedLicense, PublishingLicense, open_license, parse_license
from tenants.identity import Caller, standing_of
from tracking.registry import DocumentState, state_of

NOT_OURS = "This license was altered, or it was not issued by this service."


@dataclass(frozen=True, slots=True)
class Recognized:
    """A license that verifies, was issued by one of our tenants' keys and names that tenant."""

    license: PublishingLicense
    key: custody.KeyHandle
    state: DocumentState

    @property
    def tenant_id(self) -> uuid.UUID:
        return self.key.tenant_id


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided and everything it was decided from."""

    recognized: Recognized
    opened: OpenedLicense
    version: TemplateVersion | None
    policy: Policy
    subject: Subject
    verdict: Verdict
    by_power: bool = False  # granted, and only because the caller is a super user


def recognize(data: bytes) -> Recognized:
    """Verify a license and find its key and tenant. Raises `BadInputError`; then nothing in it may be believed."""
    try:
        license = parse_license(data)
    except FormatError as error:
        raise BadInputError(str(error)) from error
    if license.is_chained:
        raise BadInputError("Licenses issued by a client's own certificate are not accepted by this service.")
    try:
        key = custody.find_key(license.fingerprint)
    except KeyUnavailableError as error:
        raise ServerFaultError("The organization's key cannot be used at the moment.") from error
    if key is None or license.tenant_id != key.tenant_id:
        raise BadInputError(NOT_OURS)
    return Recognized(license, key, state_of(key.tenant_id, license.content_id, license.descriptor_id))


def decide(recognized: Recognized, caller: Caller, *, now: datetime) -> Decision:
    """Open the license and decide what `caller` may do with its content. The tenant must be active already.

    Raises `BadInputError` when the sealed part does not belong to this license.
    """
    license, state = recognized.license, recognized.state
    try:
        opened = open_license(license, decrypt=recognized.key.decrypt)
    except SealError as error:
        raise BadInputError(NOT_OURS) from error
    version = None if state.template_version_id is None else load_version(state.template_version_id)
    rights = opened.rights
    if version is not None:
        policy = policy_of(version, published_at=license.issued_at)
    else:
        grants = tuple(Grant(grant.principal, grant.rights) for grant in rights.grants)
        needs_factor = any(name == OUTSIDERS_NEED_FACTOR for name, _ in license.application_data)
        policy = Policy(grants, rights.expires_at, rights.offline_days, needs_factor)
    standing = standing_of(caller, recognized.tenant_id)
    subject = Subject(
        addresses=standing.addresses,
        domains=standing.domains,
        groups=standing.groups,
        is_member=standing.is_member,
        home_tenant_id=standing.home_tenant_id,
        is_issuer=rights.issuer_id == caller.id,
        is_owner=rights.owner_id == caller.id,
        is_super_user=standing.is_super_user,
        has_factor=standing.has_factor,
    )
    facts: dict[str, Any] = {"revoked": state.revoked, "now": now, "max_license_days": state.max_license_days}
    verdict = evaluate(policy, subject, **facts)
    by_power = False
    if subject.is_super_user:
        without = evaluate(policy, replace(subject, is_super_user=False), **facts)
        by_power = without.outcome is not Outcome.GRANTED or without.rights != verdict.rights
    return Decision(recognized, opened, version, policy, subject, verdict, by_power)
