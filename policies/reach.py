"""Whom a policy reaches, for a whole organization at once: what `policies.evaluation` says of one person, as a set.

The database computes it; nobody is looked at one by one, so it holds for organizations with 100,000 people. A test
compares both for every kind of grant.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from allauth.account.models import EmailAddress
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.lookups import IsNull

from policies.evaluation import Grant, Policy, is_address
from tenants.domain_names import canonical_address, canonical_domain
from tenants.identity import domain_of, uuid_parameter, uuid_value
from tenants.models import GroupMember, SuperUserAppointment, Tenant, User, VerifiedDomain

_NOBODY = Q(pk__in=())
_INSIDE = """
WITH RECURSIVE inside(id) AS (
  SELECT id FROM tenants_group WHERE tenant_id = %s AND id IN ({wanted})
  UNION
  SELECT n.child_id FROM tenants_groupnesting n JOIN inside i ON n.parent_id = i.id
)
SELECT id FROM inside
"""
# Everybody whom one of two reaches has, each once, with which of them it is: every membership is read once, where counting
# three sets would read most of them three times.
_COUNTS = """
SELECT COALESCE(SUM(able), 0), COALESCE(SUM(able * (1 - was)), 0), COALESCE(SUM(was * (1 - able)), 0) FROM (
  SELECT MAX(r.able) AS able, MAX(r.was) AS was FROM ({people}) p JOIN ({rows}) r ON r.person = p.id GROUP BY p.id
) counted
"""
# From so many on, a list of them is quicker found by going through people in the order of the list.
_MANY = 5_000


@dataclass(frozen=True)
class Case:
    """A policy and how it stands: in which organization, for whose document, revoked or not, at what time.

    For a template as such there is no issuer and no owner.
    """

    tenant: Tenant
    policy: Policy
    now: datetime
    issuer_id: uuid.UUID | None = None
    owner_id: uuid.UUID | None = None
    revoked: bool = False

    @property
    def expired(self) -> bool:
        return self.policy.expires_at is not None and self.policy.expires_at <= self.now

    @cached_property
    def reach(self) -> "_Reach":
        """The people of the organization who can open; looked up once."""
        return _reach_of(self)


@dataclass(frozen=True, slots=True)
class _Reach:
    """A set of people: `ids`, and whoever is in `groups` (all that are inside are named), has an address in one of its own
    `domains`, or simply belongs (`everybody`), except `barred`.

    Single people, and addresses of others' domains, are few and looked up; groups and own domains may hold everybody and
    are left to the database.
    """

    ids: frozenset[uuid.UUID] = frozenset()
    everybody: bool = False
    groups: frozenset[uuid.UUID] = frozenset()
    domains: frozenset[str] = frozenset()
    barred: frozenset[uuid.UUID] = frozenset()

    def inside(self) -> Q:
        """One `IN` over everything, which a database can begin at either end; `OR` would look at every person."""
        if self.everybody:
            return ~Q(pk__in=self.barred) | Q(pk__in=self.ids)
        rows = [part.values(column) for column, part in self.named()]
        if not rows:
            return _NOBODY
        return Q(pk__in=rows[0].union(*rows[1:], all=True) if len(rows) > 1 else rows[0])

    def named(self) -> list[tuple[str, QuerySet[Any]]]:
        """Rows that name whoever is in it, unless everybody is, and by which column."""
        rows = [("user_id", part.exclude(user_id__in=self.barred)) for part in self._parts()]
        return [*rows, ("id", User.objects.filter(id__in=self.ids).order_by())] if self.ids else rows

    def each(self) -> Q:
        """The same as `inside`, asked of one person after the other."""
        if self.everybody:
            return self.inside()
        found = Q(pk__in=self.ids)
        for part in self._parts():
            found |= Q(IsNull(_one_by_one(part.exclude(user_id__in=self.barred)), False))
        return found

    def outside(self, *, one_by_one: bool = False) -> Q:
        """The others. `NOT EXISTS` for each part, because `NOT IN` is slow where it is large."""
        missing = Q()
        for part in self._parts():
            if one_by_one:
                missing &= Q(IsNull(_one_by_one(part), True))
            else:
                missing &= ~Q(Exists(part.filter(user_id=OuterRef("pk"))))
        if self.everybody:
            missing = _NOBODY
        if self.barred and missing:  # without a part, everybody is missing already
            missing |= Q(pk__in=self.barred)
        return missing & ~Q(pk__in=self.ids)

    def _parts(self) -> list[Any]:
        parts: list[Any] = []
        if self.groups:
            parts.append(GroupMember.objects.filter(group_id__in=self.groups))
        if self.domains:
            parts.append(EmailAddress.objects.filter(_at(self.domains)))
        return [part.order_by() for part in parts]


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the people of an organization: how many can open, and by a change of the rules gain or lose that."""

    able: int
    gaining: int = 0
    losing: int = 0


