"""Using keys: callers get handles that sign and decrypt, never key material."""

import hashlib
import math
import uuid
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

from keys.backends import software
from keys.errors import KeyNoLongerActiveError, KeyUnavailableError, NoActiveKeyError
from keys.models import InstallationKey, KeyVersion
from rms.errors import SealError
from rms.sealing import seal, unseal
from rms.xrml.public_key import PublicKey
from tenants.freshness import FactCache

OIDC_SIGNING = "oidc-signing"


@dataclass(frozen=True)
class KeyHandle:
    """A tenant key that can be used but not read."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    fingerprint: str
    oaep_hash: str
    state: str
    public_key: PublicKey = field(repr=False)
    _key: software.SoftwareKey = field(repr=False)
    # The state may be as old as the cache that this handle came from.
    _remembered: bool = field(default=False, repr=False)

    def sign(self, data: bytes) -> bytes:
        """Sign with RSASSA-PKCS1-v1_5 and SHA-256. An archived key signs nothing new: raises `KeyNoLongerActiveError`.

        What was signed counts only once `hold_active` has passed in the transaction that registers it.
        """
        if self.state != KeyVersion.State.ACTIVE or (self._remembered and not _active(self).exists()):
            raise KeyNoLongerActiveError("This key is archived and seals nothing new.")
        return self._key.sign(data)

    def decrypt(self, block: bytes) -> bytes:
        """Undo RSA-OAEP. Raises `rms.errors.SealError`."""
        return self._key.decrypt(block)


_handles = FactCache(10_000)
# Material behind a fingerprint never changes, so a loaded key may stay as long as the process; its state may not.
_loaded = FactCache(2_000, max_age=math.inf)
# What was found under a fingerprint, to be used again once its state was read again.
_used = FactCache(2_000, max_age=math.inf)
_STATE = f"SELECT state FROM {KeyVersion._meta.db_table} WHERE fingerprint = %s"  # noqa: S608  (a table's name)
_USABLE = (KeyVersion.State.ACTIVE, KeyVersion.State.ARCHIVED)


def find_key(fingerprint: str) -> KeyHandle | None:
    """The key with this fingerprint in any tenant, active or archived: a license names its key, the key its tenant.

    At most five seconds old. Raises `KeyUnavailableError`.
    """
    handle: KeyHandle | None = _handles.get(fingerprint)
    if handle is None:
        handle = _again(fingerprint)
        if handle is None:
            # A pending key is not found and not remembered either: it opens from the instant of the switch.
            record = KeyVersion.objects.filter(fingerprint=fingerprint, state__in=_USABLE).first()
            if record is None:
                return None
            handle = _used[fingerprint] = _handle(record, remembered=True)
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
    if row is None or row[0] not in _USABLE:
        return None
    return known if row[0] == known.state else replace(known, state=row[0])


def active_key(tenant_id: uuid.UUID) -> KeyHandle:
    """The key that seals now, read from the database each time. Raises `NoActiveKeyError`, `KeyUnavailableError`."""
    record = KeyVersion.objects.filter(tenant_id=tenant_id, state=KeyVersion.State.ACTIVE).first()
    if record is None:
        raise NoActiveKeyError("This organization has no active key.")
    return _handle(record)


def hold_active(handle: KeyHandle) -> None:
    """Within a transaction: make sure the key that just sealed is still the active one, and keep it so until commit.

    Many may hold a key at once; a rollover waits for all of them. Raises `KeyNoLongerActiveError` when a rollover has
    come between, `TransactionManagementError` outside a transaction.
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
    return KeyVersion.objects.filter(id=handle.id, state=KeyVersion.State.ACTIVE)


def new_software_key(tenant_id: uuid.UUID, *, bits: int, state: KeyVersion.State) -> KeyVersion:
    """An unsaved record of a freshly made key, sealed. Slow (RSA key generation): call it outside transactions."""
    modulus, der = software.generate(bits)
    record = KeyVersion(tenant_id=tenant_id, bits=bits, state=state, kek_id=_kek_id())
    record.modulus = modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")
    record.fingerprint = PublicKey.from_numbers(modulus).fingerprint
    record.sealed_private = seal(_kek(), der, purpose="tenant-key", associated=_place(record))
    return record


def check_usable(record: KeyVersion) -> None:
    """Raises `KeyUnavailableError` unless this process can use the key."""
    _handle(record)


def oidc_signing_key() -> str:
    """The PEM of the key that signs identity tokens; made at first use, at rest sealed by the key-encryption key."""
    record = InstallationKey.objects.filter(purpose=OIDC_SIGNING).first() or _make_installation_key(
        OIDC_SIGNING
    )
    try:
        der = unseal(
            _kek(),
            bytes(record.sealed_private),
            purpose="installation-key",
            associated=record.purpose.encode(),
        )
    except SealError as error:
        raise KeyUnavailableError(
            "The sign-in key cannot be unsealed: is this the right key-encryption key?"
        ) from error
    return software.to_pem(der)


def _make_installation_key(purpose: str) -> InstallationKey:
    _, der = software.generate(2048)
    sealed = seal(_kek(), der, purpose="installation-key", associated=purpose.encode())
    try:
        with transaction.atomic():
            return InstallationKey.objects.create(purpose=purpose, sealed_private=sealed, kek_id=_kek_id())
    except IntegrityError:
        return InstallationKey.objects.get(purpose=purpose)


def _handle(record: KeyVersion, *, remembered: bool = False) -> KeyHandle:
    key: software.SoftwareKey | None = _loaded.get(record.fingerprint)
    if key is None:
        key = _loaded[record.fingerprint] = _load(record)
    return KeyHandle(
        record.id,
        record.tenant_id,
        record.fingerprint,
        record.oaep_hash,
        record.state,
        PublicKey.from_numbers(key.modulus),
        key,
        remembered,
    )


def _load(record: KeyVersion) -> software.SoftwareKey:
    if record.kind != KeyVersion.Kind.SOFTWARE or record.sealed_private is None:
        raise KeyUnavailableError("This key is not kept by this server.")
    try:
        der = unseal(_kek(), bytes(record.sealed_private), purpose="tenant-key", associated=_place(record))
        return software.load(der, record.oaep_hash)
    except (SealError, ValueError) as error:
        raise KeyUnavailableError(
            "The key cannot be unsealed: is this the right key-encryption key?"
        ) from error


def _place(record: KeyVersion) -> bytes:
    """Where a sealed blob belongs, so that it opens nowhere else: table, row, tenant, fingerprint."""
    return f"{KeyVersion._meta.db_table}/{record.id}/{record.tenant_id}/{record.fingerprint}".encode()


def _kek() -> bytes:
    kek: str = settings.KEY_ENCRYPTION_KEY
    return kek.encode()


def _kek_id() -> str:
    return hashlib.sha256(b"kek-id" + _kek()).hexdigest()[:16]


def forget_loaded() -> None:
    """Drop loaded private keys, for a process that changes its key-encryption key or its database (tests)."""
    _loaded.clear()
    _used.clear()
