"""What an organization's directory states of its people, put into effect (docs/adr/0035).

The directory is believed for the domains the organization has proven and for nothing else. A stated address in such a
domain becomes an address of the person; any other is kept in the entry, as stated, and is nobody's address: it is not
matched, not mailed, and no way to sign in.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants import people
from tenants.accounts import MAX_ADDRESSES, holders_of, new_account, proven_of, set_main, sign_in_address
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.domain_names import canonical_address, canonical_domain
from tenants.identity import domain_of
from tenants.models import DirectoryEntry, Tenant, User

_NAME_LENGTH: Final = 100


@dataclass(frozen=True, slots=True)
class Stated:
    """A person as the directory describes them; `attributes` is the whole description, without secrets."""

    user_name: str
    external_id: str = ""
    name: str = ""
    active: bool = True
    emails: tuple[str, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Everything that has the form of a mail address, as it is compared, the sign-in name first, each once."""
        return tuple(dict.fromkeys(_well_formed((self.user_name, *self.emails))))


def find_entry(tenant: Tenant, person_id: uuid.UUID, *, lock: bool = False) -> DirectoryEntry | None:
    """The entry of one person of the directory; `lock` it inside a transaction to change it."""
    entries = DirectoryEntry.objects.for_tenant(tenant).select_related("user", "tenant")
    if lock:
        entries = entries.select_for_update(of=("self",))
    return entries.filter(user_id=person_id, user__tenant=tenant).first()


def add_person(tenant: Tenant, stated: Stated, *, actor: Actor) -> DirectoryEntry:
    """Take a person over from the directory: somebody who is here under a proven address already, or a new one.

    Raises `ChangeRefusedError`: "taken" where the name or a proven address belongs to another entry.
    """
    _check(stated)
    try:
        with transaction.atomic():
            own = proven_of(tenant, stated.addresses)
            person = _person_here(tenant, own)
            joined = person is not None
            if person is None:
                person = new_account(tenant)
                person.save()
            entry = DirectoryEntry.objects.create(
                tenant=tenant,
                user=person,
                user_name=stated.user_name,
                external_id=stated.external_id,
                attributes=stated.attributes,
            )
            _settle(entry, person, stated, own, previous=())
            log_change(
                tenant,
                actor,
                "SyncAttachPerson" if joined else "SyncAddPerson",
                target=stated.user_name,
                target_id=person.id,
                after=_facts(stated),
            )
            # Whoever was here already and is suspended stays so: an administrator ordered it.
            if not stated.active:
                people.suspend(person, actor=actor)
    except IntegrityError as error:
        raise _taken(stated.user_name) from error
    return entry


def change_person(entry: DirectoryEntry, stated: Stated, *, actor: Actor) -> bool:
    """Put a changed description into effect; whether anything differed. `entry` is locked by the caller.

    Raises `ChangeRefusedError`.
    """
    _check(stated)
    before = stated_in(entry)
    if before == stated:
        return False
    person = entry.user
    try:
        with transaction.atomic():
            own = proven_of(entry.tenant, stated.addresses)
            _check_free(own, person)
            entry.user_name, entry.external_id = stated.user_name, stated.external_id
            entry.attributes = stated.attributes
            entry.changed_at = timezone.now()
            entry.save(update_fields=["user_name", "external_id", "attributes", "changed_at"])
            _settle(entry, person, stated, own, previous=before.addresses)
            old, new = _differences(_facts(before), _facts(stated))
            log_change(
                entry.tenant,
                actor,
                "SyncChangePerson",
                target=stated.user_name,
                target_id=person.id,
                before=old,
                after=new,
            )
            # Only a change of what the directory says: it does not end a suspension that an administrator ordered.
            if stated.active != before.active:
                _set_active(person, stated.active, actor)
    except IntegrityError as error:
        raise _taken(stated.user_name) from error
    return True


def remove_person(entry: DirectoryEntry, *, actor: Actor) -> None:
    """The person leaves, by the rules of `tenants.people.remove_person`. Raises `ChangeRefusedError` for the last
    global administrator."""
    if not entry.user.name:
        User.objects.filter(id=entry.user_id).update(name=entry.user_name[:_NAME_LENGTH])
    people.remove_person(entry.user, actor=actor)


def is_proven(tenant: Tenant, address: str) -> bool:
    """Whether `address` lies in a domain of the organization, so that a person is found by it in an index."""
    return bool(proven_of(tenant, [address]))


