"""People from a file: looked at first, row by row, then taken in as a whole or not at all (docs/adr/0047).

A row adds a person, or adds to one: names, languages and licenses become what the file says, addresses and groups are added;
what the file leaves empty stays, and nobody is removed. The rows that are good are taken in by one transaction, those that
are not are left out, and only when whoever imports has said so.
"""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import AdminEvent
from tenants.accounts import batches, new_account, signed_in_by
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.groups import add_people, groups_with_power
from tenants.identity import domain_of
from tenants.models import Group, GroupMember, StatedAddress, Tenant, User, VerifiedDomain
from tenants.people import add_address, change_person
from tenants.people_table import Complaint, Row, Table, read_table

_ADDRESSES_SHOWN: Final = 10


@dataclass(slots=True)
class Planned:
    """One good row: a new person, or what changes for one who is here. `stated` lie outside the proven domains.

    `joins`: somebody of no organization, who has proven an address in one of its domains.
    """

    row: Row
    person: User | None = None
    is_new: bool = False
    joins: bool = False
    own: list[str] = field(default_factory=list)
    stated: list[str] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        return self.is_new or self.joins or bool(self.own or self.stated or self.groups or self.values)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file would do. `fingerprint` tells two plans apart: an import carries out the very one that was shown."""

    table: Table
    planned: list[Planned]
    complaints: list[Complaint]

    @property
    def new(self) -> list[Planned]:
        return [each for each in self.planned if each.is_new]

    @property
    def changed(self) -> list[Planned]:
        return [each for each in self.planned if not each.is_new and each.changes]

    @property
    def unchanged(self) -> int:
        return sum(not each.changes for each in self.planned)

    @property
    def left_out(self) -> list[Row]:
        return [row for row in self.table.rows if row.complaints]

    @property
    def outside(self) -> int:
        """How many new people have no address in a proven domain: nobody can sign in as them yet."""
        return sum(not each.own for each in self.new)

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for each in self.planned:
            facts = (
                each.row.line, each.person.id if each.person else "", each.joins, each.own, each.stated,
                [str(group.id) for group in each.groups], sorted(each.values.items()),
            )  # fmt: skip
            digest.update(repr(facts).encode())
        digest.update(repr([row.line for row in self.left_out]).encode())
        return digest.hexdigest()


def plan_import(tenant: Tenant, data: bytes) -> Plan:
    """Look at a file and change nothing. Raises `ChangeRefusedError` where it is no table of people."""
    table = read_table(data)
    known = _Known(tenant, table.rows)
    _complain_of_repeats(table.rows)
    planned = []
    for row in table.rows:
        if not row.complaints:
            each = known.plan(row)
            if not row.complaints:
                planned.append(each)
    complaints = [complaint for row in table.rows for complaint in row.complaints]
    return Plan(table, planned, complaints)


def import_people(
    tenant: Tenant,
    data: bytes,
    *,
    actor: Actor,
    fingerprint: str | None = None,
    leave_out: bool = False,
) -> Plan:
    """Take the people of a file in, all of them by one transaction. `leave_out` allows rows that are wrong to be left out;
    `fingerprint` is that of the plan that was agreed to.

    Raises `ChangeRefusedError`: "rows_refused", or "changed_meanwhile" where the plan would be another one by now.
    """
    try:
        with transaction.atomic():
            Tenant.objects.select_for_update(of=("self",)).get(id=tenant.id)  # one import at a time
            plan = plan_import(tenant, data)
            if plan.complaints and not leave_out:
                raise ChangeRefusedError(
                    "rows_refused",
                    gettext_lazy(
                        "%(rows)s rows are wrong, so nothing was imported. First: line %(line)s, %(what)s"
                    ),
                    rows=len(plan.left_out),
                    line=plan.complaints[0].line,
                    what=plan.complaints[0].text,
                )
            if fingerprint is not None and plan.fingerprint != fingerprint:
                raise _changed_meanwhile()
            _carry_out(tenant, plan, actor)
    except IntegrityError as error:
        raise _changed_meanwhile() from error
    return plan


def _changed_meanwhile() -> ChangeRefusedError:
    return ChangeRefusedError(
        "changed_meanwhile",
        gettext_lazy(
            "Something has changed since you looked, so nothing was imported. Look again, then confirm."
        ),
    )


class _Known:
    """What the organization knows of the addresses and groups in a file, read in a few statements for all rows."""

    def __init__(self, tenant: Tenant, rows: list[Row]) -> None:
        self._domains = set(VerifiedDomain.objects.for_tenant(tenant).values_list("domain", flat=True))
        self._holders: dict[str, uuid.UUID] = {}
        self._stated: dict[str, set[uuid.UUID]] = defaultdict(set)
        self._people: dict[uuid.UUID, User] = {}
        self._alone: dict[str, User] = {}
        self._members: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
        self._mails: set[str] = set()
        self._read_people(tenant, {address for row in rows for address in row.addresses})
        self._read_groups(tenant, {name for row in rows for name in row.groups})

    def _read_people(self, tenant: Tenant, addresses: set[str]) -> None:
        for some in batches(sorted(addresses)):
            rows = EmailAddress.objects.filter(email__in=some, user__tenant=tenant, user__merged_into=None)
            self._holders |= dict(rows.values_list("email", "user_id"))
            self._holders |= dict(
                User.objects.for_tenant(tenant).filter(email__in=some).values_list("email", "id")
            )
            alone = EmailAddress.objects.filter(
                email__in=[address for address in some if domain_of(address) in self._domains],
                verified=True, user__tenant=None, user__is_staff=False, user__is_superuser=False,
            )  # fmt: skip
            self._alone |= {row.email: row.user for row in alone.select_related("user")}
            stated = StatedAddress.objects.for_tenant(tenant).filter(address__in=some)
            for address, person_id in stated.values_list("address", "user_id"):
                self._stated[address].add(person_id)
            groups = Group.objects.for_tenant(tenant).filter(mail__in=some)
            self._mails |= set(groups.values_list("mail", flat=True))
        ids = {*self._holders.values(), *(each for found in self._stated.values() for each in found)}
        for group_of_ids in batches(sorted(ids)):
            people = User.objects.for_tenant(tenant).filter(id__in=group_of_ids).select_related("tenant")
            self._people |= {person.id: person for person in people}
            members = GroupMember.objects.filter(user_id__in=group_of_ids).values_list("user_id", "group_id")
            for person_id, group_id in members:
                self._members[person_id].add(group_id)

    def _read_groups(self, tenant: Tenant, names: set[str]) -> None:
        self._groups: dict[str, Group] = {}
        for some in batches(sorted(names)):
            for group in Group.objects.for_tenant(tenant).select_related("tenant").filter(name__in=some):
                self._groups[group.name] = group
        self._powerful = groups_with_power(tenant)

    def plan(self, row: Row) -> Planned:
        """What a row does; complains to the row where it cannot be done."""
        person = self._person(row)
        alone = next((self._alone[address] for address in row.addresses if address in self._alone), None)
        joins = person is None and alone is not None
        person = person or alone
        planned = Planned(row, person, is_new=person is None, joins=joins)
        for address in row.addresses:
            if address in self._mails:
                row.complain("address", _("%(address)s is the address of a group.") % {"address": address})
            if domain_of(address) in self._domains:
                if address not in self._holders and address not in self._alone:
                    planned.own.append(address)
            elif person is None or (person.id not in self._stated[address] and address not in self._holders):
                planned.stated.append(address)
        planned.groups = self._new_groups(row, person)
        given = {"name": row.name or None, "licensed": row.licensed, "language": row.language or None}
        planned.values = {
            name: value
            for name, value in given.items()
            if value is not None and (person is None or getattr(person, name) != value)
        }
        return planned

    def _person(self, row: Row) -> User | None:
        """Who is meant: whoever holds one of the addresses, else the one person of whom one is stated."""
        found = {holder for address in row.addresses if (holder := self._holders.get(address))}
        found = found or set().union(*(self._stated[address] for address in row.addresses))
        if len(found) > 1:
            who = ", ".join(sorted(self._people[each].email for each in found if each in self._people))
            row.complain(
                "address", _("The addresses of this row belong to several people: %(who)s") % {"who": who}
            )
        return self._people.get(next(iter(found))) if len(found) == 1 else None

    def _new_groups(self, row: Row, person: User | None) -> list[Group]:
        groups = []
        for name in row.groups:
            group = self._groups.get(name)
            if group is None:
                row.complain("groups", _("There is no group called %(name)s.") % {"name": name[:80]})
            elif person is not None and group.id in self._members[person.id]:
                continue
            elif group.id in self._powerful:
                row.complain(
                    "groups",
                    _("Being in %(name)s brings a role or a power. Add people on the page of the group.")
                    % {"name": name},
                )
            elif group.from_directory:
                row.complain("groups", _("%(name)s is kept by your directory.") % {"name": name})
            else:
                groups.append(group)
        return groups


def _complain_of_repeats(rows: Iterable[Row]) -> None:
    first: dict[str, int] = {}
    for row in rows:
        for address in row.addresses:
            line = first.setdefault(address, row.line)
            if line != row.line:
                row.complain(
                    "address",
                    _("%(address)s is in line %(line)s already.") % {"address": address, "line": line},
                )


def _carry_out(tenant: Tenant, plan: Plan, actor: Actor) -> None:
    joining: dict[uuid.UUID, list[User]] = defaultdict(list)
    groups: dict[uuid.UUID, Group] = {}
    for some in batches(plan.new, 500):
        _add(tenant, some, actor)
    for each in plan.changed:
        person = each.person
        assert person is not None  # that is what "changed" means
        if each.joins:
            _join(tenant, person, actor)
        if each.values:
            change_person(person, actor=actor, **each.values)
        for address in (*each.own, *each.stated):
            add_address(person, address, actor=actor)
    for each in (*plan.new, *plan.changed):
        for group in each.groups:
            groups[group.id] = group
            assert each.person is not None  # new ones have been made by now
            joining[group.id].append(each.person)
    for group_id, people in joining.items():
        add_people(groups[group_id], people, actor=actor)
    numbers = {"rows": len(plan.table.rows), "unchanged": plan.unchanged, "left_out": len(plan.left_out)}
    log_change(tenant, actor, "ImportPeople", target=tenant.name, target_id=tenant.id, after=numbers)


def _join(tenant: Tenant, person: User, actor: Actor) -> None:
    person.tenant, person.is_guest = tenant, False
    person.save(update_fields=["tenant", "is_guest"])
    log_change(tenant, actor, "AdoptPerson", target=person.email, target_id=person.id)


def _add(tenant: Tenant, planned: list[Planned], actor: Actor) -> None:
    """New people, with a row in the log for each; in statements for all of them."""
    busy = signed_in_by(address for each in planned for address in each.own)
    addresses, stated, events = [], [], []
    people = []
    for each in planned:
        # Where nobody can sign in yet, the address is at least what the person is called.
        named = {} if each.own else {"name": each.row.address[:100]}
        values = {"language": tenant.default_language} | named | each.values
        person = new_account(tenant, **values)
        main = next((address for address in each.own if address not in busy), "")
        person.email = main or person.email
        people.append(person)
        addresses += [
            EmailAddress(user=person, email=address, primary=address == main) for address in each.own
        ]
        stated += [StatedAddress(tenant=tenant, user=person, address=address) for address in each.stated]
        events.append(_event(tenant, each, person, actor))
    User.objects.bulk_create(people)
    EmailAddress.objects.bulk_create(addresses)
    StatedAddress.objects.bulk_create(stated)
    AdminEvent.objects.bulk_create(events)
    for each, person in zip(planned, people, strict=True):
        each.person = person


def _event(tenant: Tenant, each: Planned, person: User, actor: Actor) -> AdminEvent:
    after = each.values | {"addresses": each.row.addresses[:_ADDRESSES_SHOWN]}
    return AdminEvent(
        tenant_id=tenant.id, actor=actor.name[:254], actor_id=actor.id, action="ImportPerson",
        target=each.row.address[:254], target_id=str(person.id), after=after,
    )  # fmt: skip
