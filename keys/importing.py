"""Keys that customers bring, hold and bring again.

A key comes wrapped for a one-time import key of ours (`rms.key_wrapping`), is checked, and then goes the way of every
new key: announced, switched to. Holding removes it from here at once; only who has it can restore it.
"""

import logging
import uuid
from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.recording import record_admin
from keys import keeping
from keys.backends import brought, software
from keys.custody import forget_key
from keys.errors import KeyRefusedError, KeyUnavailableError, RollInProgressError
from keys.models import ImportKey, KeyPolicy, KeyVersion
from rms.errors import SealError
from rms.key_wrapping import MAX_WRAPPED, unwrap_private_key
from rms.xrml.public_key import PublicKey
from tenants.models import Tenant, User

log = logging.getLogger(__name__)
IMPORT_BITS: Final = 3072
# A ceremony at an HSM takes days to arrange.
IMPORT_KEY_LIFE: Final = timedelta(days=7)
State, Origin = KeyVersion.State, KeyVersion.Origin
_HOLDABLE: Final = (State.ACTIVE, State.ARCHIVED)


def make_import_key(tenant: Tenant, *, actor: User) -> ImportKey:
    """A new one-time key to wrap with; one that was not used is given up. Slow (RSA key generation)."""
    modulus, der = software.generate(IMPORT_BITS)
    now = timezone.now()
    row = ImportKey(tenant=tenant, created_by=actor.email, created_at=now, expires_at=now + IMPORT_KEY_LIFE)
    row.modulus = modulus.to_bytes(IMPORT_BITS // 8, "big")
    keeping.IMPORT.put(row, der)
    with transaction.atomic():
        Tenant.objects.select_for_update().get(id=tenant.id)
        ImportKey.objects.for_tenant(tenant).update(sealed_private=None, kek_id="")
        row.save(force_insert=True)
        facts = {"fingerprint": import_fingerprint(row), "expires_at": f"{row.expires_at:%Y-%m-%d %H:%M} UTC"}
        _log(tenant, actor, "MakeImportKey", row.id, import_fingerprint(row), after=facts)
    return row


def current_import_key(tenant: Tenant) -> ImportKey | None:
    """The import key that can be used now, if there is one."""
    usable = ImportKey.objects.for_tenant(tenant).filter(sealed_private__isnull=False)
    return usable.filter(expires_at__gt=timezone.now()).first()


def import_public_pem(row: ImportKey) -> str:
    """What the customer wraps with."""
    return brought.public_pem(int.from_bytes(bytes(row.modulus), "big"))


def import_fingerprint(row: ImportKey) -> str:
    return PublicKey.from_numbers(int.from_bytes(bytes(row.modulus), "big")).fingerprint


def expire_import_keys() -> int:
    """Forget the private halves of import keys whose time is over. Returns how many."""
    over = ImportKey.objects.filter(sealed_private__isnull=False, expires_at__lte=timezone.now())
    return over.update(sealed_private=None, kek_id="")


def import_key(tenant: Tenant, wrapped: bytes, *, actor: User, place: str = "") -> KeyVersion:
    """Take in a key that was wrapped with the current import key; `finish_due_rolls` switches to it.

    `place` says where it is kept; empty: where new keys are made. Uses the import key up, unless the key is refused.
    Raises `KeyRefusedError`, `RollInProgressError`, `KeyUnavailableError`.
    """
    if KeyVersion.objects.for_tenant(tenant).filter(state=State.PENDING).exists():
        raise RollInProgressError(_("A new key is already being rolled in; wait until it is active."))
    row, private = _unwrap(tenant, wrapped)
    modulus = private.public_key().public_numbers().n
    fingerprint = PublicKey.from_numbers(modulus).fingerprint
    if KeyVersion.objects.for_tenant(tenant).filter(fingerprint=fingerprint).exists():
        raise KeyRefusedError(
            _("This key is in your list already. A held key is restored, not imported again.")
        )
    refuse_what_others_have(modulus)
    record = keeping.brought_key(tenant.id, private, state=State.PENDING, place=place)
    try:
        with transaction.atomic():
            use_up(row)
            keeping.store(record)
            after = {"state": record.state, "bits": record.bits, "kind": record.kind, "origin": record.origin}
            _log(tenant, actor, "ImportKey", record.id, record.fingerprint, after=after)
    except IntegrityError as error:
        keeping.discard(record)
        raise RollInProgressError(
            _("A new key is already being rolled in; wait until it is active.")
        ) from error
    except KeyRefusedError:
        keeping.discard(record)
        raise
    return record


def is_holdable(key: KeyVersion) -> bool:
    """Whether `hold_key` would do it."""
    return key.origin == Origin.BROUGHT and key.held_at is None and key.state in _HOLDABLE


def hold_key(key: KeyVersion, *, actor: User) -> None:
    """Make a brought key unusable here, at once and until it is brought again. Raises `KeyRefusedError`.

    Its private half is removed from the database in the same transaction. In a token it is destroyed right after, and by
    the sweep when the token does not answer; until then the record already keeps it from being used.
    """
    with transaction.atomic():
        locked = KeyVersion.objects.select_for_update().get(id=key.id)
        if locked.origin != Origin.BROUGHT:
            raise KeyRefusedError(
                _(
                    "Only a key that you brought can be held: this one was made here, and nobody could bring it again."
                )
            )
        if not is_holdable(locked):
            raise KeyRefusedError(_("Only an active or archived key that is not held can be held."))
        locked.held_at = timezone.now()
        locked.save(update_fields=["held_at"])
        keeping.take_away(locked)
        _log(
            key.tenant,
            actor,
            "HoldKey",
            key.id,
            key.fingerprint,
            before={"held": False},
            after={"held": True},
        )
    forget_key(locked.fingerprint)
    _clear_token(locked.id)


def restore_key(key: KeyVersion, wrapped: bytes, *, actor: User) -> KeyVersion:
    """End a hold: the same key, wrapped with the current import key. Raises `KeyRefusedError`, `KeyUnavailableError`."""
    if key.held_at is None:
        raise KeyRefusedError(_("This key is not held."))
    row, private = _unwrap(key.tenant, wrapped)
    if private.public_key().public_numbers().n != int.from_bytes(bytes(key.modulus), "big"):
        raise KeyRefusedError(_("This is another key than the one that is held."))
    keeping.expect_in_token(key)
    with transaction.atomic():
        locked = KeyVersion.objects.select_for_update().get(id=key.id)
        if locked.held_at is None:
            raise KeyRefusedError(_("This key is not held."))
        use_up(row)
        keeping.put_back(locked, private)
        keeping.store_private(locked)
        _log(
            key.tenant,
            actor,
            "RestoreKey",
            key.id,
            key.fingerprint,
            before={"held": True},
            after={"held": False},
        )
    forget_key(locked.fingerprint)
    return locked


def clear_tokens() -> None:
    """Destroy in the token what nothing may use any more and is still there, as after a token that did not answer."""
    for key_id in keeping.left_in_tokens().values_list("id", flat=True):
        _clear_token(key_id)


def choose_place(tenant: Tenant, place: str, *, actor: User) -> None:
    """Decide where new keys of an organization are made; empty: as the operator has set. Raises `KeyRefusedError`."""
    if place not in ("", *KeyPolicy.Place.values):
        raise KeyRefusedError(_("Keys are made in “software” or “pkcs11”."))
    if place == KeyPolicy.Place.PKCS11 and not keeping.has_token():
        raise KeyRefusedError(_("This installation has no hardware security module."))
    with transaction.atomic():
        Tenant.objects.select_for_update().get(id=tenant.id)
        policy, _made = KeyPolicy.objects.get_or_create(tenant=tenant)
        if policy.place == place:
            return
        before, policy.place = policy.place, place
        policy.save(update_fields=["place"])
        _log(
            tenant,
            actor,
            "ChooseKeyPlace",
            tenant.id,
            tenant.name,
            before={"place": before},
            after={"place": place},
        )


def unwrap(tenant: Tenant, wrapped: bytes) -> tuple[ImportKey, bytes]:
    """The current import key, to be used up, and what was wrapped with it (DER). Raises `KeyRefusedError`, `KeyUnavailableError`."""
    row = current_import_key(tenant)
    if row is None:
        raise KeyRefusedError(
            _("There is no import key, or its time is over. Make a new one and wrap the key with that.")
        )
    if len(wrapped) > MAX_WRAPPED:
        raise KeyRefusedError(_("This is too long for a wrapped key."))
    try:
        import_private = keeping.IMPORT.get(row)
    except SealError as error:
        raise KeyUnavailableError(_("The import key cannot be unsealed; make a new one.")) from error
    try:
        return row, unwrap_private_key(wrapped, import_private)
    except SealError as error:
        raise KeyRefusedError(
            _(
                "This cannot be unwrapped: it is not wrapped with the current import key, or not in the documented way."
            )
        ) from error


def _unwrap(tenant: Tenant, wrapped: bytes) -> tuple[ImportKey, Any]:
    row, der = unwrap(tenant, wrapped)
    return row, brought.read(der)


def refuse_what_others_have(modulus: int) -> None:
    """Raises `KeyRefusedError` for a key that the installation has already, or that shares a prime with one of its keys."""
    others = KeyVersion.objects.values_list("modulus", flat=True).iterator(2000)
    numbers = [int.from_bytes(bytes(other), "big") for other in others]
    if modulus in numbers or brought.shares_a_prime(modulus, numbers):
        raise KeyRefusedError(
            _("This key is known already, whole or in part: it was not made by a good random generator.")
        )


def use_up(row: ImportKey) -> None:
    """Within a transaction: an import key is used once. Raises `KeyRefusedError` when somebody was quicker."""
    unused = ImportKey.objects.filter(id=row.id, sealed_private__isnull=False)
    if not unused.update(sealed_private=None, kek_id="", used_at=timezone.now()):
        raise KeyRefusedError(
            _("The import key has been used meanwhile. Make a new one and wrap the key with that.")
        )


def _clear_token(key_id: uuid.UUID) -> None:
    try:
        keeping.clear_token(key_id)
    except KeyUnavailableError as error:
        log.error("A key that was taken away is still in its token: %s", error)


def _log(
    tenant: Tenant,
    actor: User,
    action: str,
    target_id: uuid.UUID,
    target: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    record_admin(
        tenant_id=tenant.id, actor=actor.email, actor_id=actor.id, action=action, target=target, target_id=target_id,
        before=before, after=after,
    )  # fmt: skip