def adopt_addresses(tenant: Tenant, domain: str) -> int:
    """A domain was proven: the addresses in it that the directory stated before begin to count; of how many people.

    Called in the transaction of the proof. An address somebody else of the organization holds by now stays with them.
    """
    found = 0
    for entry in DirectoryEntry.objects.for_tenant(tenant).select_related("user").iterator(chunk_size=500):
        stated = stated_in(entry)
        own = [address for address in stated.addresses if domain_of(address) == canonical_domain(domain)]
        own = [
            address for address in own if not holders_of(address, tenant).exclude(id=entry.user_id).exists()
        ]
        if own:
            found += 1
            _settle(entry, entry.user, stated, proven_of(tenant, own), previous=())
    return found


def stated_in(entry: DirectoryEntry) -> Stated:
    """What the directory said last, from the entry that keeps it."""
    return stated_from(entry.user_name, entry.external_id, entry.attributes)


def stated_from(user_name: str, external_id: str, attributes: dict[str, Any]) -> Stated:
    """A description in the names of SCIM, with what matters here taken out of it."""
    emails = sorted(attributes.get("emails") or [], key=lambda email: email.get("primary") is not True)
    return Stated(
        user_name=user_name,
        external_id=external_id,
        name=_name_in(attributes),
        active=attributes.get("active", True) is not False,
        emails=tuple(email["value"] for email in emails if email.get("value")),
        attributes=attributes,
    )


def _name_in(attributes: dict[str, Any]) -> str:
    name = attributes.get("name") or {}
    parts = " ".join(part for part in (name.get("givenName"), name.get("familyName")) if part)
    return str(attributes.get("displayName") or name.get("formatted") or parts)


def _well_formed(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        address = canonical_address(text)
        try:
            validate_email(address)
        except ValidationError:
            continue
        if len(address) <= 254:
            yield address


def _check(stated: Stated) -> None:
    if not stated.user_name.strip() or len(stated.user_name) > 254:
        raise ChangeRefusedError("invalid", _("userName has 1 to 254 characters."))
    if len(stated.external_id) > 254:
        raise ChangeRefusedError("invalid", _("externalId has at most 254 characters."))
    if len(stated.emails) > MAX_ADDRESSES:
        raise ChangeRefusedError("invalid", _("A person has at most 50 addresses."))


def _person_here(tenant: Tenant, own: list[str]) -> User | None:
    """The person whom the proven addresses mean. Raises when they mean several, or one with another entry."""
    found: User | None = None
    for address in own:
        for holder in holders_of(address, tenant):
            if found is not None and holder.id != found.id:
                raise _address_taken(address)
            found = holder
    if found is None:
        return None
    person = User.objects.select_for_update(of=("self",)).get(id=found.id)
    if DirectoryEntry.objects.for_tenant(tenant).filter(user=person).exists():
        raise _address_taken(own[0])
    if person.tenant_id is None:
        person.tenant, person.is_guest = tenant, False
        person.save(update_fields=["tenant", "is_guest"])
    return person


def _check_free(own: list[str], person: User) -> None:
    assert person.tenant is not None
    for address in own:
        if holders_of(address, person.tenant).exclude(id=person.id).exists():
            raise _address_taken(address)


def _settle(
    entry: DirectoryEntry, person: User, stated: Stated, own: list[str], *, previous: Iterable[str]
) -> None:
    """Make name and addresses what was stated; an address that is stated no longer is the person's no longer."""
    gone = [address for address in proven_of(entry.tenant, previous) if address not in stated.addresses]
    if gone:
        person.emailaddress_set.filter(email__in=gone).delete()
    present = set(person.emailaddress_set.filter(email__in=own).values_list("email", flat=True))
    EmailAddress.objects.bulk_create(
        [EmailAddress(user=person, email=address) for address in own if address not in present]
    )
    set_main(person, sign_in_address(entry.tenant, person, own))
    person.name = stated.name.strip()[:_NAME_LENGTH] or person.name or stated.user_name[:_NAME_LENGTH]
    person.save(update_fields=["email", "name"])


def _set_active(person: User, active: bool, actor: Actor) -> None:
    if active:
        people.resume(person, actor=actor)
    else:
        people.suspend(person, actor=actor)


def _facts(stated: Stated) -> dict[str, Any]:
    return {
        "user_name": stated.user_name,
        "external_id": stated.external_id,
        "name": stated.name[:_NAME_LENGTH],
        "active": stated.active,
        "addresses": list(stated.emails[:10]),
    }


def _differences(old: dict[str, Any], new: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    changed = [key for key in old if old[key] != new[key]]
    return {key: old[key] for key in changed}, {key: new[key] for key in changed}


def _taken(user_name: str) -> ChangeRefusedError:
    return ChangeRefusedError(
        "taken", _("The directory keeps a person called %(user_name)s already."), user_name=user_name
    )


def _address_taken(address: str) -> ChangeRefusedError:
    return ChangeRefusedError(
        "taken",
        _("The address %(address)s belongs to another person of your organization."),
        address=address,
    )