def count_openers(case: Case) -> Counts:
    """How many people of the organization can open now."""
    return _count(case.tenant, case.reach, _Reach())


def count_changes(before: Case, after: Case) -> Counts:
    """How many people of the organization can open `after`, and how many of them not `before` and the other way round."""
    return _count(after.tenant, after.reach, before.reach)


def openers(case: Case, *, count: int = 0) -> QuerySet[User]:
    """The people of the organization who can open now, without order. `count`, if known, says how best to find them."""
    return _people(case.tenant).filter(_found(case.reach, count))


def difference(
    before: Case, after: Case, counts: Counts = Counts(0)
) -> tuple[QuerySet[User], QuerySet[User]]:
    """The people of the organization who can open `after` and not `before`, and the other way round, without order.

    `counts`, if known, say how best to find them.
    """
    then, now = before.reach, after.reach
    people = _people(before.tenant)
    return (
        people.filter(_only(now, then, counts.gaining)),
        people.filter(_only(then, now, counts.losing)),
    )


def listed(case: Case, counts: Counts, *, before: Case | None, which: str) -> QuerySet[User]:
    """The people to show: those "gaining" or "losing" where `before` changes into `case`, else everybody who can open."""
    if before is None or which not in ("gaining", "losing"):
        return openers(case, count=counts.able)
    gaining, losing = difference(before, case, counts)
    return gaining if which == "gaining" else losing


def _only(these: _Reach, those: _Reach, count: int = 0) -> Q:
    """Who is among `these` and not among `those`."""
    if these.barred == those.barred:  # what both name cannot make the difference
        these = _without(these, those)
    return _found(these, count) & those.outside(one_by_one=count > _MANY)


def _found(reach: _Reach, count: int) -> Q:
    return reach.each() if count > _MANY else reach.inside()


def _one_by_one(part: QuerySet[Any]) -> Subquery:
    """A row of `part` about the person at hand. Not `EXISTS`, for which PostgreSQL would gather the whole of `part` first."""
    return Subquery(part.filter(user_id=OuterRef("pk")).values("user_id")[:1])


def _count(tenant: Tenant, now: _Reach, then: _Reach) -> Counts:
    people = _people(tenant).order_by()
    if now.everybody or then.everybody:
        conditions = (now.inside(), _only(now, then), _only(then, now))
        return Counts(*(people.filter(condition).count() for condition in conditions))
    rows = _rows(now, then)
    if rows is None:
        return Counts(0)
    belonging, parameters = people.values("id").query.sql_with_params()
    named, more = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS.format(people=belonging, rows=named), [*parameters, *more])
        return Counts(*map(int, cursor.fetchone()))


def _rows(now: _Reach, then: _Reach) -> QuerySet[Any] | None:
    """Whom either names, with what it says of them: (person, able, was), several times where several parts do."""
    sides = [(now, 1, 0), (then, 0, 1)]
    if now.barred == then.barred:
        both = replace(
            now, ids=frozenset(), groups=now.groups & then.groups, domains=now.domains & then.domains
        )
        sides = [(both, 1, 1), (_without(now, both), 1, 0), (_without(then, both), 0, 1)]
    rows = [
        part.annotate(person=F(column), able=Value(able), was=Value(was)).values_list("person", "able", "was")
        for reach, able, was in sides
        for column, part in reach.named()
    ]
    return rows[0].union(*rows[1:], all=True) if len(rows) > 1 else next(iter(rows), None)


def _without(these: _Reach, those: _Reach) -> _Reach:
    return replace(these, groups=these.groups - those.groups, domains=these.domains - those.domains)


def _people(tenant: Tenant) -> QuerySet[User]:
    return User.objects.for_tenant(tenant).filter(is_active=True)


def outside(policy: Policy, tenant: Tenant) -> list[Grant]:
    """The grants by which others than the people of `tenant` can come in; addresses of its own people are left out."""
    granted = [grant for grant in (*policy.grants, *policy.decided) if grant.rights]
    named = [grant.principal for grant in granted if is_address(grant.principal)]
    own = set(
        EmailAddress.objects.filter(user__tenant=tenant, email__in=named).values_list("email", flat=True)
        if named
        else ()
    )
    return [grant for grant in granted if _lets_others_in(grant.principal, tenant, own)]


def _lets_others_in(principal: str, tenant: Tenant, own: set[str]) -> bool:
    if principal in ("members", "owner") or principal.startswith("group:"):
        return False
    return principal != f"tenant:{tenant.id}" and principal not in own


