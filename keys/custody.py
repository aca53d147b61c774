"""Using keys: callers get handles that sign and decrypt, never key material."""

import uuid
from dataclasses import dataclass, field, replace

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

from keys import keeping
from keys.backends import software
from keys.backends.operations import Description, PrivateKey, Unreadable
from keys.errors import (
    KeyCustodyError,
    KeyDestroyedError,
    KeyDisabledError,
    KeyHeldError,
    KeyNoLongerActiveError,
    KeyUnavailableError,
    NoActiveKeyError,
)
from keys.models import InstallationKey, KeyVersion
from rms.errors import SealError
from rms.xrml.public_key import PublicKey
from tenants.freshness import FactCache

OIDC_SIGNING = "oidc-signing"
# How long a process may keep an opened private key without opening it anew.
KEY_SECONDS = 600.0
_HELD = "The organization keeps this key to itself at the moment."


@dataclass(frozen=True, repr=False)
class KeyHandle(Unreadable):
    """A tenant key that can be used but not read; a held one cannot be used either."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    fingerprint: str
    oaep_hash: str
    state: str
    public_key: PublicKey
    _key: PrivateKey | None
    # Why there is no private half here; none: it is held.
    _missing: KeyCustodyError | None = field(default=None)
    # The state may be as old as the cache that this handle came from.
    _remembered: bool = field(default=False)

    def __repr__(self) -> str:
        return f"<KeyHandle {self.fingerprint[:16]} {self.state}>"

    @property
    def is_held(self) -> bool:
        return self._key is None and self._missing is None

    @property
    def is_usable(self) -> bool:
        return self._key is not None

    def describe(self) -> Description | None:
        """Where the key is kept and what it does; None for a held one, which is nowhere here."""
        return self._key.describe() if self._key is not None else None

    def sign(self, data: bytes) -> bytes:
        """Sign with RSASSA-PKCS1-v1_5 and SHA-256. An archived key signs nothing new: raises `KeyNoLongerActiveError`.

        Raises `KeyHeldError` and, when the key is kept in a token that does not answer, `KeyUnavailableError`.
        What was signed counts only once `hold_active` has passed in the transaction that registers it.
        """
        key = self._usable()
        if self.state != KeyVersion.State.ACTIVE or (self._remembered and not _active(self).exists()):
            raise KeyNoLongerActiveError("This key is archived and seals nothing new.")
        return key.sign(data)

    def decrypt(self, block: bytes) -> bytes:
        """Undo RSA-OAEP.

        Raises `rms.errors.SealError`, `KeyHeldError`, `KeyUnavailableError`, `KeyDisabledError`, `KeyDestroyedError`.
        """
        return self._usable().decrypt(block)

    def _usable(self) -> PrivateKey:
        if self._key is None:
            raise type(self._missing)(*self._missing.args) if self._missing else KeyHeldError(_HELD)
        return self._key


_handles = FactCache(10_000)
# What was opened: at most so many keys, and none for longer than ten minutes.
_loaded = FactCache(2_000, max_age=KEY_SECONDS)
# What was found under a fingerprint, to be used again once its state was read again.
_used = FactCache(2_000, max_age=KEY_SECONDS)
_STATE = f"SELECT state, held_at FROM {KeyVersion._meta.db_table} WHERE fingerprint = %s"  # noqa: S608  (a table's name)
_USABLE = (KeyVersion.State.ACTIVE, KeyVersion.State.ARCHIVED)
_KNOWN = (*_USABLE, KeyVersion.State.DISABLED, KeyVersion.State.DESTROYED)


def find_key(fingerprint: str) -> KeyHandle | None:
    """The key with this fingerprint in any tenant, active or archived: a license names its key, the key its tenant.

    At most five seconds old. A key that is held, disabled, destroyed, or archived and out of reach is found too, since its
    public half verifies; it does nothing else. Raises `KeyUnavailableError` for an active key that cannot be reached.
    """
    handle: KeyHandle | None = _handles.get(fingerprint)
    if handle is None:
        handle = _again(fingerprint)
        if handle is None:
            # A pending key is not found and not remembered either: it opens from the instant of the switch.
            record = _records().filter(fingerprint=fingerprint, state__in=_KNOWN).first()
            if record is None:
                return None
            handle = _found(record)
            if handle.is_usable:
                _used[fingerprint] = handle
        _handles[fingerprint] = handle
    return handle


def _again(fingerprint: str) -> KeyHandle | None:
    """The handle used before, when only its state has to be asked anew: every opening of a rarely opened document."""
    known: KeyHandle | None = _used.get(fingerprint)
    if known is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [fingerprint])
        row = cursor.fetchone()
    if row is None or row[0] not in _USABLE or row[1] is not None:
        forget_key(fingerprint)
        return None
    return known if row[0] == known.state else replace(known, state=row[0])


def active_key(tenant_id: uuid.UUID) -> KeyHandle:
    """The key that seals now, read from the database each time.

    Raises `NoActiveKeyError`, `KeyHeldError`, `KeyUnavailableError`.
    """
    record = _records().filter(tenant_id=tenant_id, state=KeyVersion.State.ACTIVE).first()
    if record is None:
        raise NoActiveKeyError("This organization has no active key.")
    handle = _handle(record)
    if handle.is_held:
        raise KeyHeldError(_HELD)
    return handle


def key_to_get_off(key_id: uuid.UUID) -> KeyHandle:
    """The private half of a key that is not the active one, for sealing anew what hangs on it, and for nothing else.

    A disabled key is found too, and not remembered: whoever opens documents goes on being refused (`find_key`), and the
    private half is gone from this process with the handle. Raises `KeyHeldError`, `KeyDestroyedError`, `KeyUnavailableError`.
    """
    record = _records().get(id=key_id)
    if record.state == KeyVersion.State.DISABLED:
        return _describe(record, keeping.load(record), remembered=False)
    if record.state == KeyVersion.State.DESTROYED:
        raise KeyDestroyedError("This key was destroyed.")
    handle = _handle(record)
    if handle.is_held:
        raise KeyHeldError(_HELD)
    return handle


def keep_from_going(handle: KeyHandle) -> None:
    """Within a transaction: make sure a key is still there, and is not destroyed or held before the commit.

    Raises `KeyUnavailableError` when that was quicker.
    """
    there = KeyVersion.objects.select_for_update().filter(id=handle.id, held_at=None)
    if not list(there.exclude(state=KeyVersion.State.DESTROYED).values_list("id")):
        raise KeyUnavailableError("This key was taken away in between.")


def hold_active(handle: KeyHandle) -> None:
    """Within a transaction: make sure the key that just sealed is still the active one, and keep it so until commit.

    Many may hold a key at once; a rollover waits for all of them. Raises `KeyNoLongerActiveError` when a rollover has
    come between or the key is held, `TransactionManagementError` outside a transaction.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError(
            "A key is held until the end of a transaction, so there has to be one."
        )
    held = _active(handle)
    if connection.vendor == "postgresql":
        # FOR SHARE, which Django cannot say: FOR UPDATE would let one publication of a tenant through at a time, and
        # two of them could lock each other out if each had already referred to the key.
        sql, parameters = held.values("id").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} FOR SHARE", parameters)
            active = cursor.fetchone() is not None
    else:
        active = held.exists()  # SQLite: this transaction is the only one that writes
    if not active:
        raise KeyNoLongerActiveError("The key was rolled in between.")


