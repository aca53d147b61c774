"""Where private keys are: made, brought, found again, taken away. Above this, keys are used and never seen."""

import contextlib
import os
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from keys.backends import pkcs11, software
from keys.backends.operations import PrivateKey
from keys.errors import KeyHeldError, KeyUnavailableError
from keys.models import ImportKey, InstallationKey, KeyPolicy, KeyVersion, WrappingKey
from rms.errors import SealError
from rms.key_wrapping import wrap_der
from rms.sealing import seal, unseal
from rms.xrml.public_key import PublicKey
from tenants.sealing import SealedColumn

_PURPOSE: Final = "tenant-key"
_WRONG_KEK: Final = "The key cannot be unsealed: is this the right key-encryption key?"
_HELD: Final = "The organization keeps this key to itself at the moment."
Kind = KeyVersion.Kind
_IN_USE: Final = (
    KeyVersion.State.PENDING,
    KeyVersion.State.ACTIVE,
    KeyVersion.State.ARCHIVED,
    KeyVersion.State.DISABLED,  # may be enabled again
)


def _place(record: KeyVersion) -> bytes:
    """Where a sealed blob belongs, so that it opens nowhere else: table, row, tenant, fingerprint."""
    return f"{KeyVersion._meta.db_table}/{record.id}/{record.tenant_id}/{record.fingerprint}".encode()


def _wrapping_place(wrapping: WrappingKey) -> bytes:
    return f"{WrappingKey._meta.db_table}/".encode() + _place(wrapping.key)


def _import_place(row: ImportKey) -> bytes:
    return f"{ImportKey._meta.db_table}/{row.id}/{row.tenant_id}".encode()


def _installation_place(row: InstallationKey) -> bytes:
    return row.purpose.encode()


WRAPPING: Final = SealedColumn(WrappingKey, "sealed", "wrapping-key", _wrapping_place)
IMPORT: Final = SealedColumn(ImportKey, "sealed_private", "import-key", _import_place)
INSTALLATION: Final = SealedColumn(InstallationKey, "sealed_private", "installation-key", _installation_place)


def place_for(tenant_id: uuid.UUID) -> str:
    """Where new keys of an organization are made: its own decision, else the operator's setting."""
    decided = KeyPolicy.objects.filter(tenant_id=tenant_id).values_list("place", flat=True).first()
    return decided or settings.NEW_KEYS


