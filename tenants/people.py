"""People of an organization: suspending and resuming, leaving, what is known of them, their further addresses."""

import uuid
from collections.abc import Iterable

from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Token
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.accounts import MAX_ADDRESSES, proven_of, state_addresses
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.domain_names import canonical_address
from tenants.identity import domain_of
from tenants.models import (
    DirectoryEntry,
    GroupMember,
    RoleAssignment,
    StatedAddress,
    SuperUserAppointment,
    Tenant,
    User,
    VerifiedDomain,
)
from tenants.outbox import tell
from tenants.roles import hold_roles, is_last_global_admin
from tenants.sessions import end_sessions_of

MAX_NAME = 100


def find_person(tenant: Tenant, person_id: uuid.UUID) -> User | None:
    return User.objects.for_tenant(tenant).select_related("tenant").filter(id=person_id).first()


def suspend(person: User, *, actor: Actor) -> bool:
    """Take every access away until further notice; tokens and browser sessions end now. Whether anything changed. Raises `ChangeRefusedError`."""
    with transaction.atomic():
        locked = _lock(person)
        if not locked.is_active:
            return False
        _check_not_last_admin(locked)
        locked.is_active, locked.suspended_at = False, timezone.now()
        locked.save(update_fields=["is_active", "suspended_at"])
        Token.objects.filter(user=locked).delete()
        end_sessions_of(locked)
        _log(locked, actor, "SuspendPerson", before={"active": True}, after={"active": False})
    person.is_active, person.suspended_at = False, locked.suspended_at
    return True


def resume(person: User, *, actor: Actor) -> bool:
    """Give access back as it was; whether anything changed."""
    with transaction.atomic():
        locked = _lock(person)
        if locked.is_active:
            return False
        locked.is_active, locked.suspended_at = True, None
        locked.save(update_fields=["is_active", "suspended_at"])
        _log(locked, actor, "ResumePerson", before={"active": False}, after={"active": True})
    person.is_active, person.suspended_at = True, None
    return True


def change_person(
    person: User,
    *,
    actor: Actor,
    name: str | None = None,
    licensed: bool | None = None,
    language: str | None = None,
) -> bool:
    """Store what is given; what is None stays. Whether anything changed. Raises `ChangeRefusedError`."""
    wanted: dict[str, object] = {}
    if name is not None:
        wanted["name"] = clean_name(name)
    if licensed is not None:
        wanted["licensed"] = licensed
    if language is not None:
        wanted["language"] = language
    with transaction.atomic():
        locked = _lock(person)
        before = {
            field: getattr(locked, field)
            for field, value in wanted.items()
            if getattr(locked, field) != value
        }
        if not before:
            return False
        after = {field: wanted[field] for field in before}
        User.objects.filter(id=locked.id).update(**after)
        _log(locked, actor, "ChangePerson", before=before, after=after)
    for field, value in after.items():
        setattr(person, field, value)
    return True


def add_address(person: User, address: str, *, actor: Actor) -> bool:
    """Store one more address. In a proven domain of the organization it counts, elsewhere it is only stated. Whether it is new."""
    address = clean_address(address)
    tenant = _home(person)
    with transaction.atomic():
        _lock(person)
        own, stated = EmailAddress.objects.filter(user=person), person.stated_addresses.all()
        if own.filter(email=address).exists() or stated.filter(address=address).exists():
            return False
        if own.count() + stated.count() >= MAX_ADDRESSES:
            raise ChangeRefusedError("too_many", _("A person has at most 50 addresses."))
        if EmailAddress.objects.filter(email=address, user__tenant=tenant).exists():
            raise ChangeRefusedError(
                "address_taken",
                _("Somebody else in your organization has the address %(address)s."),
                address=address,
            )
        if proven_of(tenant, [address]):
            EmailAddress.objects.create(user=person, email=address, verified=False, primary=False)
        else:
            state_addresses(person, tenant, [address])
        _log(person, actor, "AddAddress", after={"address": address})
    return True


def remove_address(person: User, address: str, *, actor: Actor) -> None:
    """Forget one of the further addresses. Raises `ChangeRefusedError` for the main one."""
    address = canonical_address(address)
    with transaction.atomic():
        locked = _lock(person)
        if address == locked.email:
            raise ChangeRefusedError(
                "main_address", _("The main address stays. Make another one the main address first.")
            )
        gone, _rows = EmailAddress.objects.filter(user=locked, email=address).delete()
        stated, _rows = locked.stated_addresses.filter(address=address).delete()
        if gone or stated:
            _log(locked, actor, "RemoveAddress", before={"address": address})


