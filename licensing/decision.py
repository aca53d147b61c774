"""The decision of product.md section 3: facts are gathered here, `policies.evaluation` computes."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from keys import custody
from keys import errors as key_errors
from licensing.errors import (
    BadInputError,
    KeyDestroyedError,
    KeyDisabledError,
    KeyHeldError,
    ServerFaultError,
)
from licensing.sealing_key import UNUSABLE
from licensing.wire import OUTSIDERS_NEED_FACTOR
from policies.evaluation import Grant, Outcome, Policy, Subject, Verdict, evaluate, overridden
from policies.models import TemplateVersion
from policies.publishing import load_version, policy_of
from rms.errors import FormatError, SealError
from rms.xrml import OpenedLicense, PublishingLicense, open_license, parse_license
from tenants.identity import SECOND_FACTOR, Caller, standing_of
from tracking.registry import DocumentState, state_of

DISABLED = "The key of this document is disabled at the moment, so it cannot be opened."
DESTROYED = "The key of this document was destroyed, so it cannot be opened any more."
NOT_OURS = "This license was altered, or it was not issued by this service."


@dataclass(frozen=True, slots=True)
class Recognized:
    """A license that verifies, was issued by one of our tenants' keys and names that tenant."""

    license: PublishingLicense
    key: custody.KeyHandle
    state: DocumentState
    # What opens it: the license's own key, or another one to which the register has sealed it anew.
    opener: custody.KeyHandle

    def decrypt(self, block: bytes) -> bytes:
        """Undo RSA-OAEP of the license's block, or of the register's. Raises as `KeyHandle.decrypt`."""
        resealed = self.state.resealed
        return self.opener.decrypt(resealed.block if resealed and self.opener is not self.key else block)

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
    except key_errors.KeyUnavailableError as error:
        raise ServerFaultError(UNUSABLE) from error
    if key is None or license.tenant_id != key.tenant_id:
        raise BadInputError(NOT_OURS)
    state = state_of(license, key)
    return Recognized(license, key, state, _opener(key, state))


def _opener(key: custody.KeyHandle, state: DocumentState) -> custody.KeyHandle:
    """The key to open a license with: its own, or the one to which the register has sealed what it keeps of it."""
    if state.resealed is None:
        return key
    try:
        return custody.find_key(state.resealed.fingerprint) or key
    except key_errors.KeyUnavailableError:
        return key


def decide(recognized: Recognized, caller: Caller, *, now: datetime) -> Decision:
    """Open the license and decide what `caller` may do with its content. The tenant must be active already.

    Raises `BadInputError` when the sealed part does not belong to this license, a `KeptShutError` when its key opens for
    nobody, `ServerFaultError` when the key cannot be used.
    """
    license, state = recognized.license, recognized.state
    try:
        opened = open_license(license, decrypt=recognized.decrypt)
    except SealError as error:
        raise BadInputError(NOT_OURS) from error
    except key_errors.KeyDestroyedError as error:
        raise KeyDestroyedError(DESTROYED) from error
    except key_errors.KeyDisabledError as error:
        raise KeyDisabledError(DISABLED) from error
    except key_errors.KeyHeldError as error:
        raise KeyHeldError("The organization keeps its key to itself at the moment.") from error
    except key_errors.KeyUnavailableError as error:
        raise ServerFaultError(UNUSABLE) from error
    version = _version_of(state)
    rights = opened.rights
    if version is not None:
        policy = policy_of(version, published_at=license.issued_at)
    else:
        grants = tuple(Grant(grant.principal, grant.rights) for grant in rights.grants)
        needs_factor = any(name == OUTSIDERS_NEED_FACTOR for name, _ in license.application_data)
        policy = overridden(
            Policy(grants, rights.expires_at, rights.offline_days, needs_factor), state.overrides
        )
    subject = subject_of(caller, recognized.tenant_id, issuer_id=rights.issuer_id, owner_id=rights.owner_id)
    facts: dict[str, Any] = {"revoked": state.revoked, "now": now, "max_license_days": state.max_license_days}
    verdict = evaluate(policy, subject, **facts)
    by_power = False
    if subject.is_super_user:
        without = evaluate(policy, replace(subject, is_super_user=False), **facts)
        by_power = without.outcome is not Outcome.GRANTED or without.rights != verdict.rights
    return Decision(recognized, opened, version, policy, subject, verdict, by_power)


def subject_of(
    caller: Caller, tenant_id: uuid.UUID, *, issuer_id: uuid.UUID | None, owner_id: uuid.UUID | None
) -> Subject:
    """How `caller` stands towards a document of the organization `tenant_id`."""
    standing = standing_of(caller, tenant_id)
    return Subject(
        addresses=standing.addresses,
        domains=standing.domains,
        groups=standing.groups,
        is_member=standing.is_member,
        home_tenant_id=standing.home_tenant_id,
        is_issuer=issuer_id in standing.ids,
        is_owner=owner_id in standing.ids,
        is_super_user=standing.is_super_user,
        # Of programs the token says so, of browsers their session; one that was used and then taken away counts no more.
        used_factor=standing.has_factor and SECOND_FACTOR in caller.scopes,
    )


def is_known_to_be_let_in(recognized: Recognized, caller: Caller, *, now: datetime) -> bool:
    """Whether `caller` may be told why a license opens for nobody, as far as that shows while it cannot be opened.

    That is the organization's own people, and whom the document's template lets in. Who was named in the license itself
    is sealed in it.
    """
    state = recognized.state
    subject = subject_of(caller, recognized.tenant_id, issuer_id=None, owner_id=None)
    version = _version_of(state)
    if subject.is_member or version is None:
        return subject.is_member
    policy = policy_of(version, published_at=recognized.license.issued_at)
    limits: dict[str, Any] = {"revoked": state.revoked, "max_license_days": state.max_license_days}
    return evaluate(policy, subject, now=now, **limits).outcome is Outcome.GRANTED


def _version_of(state: DocumentState) -> TemplateVersion | None:
    return None if state.template_version_id is None else load_version(state.template_version_id)
