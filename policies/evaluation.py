"""The rules of rights (product.md section 3) as pure computation: no database, no clock, no request.

`evaluate` is the one decision of the product. `licensing.decision` gathers the facts and calls it; pages that explain
who may open what call it with the same facts.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rms.rights import ALL_RIGHTS, OWNER


class Outcome(StrEnum):
    """How an attempt to open ends."""

    GRANTED = "granted"
    DENIED = "denied"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NEEDS_FACTOR = "needs factor"


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights for one principal, written as in protocol.md 1.4 and resolved to ids."""

    principal: str
    rights: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides about one document: grants, content expiry (UTC, exclusive), offline days (None: no own limit), and
    whether people outside the organization need a second factor.
    """

    grants: tuple[Grant, ...]
    expires_at: datetime | None
    offline_days: int | None
    outsiders_need_factor: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """The person who asks, as the document's organisation sees them."""

    addresses: frozenset[str]
    domains: frozenset[str]
    groups: frozenset[uuid.UUID]
    is_member: bool
    home_tenant_id: uuid.UUID | None
    is_issuer: bool = False
    is_owner: bool = False
    is_super_user: bool = False
    has_factor: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome with what follows from it. `rights` is empty unless granted.

    `license_until` is when the use license ends (UTC); `offline` whether it may be kept until then.
    """

    outcome: Outcome
    rights: tuple[str, ...] = ()
    license_until: datetime | None = None
    content_until: datetime | None = None
    offline: bool = False
    offline_days: int = 0


def evaluate(
    policy: Policy, subject: Subject, *, revoked: bool, now: datetime, max_license_days: int
) -> Verdict:
    """Decide one attempt. Expiry, revocation and a missing second factor are told only to those who would otherwise
    have access.
    """
    rights = rights_of(policy.grants, subject)
    if not rights:
        return Verdict(Outcome.DENIED)
    if revoked and not (subject.is_issuer or subject.is_super_user):
        return Verdict(Outcome.REVOKED)
    exempt = subject.is_issuer or subject.is_owner or subject.is_super_user
    if policy.expires_at is not None and policy.expires_at <= now and not exempt:
        return Verdict(Outcome.EXPIRED)
    if policy.outsiders_need_factor and not (subject.is_member or subject.has_factor or exempt):
        return Verdict(Outcome.NEEDS_FACTOR)
    days = max_license_days
    if policy.offline_days is not None and not exempt:
        days = min(days, policy.offline_days)
    until = now + timedelta(days=days)
    if policy.expires_at is not None and not exempt:
        until = min(until, policy.expires_at)
    return Verdict(Outcome.GRANTED, rights, until, policy.expires_at, offline=days > 0, offline_days=days)


def rights_of(grants: Iterable[Grant], subject: Subject) -> tuple[str, ...]:
    """The union of all grants that reach `subject`; full control for issuer, owner and super user."""
    if subject.is_issuer or subject.is_owner or subject.is_super_user:
        return ALL_RIGHTS
    held = dict.fromkeys(
        right for grant in grants if reaches(grant.principal, subject) for right in grant.rights
    )
    return ALL_RIGHTS if OWNER in held else tuple(held)


def reaches(principal: str, subject: Subject) -> bool:
    """Whether a grant to `principal` reaches `subject`. What is not understood reaches nobody."""
    if principal == "anyone":
        return True
    if principal == "members":
        return subject.is_member
    if principal == "owner":
        return subject.is_owner
    if principal.startswith("group:"):
        return _parse_id(principal[6:]) in subject.groups
    if principal.startswith("tenant:"):
        wanted = _parse_id(principal[7:])
        return wanted is not None and wanted == subject.home_tenant_id
    if principal.startswith("@"):
        return principal[1:].lower() in subject.domains
    return principal.lower() in subject.addresses


def _parse_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
