"""An organization's domains, proven and waiting, in one list, as pages and interfaces show them."""

import datetime as dt
import uuid
from dataclasses import dataclass

from tenants import domains
from tenants.domain_records import record_name, record_value
from tenants.models import DomainClaim, Tenant, User, VerifiedDomain

PROVEN = "proven"
MISSING = "missing"
VOUCHED = "vouched"
WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class ListedDomain:
    """`state`: proven, missing (proven, but its record is gone), vouched (for by the operator), waiting (to be proven).

    `result` is the code of what the last look at a waiting one found, empty before the first.
    """

    row: DomainClaim | VerifiedDomain
    state: str
    result: str = ""
    proven_at: dt.datetime | None = None
    lost_since: dt.datetime | None = None

    @property
    def id(self) -> uuid.UUID:
        return self.row.id

    @property
    def domain(self) -> str:
        return self.row.domain

    @property
    def checked_at(self) -> dt.datetime | None:
        return None if self.state == VOUCHED else self.row.checked_at

    @property
    def record_name(self) -> str:
        return record_name(self.row.domain) if self.row.token else ""

    @property
    def record_value(self) -> str:
        return record_value(self.row.token) if self.row.token else ""


def domains_of(tenant: Tenant) -> list[ListedDomain]:
    """All of them by name; there are at most some hundred."""
    held = [_held(row) for row in VerifiedDomain.objects.for_tenant(tenant)]
    waiting = [_waiting(row) for row in DomainClaim.objects.for_tenant(tenant)]
    return sorted(held + waiting, key=lambda entry: entry.domain)


def find_domain(tenant: Tenant, domain_id: uuid.UUID) -> ListedDomain | None:
    """One of the organization's domains; None for an unknown id and for another organization's."""
    held = VerifiedDomain.objects.for_tenant(tenant).select_related("tenant").filter(id=domain_id).first()
    if held is not None:
        return _held(held)
    waiting = DomainClaim.objects.for_tenant(tenant).select_related("tenant").filter(id=domain_id).first()
    return _waiting(waiting) if waiting is not None else None


def check_now(entry: ListedDomain, *, actor: User) -> str:
    """Ask the DNS now, whether the domain is to be proven or was. Returns a code of `domains.SENTENCES`."""
    if isinstance(entry.row, DomainClaim):
        return domains.check(entry.row, actor=actor)
    return domains.recheck(entry.row)


def remove(entry: ListedDomain, *, actor: User) -> None:
    """Take the domain off the list; a proven one is given up."""
    if isinstance(entry.row, DomainClaim):
        domains.withdraw(entry.row, actor=actor)
    else:
        domains.release(entry.row, actor=actor)


def _held(row: VerifiedDomain) -> ListedDomain:
    state = VOUCHED if not row.token else MISSING if row.lost_since else PROVEN
    return ListedDomain(row, state, proven_at=row.proven_at, lost_since=row.lost_since)


def _waiting(row: DomainClaim) -> ListedDomain:
    return ListedDomain(row, WAITING, row.result)
