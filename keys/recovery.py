"""Keys of an organization that are missing here, brought back from the package of its own export (docs/adr/0092).

The private key that the package was made for comes wrapped with an import key, like every key that is brought: it is never in
clear on the wire or on a disk, opens the package in memory and is forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from keys import keeping
from keys.arrival import arrived, private_half
from keys.custody import forget_key
from keys.errors import KeyCustodyError, KeyRefusedError
from keys.importing import unwrap, use_up
from keys.models import KeyVersion
from rms.key_package import Package, PackagedKey, RecipientKey
from tenants.changes import Actor, log_change
from tenants.models import RoleAssignment, Tenant, User
from tenants.notices import tell_administrators


class Fate(StrEnum):
    """What becomes of a key in a package."""

    BACK = "back"  # it is known here, and its private half is not to be had: it gets that back, and stays in its state
    NEW = "new"  # it is not known here: it arrives, archived or disabled as it was
    HERE = "here"  # it is here and works, or is kept in a hardware security module
    HELD = "held"  # the organization holds it, and restores it by itself
    GONE = "gone"  # it was destroyed or withdrawn here, which nothing undoes
    ABSENT = "absent"  # its private half is not in the package


_GONE: Final = (KeyVersion.State.DESTROYED, KeyVersion.State.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Planned:
    """A key of the package, what becomes of it, and its row here, if there is one."""

    key: PackagedKey
    fate: Fate
    here: KeyVersion | None


def plan_recovery(tenant: Tenant, package: Package) -> list[Planned]:
    """What bringing keys back would do, in the order of the package. Changes nothing.

    Raises `KeyRefusedError` for the package of another organization, or one that none of this organization's keys vouches for.
    """
    if package.manifest["organization"]["id"] != str(tenant.id):
        raise KeyRefusedError(_("This package is of another organization."))
    known = {
        key.fingerprint: key
        for key in KeyVersion.objects.for_tenant(tenant)
        .select_related("wrapping")
        .filter(fingerprint__in=package.keys)
    }
    if package.signed_by not in known:
        # Whoever made it had none of this organization's keys to sign with, or the one that signed is missing here itself.
        # `bring_back` then wants a private half that belongs to a key which is known.
        vouching = any(key.wrapped and key.fingerprint in known for key in package.keys.values())
        if not vouching:
            raise KeyRefusedError(_("No key of this organization vouches for this package."))
    return [Planned(key, _fate(key, known.get(name)), known.get(name)) for name, key in package.keys.items()]


def bring_back(
    tenant: Tenant, package: Package, wrapped: bytes, *, actor: User
) -> tuple[list[Planned], dict[str, KeyVersion]]:
    """Bring back what is missing, in one transaction; uses the import key up. Returns the plan, and the rows that changed.

    `wrapped` is the recipient's private key. Raises `KeyRefusedError`, `KeyUnavailableError`.
    """
    row, der = unwrap(tenant, wrapped)
    try:
        recipient = RecipientKey(der)
    except ValueError as error:
        raise KeyRefusedError(str(error)) from error
    if package.manifest["recipient"]["fingerprint"] != recipient.fingerprint:
        raise KeyRefusedError(_("This package was made for another recipient’s key."))
    with transaction.atomic():
        Tenant.objects.select_for_update(of=("self",)).get(id=tenant.id)
        plan = plan_recovery(tenant, package)
        _check_vouched(package, plan, recipient)
        changed = {
            planned.key.fingerprint: _bring(tenant, planned, recipient)
            for planned in plan
            if planned.fate in (Fate.BACK, Fate.NEW)
        }
        if not changed:
            raise KeyRefusedError(
                _("There is nothing to bring back: no key of this package is missing here.")
            )
        use_up(row)
        _note(tenant, package, plan, actor)
    for fingerprint in changed:
        forget_key(fingerprint)
    return plan, changed


def _fate(key: PackagedKey, here: KeyVersion | None) -> Fate:
    if here is not None:
        if here.state in _GONE:
            return Fate.GONE
        if here.held_at is not None:
            return Fate.HELD
        if _works(here):
            return Fate.HERE
    if not key.wrapped:
        return Fate.ABSENT
    return Fate.NEW if here is None else Fate.BACK


def _works(here: KeyVersion) -> bool:
    if here.kind != KeyVersion.Kind.SOFTWARE:
        return True
    try:
        keeping.load(here)
    except KeyCustodyError:  # sealed by a key-encryption key that is not here any more
        return False
    return True


def _check_vouched(package: Package, plan: list[Planned], recipient: RecipientKey) -> None:
    """The private half of a key that is known here opens, where the signature alone says nothing."""
    known = [planned.key for planned in plan if planned.here is not None and planned.key.wrapped]
    if not any(planned.here is not None and planned.key.fingerprint == package.signed_by for planned in plan):
        private_half(known[0], recipient)


def _bring(tenant: Tenant, planned: Planned, recipient: RecipientKey) -> KeyVersion:
    if planned.here is None:
        record = arrived(tenant, planned.key, recipient)
        keeping.store(record)
        return record
    record = KeyVersion.objects.for_tenant(tenant).select_for_update().get(id=planned.here.id)
    if record.state in _GONE or record.held_at is not None:
        raise KeyRefusedError(_("The keys have changed meanwhile. Look at the package again."))
    private = private_half(planned.key, recipient)
    keeping.take_away(record)  # what cannot be unsealed
    keeping.put_back(record, private)
    keeping.store_private(record)
    return record


def _note(tenant: Tenant, package: Package, plan: list[Planned], actor: User) -> None:
    facts: Mapping[str, object] = {
        "signed_by": package.signed_by,
        "back": [one.key.fingerprint for one in plan if one.fate == Fate.BACK],
        "new": [one.key.fingerprint for one in plan if one.fate == Fate.NEW],
        "left": {
            one.key.fingerprint[:16]: str(one.fate)
            for one in plan
            if one.fate in (Fate.GONE, Fate.HELD, Fate.ABSENT)
        },
    }
    who = Actor.of(actor)
    log_change(
        tenant, who, "RecoverKeys", target=package.signed_by[:16], target_id=tenant.id, after=dict(facts)
    )
    tell_administrators(
        tenant,
        subject=gettext_lazy("%(organization)s: keys brought back from a package"),
        text=gettext_lazy(
            "%(actor)s brought %(keys)s missing keys of %(organization)s back from a package of its export. What they protect opens again, to whom it is granted: %(service)s/keys/"
        ),
        values={"actor": who.name, "keys": sum(one.fate in (Fate.BACK, Fate.NEW) for one in plan)},
        also=(RoleAssignment.Role.KEY_ADMIN,),
    )
