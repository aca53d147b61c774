"""Finding people: parts of a name or of any address, and filters."""

import uuid
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
from django.db.models import Q, QuerySet, Value
from psycopg import sql

from tenants.models import GroupMember, RoleAssignment, StatedAddress, Tenant, User

STATES = ("active", "suspended")
ORDERS = {"address": ("email",), "name": ("name", "id"), "joined": ("-date_joined", "id")}
_ALIASES = 200


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """What is asked for; empty means anything."""

    text: str = ""
    state: str = ""
    role: str = ""
    group_id: uuid.UUID | None = None
    licensed: str = ""
    directory: str = ""

    @property
    def narrows(self) -> bool:
        return self != PeopleFilter()


class _Spelled(Value):
    """A text that stands in the statement itself, quoted by the driver.

    As a parameter it would be one of a prepared statement, and after some runs PostgreSQL plans that for any text: without
    the index of parts of words, because that is no use for most of one letter.
    """

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        connection.ensure_connection()
        return sql.Literal(self.value).as_string(connection.connection).replace("%", "%%"), []


def people_matching(tenant: Tenant, wanted: PeopleFilter) -> QuerySet[User]:
    """The people of `tenant` that match, without order."""
    people = User.objects.for_tenant(tenant)
    if wanted.text:
        people = people.filter(_by_text(tenant, wanted.text))
    if wanted.state in STATES:
        people = people.filter(is_active=wanted.state == "active")
    if wanted.licensed in ("yes", "no"):
        people = people.filter(licensed=wanted.licensed == "yes")
    if wanted.directory in ("yes", "no"):
        people = people.filter(directory_entry__isnull=wanted.directory == "no")
    if wanted.role:
        held = RoleAssignment.objects.for_tenant(tenant).filter(role=wanted.role, user__isnull=False)
        people = people.filter(id__in=held.values("user_id"))
    if wanted.group_id is not None:
        within = GroupMember.objects.filter(group__tenant=tenant, group_id=wanted.group_id)
        people = people.filter(id__in=within.values("user_id"))
    return people


def _by_text(tenant: Tenant, text: str) -> Q:
    """A few aliases are looked up first, so that the list itself needs no join."""
    wanted = _Spelled(text.strip()[:200].replace("\x00", ""))
    aliases = EmailAddress.objects.filter(email__icontains=wanted, primary=False, user__tenant=tenant)
    found = list(aliases.values_list("user_id", flat=True)[:_ALIASES])
    stated = StatedAddress.objects.for_tenant(tenant).filter(address__icontains=wanted)
    found += stated.values_list("user_id", flat=True)[:_ALIASES]
    return Q(email__icontains=wanted) | Q(name__icontains=wanted) | Q(id__in=found)