def places_for(tenant_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """As `place_for`, for many organizations in one query."""
    decided = KeyPolicy.objects.filter(tenant_id__in=tenant_ids).values_list("tenant_id", "place")
    return dict.fromkeys(tenant_ids, settings.NEW_KEYS) | {
        tenant: place for tenant, place in decided if place
    }


def has_token() -> bool:
    """Whether the operator has set a hardware security module up."""
    return bool(settings.PKCS11_MODULE)


def new_key(
    tenant_id: uuid.UUID,
    *,
    bits: int,
    state: KeyVersion.State,
    key_id: uuid.UUID | None = None,
    place: str = "",
) -> KeyVersion:
    """An unsaved record of a freshly made key, to be saved by `store` or given up by `discard`.

    Slow (RSA key generation): call it outside transactions. In a token, a key of the same `key_id` that was made before
    is taken, so that this can be repeated. Raises `KeyUnavailableError`.
    """
    record = KeyVersion(tenant_id=tenant_id, bits=bits, state=state, kind=place or place_for(tenant_id))
    record.id = key_id or record.id
    if record.kind == Kind.PKCS11:
        modulus, record.oaep_hash = _token().generate(record.id.bytes, bits)
        record.token_label = _token().place.label
        _name(record, modulus)
    else:
        modulus, der = software.generate(bits)
        _name(record, modulus)
        _wrap(record, der)
    return record


def brought_key(
    tenant_id: uuid.UUID, private: Any, *, state: KeyVersion.State, place: str = ""
) -> KeyVersion:
    """As `new_key`, for a key that the customer brought (`backends.brought` has checked it).

    Its id follows from the key, so that what is left in a token by a process that died, or by a token that was slower than
    our patience, is found there when the key is brought again, with whichever import key.
    """
    record = KeyVersion(tenant_id=tenant_id, state=state, kind=place or place_for(tenant_id))
    record.origin = KeyVersion.Origin.BROUGHT
    record.bits = private.key_size
    _name(record, private.public_key().public_numbers().n)
    record.id = uuid.uuid5(tenant_id, record.fingerprint)
    put_back(record, private)
    return record


def put_back(record: KeyVersion, private: Any) -> None:
    """Give a record the private half that belongs to its modulus; `store_private` saves that.

    Where it is to be kept in a token, call `expect_in_token` before: what is left there after a crash is then found.
    """
    if record.kind == Kind.PKCS11:
        _, record.oaep_hash = _token().bring(record.id.bytes, private)
        record.token_label = _token().place.label
    else:
        _wrap(record, software.to_der(private))


def expect_in_token(record: KeyVersion) -> None:
    """Note, before a held key is put back into a token, that it may be there."""
    if record.kind == Kind.PKCS11:
        KeyVersion.objects.filter(id=record.id).update(token_label=_token().place.label)


def store(record: KeyVersion) -> None:
    """Save a new record with what opens it, in the caller's transaction."""
    record.save(force_insert=True)
    wrapping = wrapping_of(record)
    if wrapping is not None:
        wrapping.save(force_insert=True)


def store_many(records: Sequence[KeyVersion]) -> None:
    """As `store`, for many records in two statements."""
    KeyVersion.objects.bulk_create(records)
    WrappingKey.objects.bulk_create(
        [wrapping for record in records if (wrapping := wrapping_of(record)) is not None]
    )


def store_private(record: KeyVersion) -> None:
    """Save what `put_back` gave to a record that is in the database, in the caller's transaction."""
    record.held_at = None
    record.save(update_fields=["sealed_private", "token_label", "oaep_hash", "held_at"])
    wrapping = wrapping_of(record)
    if wrapping is not None:
        wrapping.save(force_insert=True)


def discard(record: KeyVersion) -> None:
    """Give up a key that was made and is not going to be stored; not when another process has stored it meanwhile."""
    if record.kind == Kind.PKCS11 and not KeyVersion.objects.filter(id=record.id).exists():
        # Nobody knows of it, so it may as well stay in a token that does not answer.
        with contextlib.suppress(KeyUnavailableError):
            _token().destroy(record.id.bytes)


def take_away(record: KeyVersion) -> None:
    """Destroy what the database holds of a private half, in the caller's transaction; afterwards call `clear_token`."""
    WrappingKey.objects.filter(key=record).delete()
    record.sealed_private = None
    record.save(update_fields=["sealed_private"])


def clear_token(key_id: uuid.UUID) -> None:
    """Destroy in the token a key that was taken away. Safe to repeat; a key that is to be used again stays.

    Raises `KeyUnavailableError`.
    """
    with transaction.atomic():
        record = left_in_tokens().select_for_update().filter(id=key_id).first()
        if record is not None:
            _token(record.token_label).destroy(record.id.bytes)
            KeyVersion.objects.filter(id=record.id).update(token_label="")


def left_in_tokens() -> QuerySet[KeyVersion]:
    """Keys that nothing may use any more (held, destroyed, withdrawn) and that may still be in a token."""
    return KeyVersion.objects.exclude(token_label="").exclude(state__in=_IN_USE, held_at=None)


def wrapping_of(record: KeyVersion) -> WrappingKey | None:
    """The key under which a record's private half lies; None when there is none."""
    try:
        return record.wrapping
    except ObjectDoesNotExist:
        return None


def load(record: KeyVersion) -> PrivateKey:
    """The private key of a record, to be used. Raises `KeyUnavailableError`, `KeyHeldError`."""
    if record.held_at is not None:
        raise KeyHeldError(_HELD)
    if record.kind == Kind.PKCS11:
        modulus = int.from_bytes(bytes(record.modulus), "big")
        return _token(record.token_label).open(record.id.bytes, modulus, record.oaep_hash)
    try:
        return software.load(_unseal(record), record.oaep_hash)
    except ValueError as error:
        raise KeyUnavailableError(_WRONG_KEK) from error


def hand_over(record: KeyVersion, encrypt: Callable[[bytes], bytes]) -> bytes:
    """The private half of a record, wrapped (`rms.key_wrapping`) for whom `encrypt` is the RSA-OAEP of; never in clear.

    Raises `KeyHeldError` and `KeyUnavailableError`, the latter for a key in a token, too: it never leaves that.
    """
    if record.held_at is not None:
        raise KeyHeldError(_HELD)
    if record.kind != Kind.SOFTWARE:
        raise KeyUnavailableError("A key in a hardware security module cannot leave it.")
    return wrap_der(_unseal(record), encrypt)


def _unseal(record: KeyVersion) -> bytes:
    wrapping = wrapping_of(record)
    if wrapping is None or record.sealed_private is None:
        raise KeyUnavailableError("The private half of this key is not here.")
    try:
        key = WRAPPING.get(wrapping)
        return unseal(key, bytes(record.sealed_private), purpose=_PURPOSE, associated=_place(record))
    except (SealError, ValueError) as error:
        raise KeyUnavailableError(_WRONG_KEK) from error


def _name(record: KeyVersion, modulus: int) -> None:
    record.modulus = modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")
    record.fingerprint = PublicKey.from_numbers(modulus).fingerprint


def _wrap(record: KeyVersion, der: bytes) -> None:
    key = os.urandom(32)
    record.sealed_private = seal(key, der, purpose=_PURPOSE, associated=_place(record))
    WRAPPING.put(WrappingKey(key=record, created_at=timezone.now()), key)


def _token(label: str = "") -> pkcs11.Token:
    """The token that the settings name; `label` of a record has to be that one."""
    if not has_token():
        raise KeyUnavailableError("No hardware security module is set up on this server.")
    if label not in ("", settings.PKCS11_TOKEN_LABEL):
        raise KeyUnavailableError(f"This key is in another token ({label}).")
    return pkcs11.token_at(
        pkcs11.Place(
            module=settings.PKCS11_MODULE,
            label=settings.PKCS11_TOKEN_LABEL,
            pin=pkcs11.Pin(settings.PKCS11_TOKEN_PIN),
            seconds=settings.PKCS11_SECONDS,
            generation_seconds=settings.PKCS11_GENERATION_SECONDS,
        )
    )
