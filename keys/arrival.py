"""Keys that arrive with a package from another installation: they open and verify here, and seal nothing."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _

from keys import keeping
from keys.backends import brought
from keys.errors import KeyRefusedError
from keys.importing import refuse_what_others_have
from keys.models import KeyVersion
from rms.errors import SealError
from rms.key_package import Package, PackagedKey, RecipientKey
from tenants.models import Tenant

HELD: Final = "held"
_TIMES: Final = ("created_at", "activated_at")


def take_over(tenant: Tenant, package: Package, recipient: RecipientKey) -> dict[str, KeyVersion]:
    """Store the keys of a package as archived ones, in the caller's transaction; by fingerprint.

    A disabled key comes as a disabled one, a held one as a held one, to be restored here. One whose private half is absent
    otherwise is left out. They count as brought: the organization has a copy. Raises `KeyRefusedError`, `KeyUnavailableError`.
    """
    taken = {}
    for key in package.keys.values():
        record = arrived(tenant, key, recipient) if key.wrapped or key.why_absent == HELD else None
        if record is not None:
            keeping.store(record)
            taken[key.fingerprint] = record
    return taken


def arrived(tenant: Tenant, key: PackagedKey, recipient: RecipientKey) -> KeyVersion:
    """The unsaved record of a key of a package, archived or disabled; held where the private half is absent.

    Raises `KeyRefusedError`.
    """
    refuse_what_others_have(key.public_key.modulus)
    if key.wrapped:
        private = private_half(key, recipient)
        place = KeyVersion.Kind.SOFTWARE
        record = keeping.brought_key(tenant.id, private, state=KeyVersion.State.ARCHIVED, place=place)
    else:
        record = KeyVersion(
            tenant=tenant,
            fingerprint=key.fingerprint,
            modulus=key.public_key.modulus.to_bytes(key.public_key.size, "big"),
            bits=key.public_key.bits,
            origin=KeyVersion.Origin.BROUGHT,
            state=KeyVersion.State.ARCHIVED,
            held_at=timezone.now(),
        )
    record.oaep_hash = key.oaep_hash
    if key.state == KeyVersion.State.DISABLED:
        record.state, record.disabled_at = KeyVersion.State.DISABLED, timezone.now()
    for name in _TIMES:
        setattr(record, name, _moment(key.facts, name) or getattr(record, name))
    record.archived_at = _moment(key.facts, "archived_at") or timezone.now()
    return record


def private_half(key: PackagedKey, recipient: RecipientKey) -> Any:
    """The private key in a package, checked like one that is brought. Raises `KeyRefusedError`."""
    try:
        return brought.read(recipient.unwrap(key))
    except SealError as error:
        text = _("The key %(key)s does not open with the recipient’s key.")
        raise KeyRefusedError(text % {"key": key.fingerprint[:16]}) from error


def _moment(facts: Mapping[str, Any], name: str) -> dt.datetime | None:
    text = facts.get(name)
    return dt.datetime.fromisoformat(text) if isinstance(text, str) else None
