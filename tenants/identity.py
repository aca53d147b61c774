"""Who is asking, and what is known about them: the facts that grants are matched against."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from tenants.domain_names import canonical_address, canonical_domain
from tenants.freshness import FactCache
from tenants.models import SuperUserAppointment, Tenant, User, VerifiedDomain

# What a token carries whose person used a second factor to get it. No client is registered with this scope, so none can
# ask for it: `portal.devices` adds it.
SECOND_FACTOR = "second-factor"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated person or service. `id` is immutable; `address` is only how they are called."""

    id: uuid.UUID
    address: str
    name: str
    tenant_id: uuid.UUID | None
    scopes: frozenset[str] = frozenset()
    is_service: bool = False
    protects_for_others: bool = False
    licensed: bool = False

    @property
    def is_authenticated(self) -> bool:
        return True

    @classmethod
    def of(cls, user: User, *, scopes: frozenset[str] = frozenset()) -> "Caller":
        return cls(
            id=user.id,
            address=user.email,
            name=user.get_full_name(),
            tenant_id=user.tenant_id,
            scopes=scopes,
            licensed=user.licensed,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """What one organisation knows of one caller: verified addresses, its groups that contain them, its powers.

    `ids`: the caller's own id, and those of accounts of this organization that were merged into theirs. Issuer and owner
    of a document are compared with these.
    """

    addresses: frozenset[str]
    groups: frozenset[uuid.UUID]
    is_member: bool
    home_tenant_id: uuid.UUID | None
    is_super_user: bool
    has_factor: bool = False
    ids: frozenset[uuid.UUID] = frozenset()

    @property
    def domains(self) -> frozenset[str]:
        return frozenset(domain_of(address) for address in self.addresses)


_standings: FactCache = FactCache(20_000)

# How to get from groups to those around them: by the index, one group after the other. Left to itself PostgreSQL reads
# all nestings at each step, because it cannot know how few groups somebody is in.
_UPWARDS = {
    "postgresql": """SELECT n.parent_id FROM within w CROSS JOIN LATERAL
    (SELECT parent_id FROM tenants_groupnesting WHERE child_id = w.id OFFSET 0) n""",
    "sqlite": "SELECT n.parent_id FROM tenants_groupnesting n JOIN within w ON n.child_id = w.id",
}


def groups_within() -> str:
    """The beginning of a statement: `within(id)`, the groups around %(person)s, nested ones included, each once."""
    return f"""WITH RECURSIVE within(id) AS (
  SELECT group_id FROM tenants_groupmember WHERE user_id = %(person)s
  UNION
  {_UPWARDS[connection.vendor]}
)"""  # noqa: S608  (constants only)


# One statement for everything: addresses, the home organisation's domains, groups (nested, each visited once), power.
_STANDING = """
{within}
SELECT 'address', email, CASE WHEN verified THEN 1 ELSE 0 END FROM account_emailaddress WHERE user_id = %(person)s
UNION ALL
SELECT 'domain', domain, 0 FROM tenants_verifieddomain WHERE tenant_id = %(home)s
UNION ALL
SELECT 'group', CAST(w.id AS VARCHAR(36)), 0 FROM within w
  WHERE (SELECT g.tenant_id FROM tenants_group g WHERE g.id = w.id) = %(tenant)s
UNION ALL
SELECT 'super', '', 0 FROM tenants_superuserappointment s JOIN tenants_tenant t ON t.id = s.tenant_id
  WHERE s.tenant_id = %(tenant)s AND t.super_users_enabled
    AND s.since <= %(now)s AND (s.until IS NULL OR s.until > %(now)s)
    AND (s.user_id = %(person)s OR s.group_id IN (SELECT id FROM within))
UNION ALL
SELECT 'merged', CAST(id AS VARCHAR(36)), 0 FROM tenants_user
  WHERE merged_into_id = %(person)s AND tenant_id = %(tenant)s
UNION ALL
SELECT 'factor', '', 0 FROM mfa_authenticator WHERE user_id = %(person)s AND type IN ('totp', 'webauthn')
"""


def standing_of(caller: Caller, tenant_id: uuid.UUID) -> Standing:
    """How `caller` stands with the organisation `tenant_id`; at most five seconds old."""
    known = _standings.get((caller.id, tenant_id))
    if known is None:
        known = _standings[(caller.id, tenant_id)] = _read_standing(caller, tenant_id)
    assert isinstance(known, Standing)
    return known


def _read_standing(caller: Caller, tenant_id: uuid.UUID) -> Standing:
    if caller.is_service:
        return Standing(
            frozenset(), frozenset(), False, caller.tenant_id, _is_super_service(caller, tenant_id),
            ids=frozenset({caller.id}),
        )  # fmt: skip
    parameters = {
        "person": uuid_parameter(caller.id),
        "home": uuid_parameter(caller.tenant_id),
        "tenant": uuid_parameter(tenant_id),
        "now": connection.ops.adapt_datetimefield_value(timezone.now()),
    }
    with connection.cursor() as cursor:
        cursor.execute(_STANDING.format(within=groups_within()), parameters)
        rows = cursor.fetchall()
    proven = {value for kind, value, _ in rows if kind == "domain"}
    is_member = caller.tenant_id == tenant_id
    return Standing(
        addresses=frozenset(
            canonical_address(value)
            for kind, value, verified in rows
            if kind == "address" and (verified or domain_of(value) in proven)
        ),
        groups=frozenset(uuid.UUID(value) for kind, value, _ in rows if kind == "group"),
        is_member=is_member,
        home_tenant_id=caller.tenant_id,
        is_super_user=is_member and any(kind == "super" for kind, _, _ in rows),
        has_factor=any(kind == "factor" for kind, _, _ in rows),
        ids=frozenset({caller.id, *(uuid.UUID(value) for kind, value, _ in rows if kind == "merged")}),
    )


def _is_super_service(caller: Caller, tenant_id: uuid.UUID) -> bool:
    now = timezone.now()
    return (
        caller.tenant_id == tenant_id
        and SuperUserAppointment.objects.filter(
            Q(until=None) | Q(until__gt=now),
            tenant_id=tenant_id,
            tenant__super_users_enabled=True,
            service_id=caller.id,
            since__lte=now,
        ).exists()
    )


def domain_of(address: str) -> str:
    """The domain of a mail address, as it is compared; empty when there is none."""
    return canonical_domain(address.rpartition("@")[2]) if "@" in address else ""


def tenant_of_domain(domain: str) -> Tenant | None:
    """The organisation that has proven `domain`."""
    proof = VerifiedDomain.objects.select_related("tenant").filter(domain=canonical_domain(domain)).first()
    return proof.tenant if proof else None


def find_tenant(text: str) -> Tenant | None:
    """The organization an operator means by a slug, a proven domain or a guid."""
    try:
        return Tenant.objects.filter(id=uuid.UUID(text.strip("{}"))).first()
    except ValueError:
        return Tenant.objects.filter(slug=text.lower()).first() or tenant_of_domain(text)


def person_with_address(tenant: Tenant, address: str) -> User | None:
    """The member of `tenant` who holds `address`, as main address or alias, verified; None for anybody else."""
    address = canonical_address(address)
    for user in User.objects.for_tenant(tenant).filter(emailaddress__email=address, is_active=True):
        if address in standing_of(Caller.of(user), tenant.id).addresses:
            return user
    return None


def uuid_parameter(value: uuid.UUID | None) -> uuid.UUID | str | None:
    """A UUID as a raw statement wants it: SQLite keeps 32 hexadecimal digits, PostgreSQL has a type."""
    if value is None or connection.features.has_native_uuid_field:
        return value
    return value.hex


def uuid_value(value: Any) -> uuid.UUID:
    """A UUID as a raw statement returned it."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def moment_value(value: Any) -> datetime:
    """A time as a raw statement returned it: SQLite keeps none of its zone, which is UTC."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
