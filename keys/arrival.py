"""Keys that arrive with a package from another installation: they open and verify here, and seal nothing."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from django.utils import timezone

from keys import keeping
from keys.backends import brought
from keys.errors import KeyRefusedError
from keys.importing import refuse_what_others_have
from keys.models import KeyVersion
from rms.errors import SealError
from rms.key_package import Package, PackagedKey, RecipientKey
from tenants.models import Tenant

_HELD: Final = "held"
_TIMES: Final = ("created_at", "activated_at")


def take_over(tenant: Tenant, package: Package, recipient: RecipientKey) -> dict[str, KeyVersion]:
    """Store the keys of a package as archived ones, in the caller's transaction; by fingerprint.

    A held key comes as a held one, to be restored here. One whose private half is absent otherwise is left out. They count
    as brought: the organization has a copy. Raises `KeyRefusedError`, `KeyUnavailableError`.
    """
    taken = {}
    for key in package.keys.values():
        record = _record(tenant, key, recipient) if key.wrapped or key.why_absent == _HELD else None
        if record is not None:
            keeping.store(record)
            taken[key.fingerprint] = record
    return taken


def _record(tenant: Tenant, key: PackagedKey, recipient: RecipientKey) -> KeyVersion:
    refuse_what_others_have(key.public_key.modulus)
    if key.wrapped:
        try:
            private = brought.read(recipient.unwrap(key))
        except SealError as error:
            raise KeyRefusedError(
                f"The key {key.fingerprint[:16]} does not open with the recipient's key."
            ) from error
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
    for name in _TIMES:
        setattr(record, name, _moment(key.facts, name) or getattr(record, name))
    record.archived_at = _moment(key.facts, "archived_at") or timezone.now()
    return record


def _moment(facts: Mapping[str, Any], name: str) -> dt.datetime | None:
    text = facts.get(name)
    return dt.datetime.fromisoformat(text) if isinstance(text, str) else None
