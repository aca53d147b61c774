"""The rules of rights (product.md section 3) as pure computation: no database, no clock, no request.

`evaluate` is the one decision of the product. `licensing.decision` gathers the facts and calls it; pages that explain
who may open what call it with the same facts.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from rms.rights import ALL_RIGHTS, OWNER
from tenants.domain_names import canonical_address, canonical_domain


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
    whether people outside the organization have to use a second factor.

    `decided` is what was decided later for single addresses (see `overridden`): whoever holds one of them has exactly
    that, which may be nothing, whatever else reaches them.
    """

    grants: tuple[Grant, ...]
    expires_at: datetime | None
    offline_days: int | None
    outsiders_need_factor: bool = False
    decided: tuple[Grant, ...] = ()


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
    used_factor: bool = False


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
    rights = rights_of(policy, subject)
    if not rights:
        return Verdict(Outcome.DENIED)
    if revoked and not (subject.is_issuer or subject.is_super_user):
        return Verdict(Outcome.REVOKED)
    exempt = subject.is_issuer or subject.is_owner or subject.is_super_user
    if policy.expires_at is not None and policy.expires_at <= now and not exempt:
        return Verdict(Outcome.EXPIRED)
    if policy.outsiders_need_factor and not (subject.is_member or subject.used_factor or exempt):
        return Verdict(Outcome.NEEDS_FACTOR)
    days = max_license_days
    if policy.offline_days is not None and not exempt:
        days = min(days, policy.offline_days)
    until = now + timedelta(days=days)
    if policy.expires_at is not None and not exempt:
        until = min(until, policy.expires_at)
    return Verdict(Outcome.GRANTED, rights, until, policy.expires_at, offline=days > 0, offline_days=days)


def rights_of(policy: Policy, subject: Subject) -> tuple[str, ...]:
    """The union of all grants that count for `subject`; full control for issuer, owner and super user."""
    if subject.is_issuer or subject.is_owner or subject.is_super_user:
        return ALL_RIGHTS
    held = dict.fromkeys(right for grant in counting(policy, subject) for right in grant.rights)
    return ALL_RIGHTS if OWNER in held else tuple(held)


def counting(policy: Policy, subject: Subject) -> tuple[Grant, ...]:
    """The grants that count for `subject`: what was decided for their addresses, else all that reach them."""
    decided = tuple(
        grant for grant in policy.decided if canonical_address(grant.principal) in subject.addresses
    )
    return decided or tuple(grant for grant in policy.grants if reaches(grant.principal, subject))


def overridden(policy: Policy, overrides: Mapping[str, Sequence[str]]) -> Policy:
    """`policy` with the rights that `overrides` gives to principals, nothing included.

    For an address this decides about its holder; for anything wider (a group, a domain) it replaces that grant only.
    """
    if not overrides:
        return policy
    changed = tuple(Grant(principal, tuple(rights)) for principal, rights in overrides.items())
    kept = tuple(grant for grant in policy.grants if grant.principal not in overrides)
    wider = tuple(grant for grant in changed if grant.rights and not is_address(grant.principal))
    decided = tuple(grant for grant in changed if is_address(grant.principal))
    return replace(policy, grants=kept + wider, decided=decided)


def is_address(principal: str) -> bool:
    """Whether a principal is one mail address, and nothing wider."""
    return "@" in principal[1:] and not principal.startswith(("group:", "tenant:"))


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
        return canonical_domain(principal[1:]) in subject.domains
    return canonical_address(principal) in subject.addresses


def _parse_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