def make_main(person: User, address: str, *, actor: Actor) -> None:
    """Sign-in and mail go by `address` from now on. Raises `ChangeRefusedError` unless it counts for this person."""
    address, tenant = canonical_address(address), _home(person)
    with transaction.atomic():
        locked = _lock(person)
        if locked.email == address:
            return
        found = EmailAddress.objects.filter(user=locked, email=address).first()
        in_proven = VerifiedDomain.objects.for_tenant(tenant).filter(domain=domain_of(address)).exists()
        if found is None or not (found.verified or in_proven):
            raise ChangeRefusedError(
                "not_proven", _("Only an address that counts can become the main address.")
            )
        if User.objects.filter(email=address).exclude(id=locked.id).exists():
            raise ChangeRefusedError(
                "address_taken", _("This address is the main address of another account.")
            )
        before = locked.email
        if actor.id != locked.id:
            # By the old address: whoever gets mail at the new one can set a new password.
            tell(
                [locked],
                subject=_("You sign in with another address now"),
                text=_(
                    "%(actor)s has made %(address)s the main address of your account. You sign in with it, and mail goes "
                    "there.\n\nIf you did not expect this, tell your administrators.\n"
                ),
                values={"actor": actor.name, "address": address},
            )
        EmailAddress.objects.filter(user=locked, primary=True).update(primary=False)
        EmailAddress.objects.filter(id=found.id).update(primary=True)
        User.objects.filter(id=locked.id).update(email=address)
        _log(locked, actor, "ChangeMainAddress", before={"address": before}, after={"address": address})
    person.email = address


def remove_person(person: User, *, actor: Actor) -> None:
    """Have a person leave: groups, roles, powers and the addresses in the organization's domains go; what they
    protected stays the organization's. Without another proven address the account is closed. Raises `ChangeRefusedError`."""
    tenant = _home(person)
    with transaction.atomic():
        locked = _lock(person)
        _check_not_last_admin(locked)
        before = {
            "address": locked.email,
            "groups": sorted(
                GroupMember.objects.filter(user=locked, group__tenant=tenant).values_list(
                    "group__name", flat=True
                )
            ),
            "roles": sorted(
                RoleAssignment.objects.for_tenant(tenant).filter(user=locked).values_list("role", flat=True)
            ),
        }
        GroupMember.objects.filter(user=locked, group__tenant=tenant).delete()
        for owned in (RoleAssignment, SuperUserAppointment, DirectoryEntry, StatedAddress):
            owned.objects.for_tenant(tenant).filter(user=locked).delete()
        Token.objects.filter(user=locked).delete()
        _leave_addresses(locked, tenant)
        locked.tenant, locked.licensed = None, False
        locked.save()
        log_change(
            tenant, actor, "RemovePerson", target=str(before["address"]), target_id=locked.id, before=before
        )


def _leave_addresses(person: User, tenant: Tenant) -> None:
    """An address in a domain of the organization is the organization's, and may be somebody else's tomorrow."""
    domains = set(VerifiedDomain.objects.for_tenant(tenant).values_list("domain", flat=True))
    kept: EmailAddress | None = None
    for address in EmailAddress.objects.filter(user=person).order_by("-primary", "id"):
        if domain_of(address.email) in domains or not address.verified:
            address.delete()
        elif kept is None:
            kept = address
    if kept is None:
        person.email, person.is_active = f"{person.id}@left.invalid", False
        person.set_unusable_password()
        return
    person.email = kept.email
    EmailAddress.objects.filter(user=person, primary=True).exclude(id=kept.id).update(primary=False)
    EmailAddress.objects.filter(id=kept.id).update(primary=True)


def for_each(people: Iterable[User], change: str, *, actor: Actor) -> tuple[int, list[str]]:
    """One of the changes for many: how many changed, and a sentence for each that was refused."""
    changed, refused = 0, []
    for person in people:
        try:
            changed += _CHANGES[change](person, actor)
        except ChangeRefusedError as error:
            refused.append(f"{person.email}: {error}")
    return changed, refused


_CHANGES = {
    "suspend": lambda person, actor: suspend(person, actor=actor),
    "resume": lambda person, actor: resume(person, actor=actor),
    "license": lambda person, actor: change_person(person, licensed=True, actor=actor),
    "unlicense": lambda person, actor: change_person(person, licensed=False, actor=actor),
}


def clean_name(name: str) -> str:
    name = " ".join(name.split())
    if len(name) > MAX_NAME or not name.isprintable():
        raise ChangeRefusedError("bad_name", _("A name has at most 100 characters."))
    return name


def clean_address(address: str) -> str:
    """The address as it is stored and compared. Raises `ChangeRefusedError` for what is none."""
    address = canonical_address(address)
    try:
        validate_email(address)
    except ValidationError as error:
        raise ChangeRefusedError("bad_address", _("This is not a mail address.")) from error
    if len(address) > 254 or not address.isascii():
        raise ChangeRefusedError("bad_address", _("This is not a mail address."))
    return address


def _home(person: User) -> Tenant:
    assert person.tenant is not None  # found by `find_person`
    return person.tenant


def _lock(person: User) -> User:
    return User.objects.select_related("tenant").select_for_update(of=("self",)).get(id=person.id)


def _check_not_last_admin(person: User) -> None:
    hold_roles(_home(person))
    if is_last_global_admin(person):
        raise ChangeRefusedError(
            "last_admin",
            _("%(person)s is the last global administrator. Appoint another one first."),
            person=person.get_full_name(),
        )


def _log(
    person: User,
    actor: Actor,
    action: str,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    log_change(
        _home(person), actor, action, target=person.email, target_id=person.id, before=before, after=after
    )