def _reach_of(case: Case) -> _Reach:
    tenant = case.tenant
    if not tenant.is_active:
        return _Reach()
    exempt = [case.issuer_id] if case.revoked else [case.issuer_id, case.owner_id]
    powerful, powerful_groups = _super_users(tenant, case.now)
    ids = powerful | _accounts({each for each in exempt if each is not None})
    if case.revoked or case.expired:
        return _Reach(ids=ids, groups=_groups_inside(powerful_groups, tenant))
    proven = frozenset(VerifiedDomain.objects.for_tenant(tenant).values_list("domain", flat=True))
    decided = _holders([grant.principal for grant in case.policy.decided], tenant, proven)
    given = _holders([grant.principal for grant in case.policy.decided if grant.rights], tenant, proven)
    granted = [grant.principal for grant in case.policy.grants if grant.rights]
    named = _holders([each for each in granted if is_address(each)], tenant, proven)
    domains = {canonical_domain(each[1:]) for each in granted if each.startswith("@")}
    barred = decided - given
    if barred and powerful_groups:
        ids |= _accounts_in(_groups_inside(powerful_groups, tenant), barred)
    groups = {parsed for each in granted if (parsed := _group_id(each)) is not None} | powerful_groups
    return _Reach(
        ids=ids | given | ((named | _verified_at(domains - proven, tenant)) - decided),
        everybody=bool({"anyone", "members", f"tenant:{tenant.id}"} & set(granted)),
        groups=_groups_inside(groups, tenant),
        domains=proven & domains,
        barred=barred,
    )


def _accounts(people: set[uuid.UUID]) -> frozenset[uuid.UUID]:
    """These people, and whose account one of theirs was merged into."""
    if not people:
        return frozenset()
    merged = User.objects.filter(id__in=people, merged_into__isnull=False)
    into = merged.values_list("merged_into_id", flat=True)
    return frozenset({*people, *into})


def _accounts_in(groups: frozenset[uuid.UUID], people: frozenset[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Those of `people` who are in one of `groups`."""
    rows = GroupMember.objects.filter(group_id__in=groups, user_id__in=people)
    return frozenset(rows.values_list("user_id", flat=True))


def _holders(addresses: list[str], tenant: Tenant, proven: frozenset[str]) -> frozenset[uuid.UUID]:
    """The people of the organization who hold one of `addresses`, so that it counts."""
    if not addresses:
        return frozenset()
    wanted = [canonical_address(address) for address in addresses]
    rows = EmailAddress.objects.filter(email__in=wanted, user__tenant=tenant)
    return frozenset(
        user_id
        for user_id, address, verified in rows.values_list("user_id", "email", "verified")
        if verified or domain_of(address) in proven
    )


def _verified_at(domains: Collection[str], tenant: Tenant) -> frozenset[uuid.UUID]:
    """The people of the organization who have proven an address in one of `domains`, which are not its own."""
    if not domains:
        return frozenset()
    rows = EmailAddress.objects.filter(_at(domains, "iendswith"), verified=True, user__tenant=tenant)
    return frozenset(rows.values_list("user_id", flat=True))


def _at(domains: Collection[str], lookup: str = "endswith") -> Q:
    """Addresses in one of `domains`; they are stored in lower case. Few are found by the index of `iendswith`, if there is."""
    found = _NOBODY
    for domain in sorted(domains):
        found |= Q(**{f"email__{lookup}": f"@{domain}"})
    return found


def _super_users(tenant: Tenant, now: datetime) -> tuple[frozenset[uuid.UUID], frozenset[uuid.UUID]]:
    """People and groups with that power now."""
    if not tenant.super_users_enabled:
        return frozenset(), frozenset()
    appointed = SuperUserAppointment.objects.for_tenant(tenant).filter(
        Q(until=None) | Q(until__gt=now), since__lte=now
    )
    return (
        frozenset(each.user_id for each in appointed if each.user_id is not None),
        frozenset(each.group_id for each in appointed if each.group_id is not None),
    )


def _groups_inside(wanted: Collection[uuid.UUID], tenant: Tenant) -> frozenset[uuid.UUID]:
    """These groups of the organization and all that are in them, however deep."""
    if not wanted:
        return frozenset()
    statement = _INSIDE.format(wanted=", ".join(["%s"] * len(wanted)))
    with connection.cursor() as cursor:
        cursor.execute(statement, [uuid_parameter(tenant.id), *map(uuid_parameter, wanted)])
        return frozenset(uuid_value(row[0]) for row in cursor.fetchall())


def _group_id(principal: str) -> uuid.UUID | None:
    if not principal.startswith("group:"):
        return None
    try:
        return uuid.UUID(principal[6:])
    except ValueError:
        return None
