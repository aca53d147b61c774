"""Accounts and their addresses: which one an account signs in by, what is merely stated, what a domain changes that comes
or goes (docs/adr/0035, 0048).

allauth's table holds what may count: addresses proven by a code, and those in the proven domains of the person's own
organization. Everything else that somebody says of a person is a `StatedAddress`.
"""

import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from allauth.account.models import EmailAddress
from django.db.models import QuerySet

from tenants.identity import domain_of
from tenants.models import StatedAddress, Tenant, User, VerifiedDomain

MAX_ADDRESSES: Final = 50
INTERNAL_DOMAIN: Final = ".directory.invalid"
_BATCH: Final = 1000
T = TypeVar("T")


def is_internal(address: str) -> bool:
    """Whether `address` only stands in the place of one; it is never mailed and never shown as an address."""
    return address.endswith(".invalid")


def proven_of(tenant: Tenant, addresses: Iterable[str]) -> list[str]:
    """Those of `addresses` that lie in a domain the organization has proven."""
    addresses = list(addresses)
    domains = {domain_of(address) for address in addresses}
    held = set(
        VerifiedDomain.objects.for_tenant(tenant).filter(domain__in=domains).values_list("domain", flat=True)
    )
    return [address for address in addresses if domain_of(address) in held]


def holders_of(address: str, tenant: Tenant) -> "QuerySet[User]":
    """People of the organization who have `address`, and people of none who have proven it; nobody else's are seen."""
    rows = EmailAddress.objects.filter(email=address)
    here = rows.filter(user__tenant=tenant).values("user_id")
    alone = rows.filter(user__tenant=None, verified=True, user__is_staff=False).values("user_id")
    return User.objects.filter(id__in=here.union(alone))


def new_account(tenant: Tenant, **facts: Any) -> User:
    """An account nobody can sign in to yet, not stored yet, with an internal main address."""
    person = User(tenant=tenant, **({"language": tenant.default_language} | facts))
    person.email = internal_address(person.id, tenant.id)
    person.set_unusable_password()
    return person


def internal_address(person_id: uuid.UUID, tenant_id: uuid.UUID) -> str:
    """Stands in the place of a sign-in address where there is none; the domain is reserved and never exists."""
    return f"{person_id}@{tenant_id}{INTERNAL_DOMAIN}"


def signed_in_by(addresses: Iterable[str]) -> dict[str, set[uuid.UUID]]:
    """Who signs in by each of `addresses` anywhere in the installation, or has proven it: nobody else can have it so."""
    found: dict[str, set[uuid.UUID]] = {}
    for some in batches(addresses):
        main = User.objects.filter(email__in=some).values_list("email", "id")
        proven = EmailAddress.objects.filter(email__in=some, verified=True).values_list("email", "user_id")
        for address, person_id in (*main, *proven):
            found.setdefault(address, set()).add(person_id)
    return found


def sign_in_address(tenant: Tenant, person: User, own: Iterable[str]) -> str:
    """The first of `own`, which lie in the organization's domains, that nobody in the installation signs in with; else
    what the person has; else one that is never mailed."""
    for address in own:
        if not signed_in_by([address]).get(address, set()) - {person.id}:
            return address
    if person.emailaddress_set.filter(email=person.email).exists():
        return person.email
    held = person.emailaddress_set.filter(verified=True).order_by("-primary", "id").first()
    return str(held.email) if held else internal_address(person.id, tenant.id)


def set_main(person: User, address: str) -> None:
    """Sign-in and mail go by `address` from now on. `person` is not stored."""
    person.email = address
    person.emailaddress_set.filter(primary=True).exclude(email=address).update(primary=False)
    person.emailaddress_set.filter(email=address).update(primary=True)


def state_addresses(person: User, tenant: Tenant, addresses: Iterable[str]) -> None:
    """Keep what is said of a person, where it is not theirs already and as far as there is room."""
    held = set(person.emailaddress_set.values_list("email", flat=True))
    room = MAX_ADDRESSES - len(held) - person.stated_addresses.count()
    new = [address for address in dict.fromkeys(addresses) if address not in held][: max(room, 0)]
    StatedAddress.objects.bulk_create(
        [StatedAddress(tenant=tenant, user=person, address=address) for address in new], ignore_conflicts=True
    )