def _active(handle: KeyHandle) -> QuerySet[KeyVersion]:
    return KeyVersion.objects.filter(id=handle.id, state=KeyVersion.State.ACTIVE, held_at=None)


def check_usable(record: KeyVersion) -> None:
    """Raises `KeyUnavailableError` unless this process can use the key, `KeyHeldError` when its owner does not want it to."""
    if _handle(record).is_held:
        raise KeyHeldError(_HELD)


def forget_key(fingerprint: str) -> None:
    """Drop what this process has opened of a key that was taken away."""
    for cache in (_handles, _used, _loaded):
        cache.forget(fingerprint)


def oidc_signing_key() -> str:
    """The PEM of the key that signs identity tokens; made at first use, at rest sealed by the key-encryption key."""
    record = InstallationKey.objects.filter(purpose=OIDC_SIGNING).first() or _make_installation_key(
        OIDC_SIGNING
    )
    try:
        return software.to_pem(keeping.INSTALLATION.get(record))
    except SealError as error:
        raise KeyUnavailableError(
            "The sign-in key cannot be unsealed: is this the right key-encryption key?"
        ) from error


def _make_installation_key(purpose: str) -> InstallationKey:
    _, der = software.generate(2048)
    record = InstallationKey(purpose=purpose)
    keeping.INSTALLATION.put(record, der)
    try:
        with transaction.atomic():
            record.save(force_insert=True)
            return record
    except IntegrityError:
        return InstallationKey.objects.get(purpose=purpose)


def _records() -> QuerySet[KeyVersion]:
    return KeyVersion.objects.select_related("wrapping")


def _found(record: KeyVersion) -> KeyHandle:
    """The handle of a key that a license names; without a private half where that is out of reach and not active."""
    if record.state == KeyVersion.State.DESTROYED:
        return _without(record, KeyDestroyedError("This key was destroyed."))
    if record.state == KeyVersion.State.DISABLED:
        return _without(record, KeyDisabledError("This key is disabled."))
    try:
        return _handle(record, remembered=True)
    except KeyUnavailableError as error:
        if record.state == KeyVersion.State.ACTIVE:
            raise
        return _without(record, type(error)(*error.args))  # without the frames it came through


def _without(record: KeyVersion, missing: KeyCustodyError) -> KeyHandle:
    return replace(_describe(record, None, remembered=True), _missing=missing)


def _handle(record: KeyVersion, *, remembered: bool = False) -> KeyHandle:
    key: PrivateKey | None = None
    if record.held_at is None:
        key = _loaded.get(record.fingerprint)
        if key is None:
            key = _loaded[record.fingerprint] = keeping.load(record)
    return _describe(record, key, remembered=remembered)


def _describe(record: KeyVersion, key: PrivateKey | None, *, remembered: bool) -> KeyHandle:
    return KeyHandle(
        record.id,
        record.tenant_id,
        record.fingerprint,
        record.oaep_hash,
        record.state,
        PublicKey.from_numbers(int.from_bytes(bytes(record.modulus), "big")),
        key,
        _remembered=remembered,
    )


def forget_loaded() -> None:
    """Drop loaded private keys, for a process that changes its key-encryption key or its database (tests)."""
    _loaded.clear()
    _used.clear()