def adopt_stated(tenant: Tenant, domain: str) -> int:
    """A domain was proven: addresses in it that were stated before become their people's; of how many people.

    Called in the transaction of the proof. An address that somebody else of the organization has stays with them.
    """
    stated = StatedAddress.objects.for_tenant(tenant).filter(
        address__endswith=f"@{domain}", user__tenant=tenant
    )
    rows = stated.order_by("stated_at", "id").select_related("user")
    people: set[uuid.UUID] = set()
    for some in batches(rows.iterator(chunk_size=_BATCH)):
        addresses = [row.address for row in some]
        here = EmailAddress.objects.filter(email__in=addresses, user__tenant=tenant)
        held = set(here.values_list("email", "user_id"))
        first = {row.address: row for row in reversed(some)}
        for address, _person_id in held:
            first.pop(address, None)
        busy = signed_in_by(first)
        mains: dict[uuid.UUID, str] = {}
        for address, row in first.items():
            if is_internal(row.user.email) and address not in busy:
                mains.setdefault(row.user_id, address)
        EmailAddress.objects.bulk_create(
            [
                EmailAddress(user=row.user, email=address, primary=mains.get(row.user_id) == address)
                for address, row in first.items()
            ]
        )
        _store_mains(mains)
        done = [*first.values(), *(row for row in some if (row.address, row.user_id) in held)]
        StatedAddress.objects.filter(id__in=[row.id for row in done]).delete()
        people |= {row.user_id for row in first.values()}
    return len(people)


def let_go(tenant: Tenant, domain: str, *, moved: bool) -> int:
    """A domain is the organization's no longer: what counted because of it is only stated from now on; of how many people.

    Where it `moved` to another organization, that one decides who gets mail there, so earlier proofs of its addresses end
    as well. Whose main address is among these signs in by another address that counts, where they have one.
    """
    rows = EmailAddress.objects.filter(user__tenant=tenant, email__endswith=f"@{domain}")
    rows = rows if moved else rows.filter(verified=False)
    people: set[uuid.UUID] = set()
    while some := list(rows.order_by("id").select_related("user")[:_BATCH]):
        StatedAddress.objects.bulk_create(
            [StatedAddress(tenant=tenant, user_id=row.user_id, address=row.email) for row in some],
            ignore_conflicts=True,
        )
        EmailAddress.objects.filter(id__in=[row.id for row in some]).delete()
        people |= {row.user_id for row in some}
        _find_new_mains(tenant, [row.user for row in some if row.user.email == row.email])
    return len(people)


def batches(rows: Iterable[T], size: int = _BATCH) -> Iterator[list[T]]:
    """`rows` in lists of at most `size`."""
    source = iter(rows)
    while some := list(islice(source, size)):
        yield some


def _find_new_mains(tenant: Tenant, people: list[User]) -> None:
    domains = set(VerifiedDomain.objects.for_tenant(tenant).values_list("domain", flat=True))
    held = EmailAddress.objects.filter(user__in=people).order_by("-verified", "id")
    counting = [row for row in held if row.verified or domain_of(row.email) in domains]
    busy = signed_in_by(row.email for row in counting)
    mains = {person.id: internal_address(person.id, tenant.id) for person in people}
    chosen: dict[uuid.UUID, Any] = {}
    for row in counting:
        if not busy.get(row.email, set()) - {row.user_id}:
            chosen.setdefault(row.user_id, row)
    EmailAddress.objects.filter(id__in=[row.id for row in chosen.values()]).update(primary=True)
    _store_mains(mains | {person_id: row.email for person_id, row in chosen.items()})


def _store_mains(mains: dict[uuid.UUID, str]) -> None:
    people = list(User.objects.filter(id__in=mains))
    for person in people:
        person.email = mains[person.id]
    User.objects.bulk_update(people, ["email"], batch_size=500)
