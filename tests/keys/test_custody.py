"""Keys at rest and in use: sealed where they lie, opened only there, never shown."""

import copy
import dataclasses
import pickle
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from keys import custody, keeping
from keys.backends import software
from keys.custody import active_key, find_key, forget_loaded, hold_active, oidc_signing_key
from keys.errors import KeyDestroyedError, KeyHeldError, KeyNoLongerActiveError, KeyUnavailableError
from keys.models import InstallationKey, KeyVersion, WrappingKey
from keys.rollover import create_first_key
from rms.errors import SealError
from rms.sealing import unseal
from tenants.freshness import forget_facts
from tenants.models import Tenant
from tenants.sealing import kek_id, seal_now

pytestmark = pytest.mark.django_db
WRONG_KEK = "quite another key-encryption key"


@pytest.fixture
def key(contoso: Tenant) -> KeyVersion:
    return create_first_key(contoso)


def restart() -> None:
    """What another server process knows: nothing."""
    forget_facts()
    forget_loaded()


def test_sign_and_decrypt(key: KeyVersion):
    handle = active_key(key.tenant_id)
    assert handle.public_key.verify(b"data", handle.sign(b"data"))
    assert not handle.public_key.verify(b"date", handle.sign(b"data"))
    block = handle.public_key.encrypt_oaep(b"secret")
    assert handle.decrypt(block) == b"secret"
    restart()
    found = find_key(key.fingerprint)
    assert found is not None
    assert (found.decrypt(block), found.tenant_id) == (b"secret", key.tenant_id)
    assert found.fingerprint == found.public_key.fingerprint


def test_what_does_not_decrypt_reads_the_same_whatever_the_cause(key: KeyVersion):
    handle = active_key(key.tenant_id)
    block = handle.public_key.encrypt_oaep(b"secret")
    texts = set()
    for bad in (
        b"",
        block[:-1],
        block + b"\0",
        bytes(len(block)),
        b"\xff" * len(block),
        bytes([block[0] ^ 1]) + block[1:],
    ):
        with pytest.raises(SealError) as caught:
            handle.decrypt(bad)
        texts.add(str(caught.value))
    assert len(texts) == 1


def test_unknown_key(key: KeyVersion):
    assert find_key("0" * 64) is None
    assert find_key("") is None


def test_a_destroyed_key_verifies_and_does_nothing_else(key: KeyVersion):
    signature = active_key(key.tenant_id).sign(b"license")
    KeyVersion.objects.update(state="destroyed")
    found = find_key(key.fingerprint)
    assert found is not None and not found.is_held and found.public_key.verify(b"license", signature)
    for use in (lambda: found.decrypt(b"block"), lambda: found.sign(b"another")):
        with pytest.raises(KeyDestroyedError):
            use()


@pytest.mark.parametrize("state", [KeyVersion.State.PENDING, KeyVersion.State.WITHDRAWN])
def test_key_in_a_state_that_opens_nothing(key: KeyVersion, state: KeyVersion.State):
    KeyVersion.objects.update(state=state)
    assert find_key(key.fingerprint) is None


def test_facts_are_asked_for_once(key: KeyVersion, django_assert_num_queries: Any):
    restart()
    with django_assert_num_queries(1):
        find_key(key.fingerprint)
        find_key(key.fingerprint)
    forget_facts()
    with django_assert_num_queries(1):
        find_key(key.fingerprint)


def test_private_half_is_nowhere_in_clear(key: KeyVersion, monkeypatch: pytest.MonkeyPatch):
    _, der = software.generate(3072)
    monkeypatch.setattr(software, "generate", lambda _: (software.load(der, "sha256").modulus, der))
    KeyVersion.objects.all().delete()
    record = create_first_key(key.tenant)
    private_numbers = der[-700:-100]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {KeyVersion._meta.db_table}")
        row = cursor.fetchone()
    blobs = [bytes(value) for value in row if isinstance(value, (bytes, memoryview))]
    assert len(blobs) == 2  # the modulus and the sealed half
    assert not any(
        private_numbers[start : start + 16] in blob for blob in blobs for start in range(0, 600, 16)
    )
    assert WrappingKey.objects.get(key=record).kek_id == kek_id()


def test_handles_show_no_secret(key: KeyVersion):
    handle = active_key(key.tenant_id)
    modulus = handle.public_key.modulus
    for text in (repr(handle), str(handle), repr(handle._key), str(key)):
        assert str(modulus)[:20] not in text
        assert "rivate" not in text
    for secret in (handle, handle._key):
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="A private key is n"):
                attempt(secret)
    with pytest.raises(dataclasses.FrozenInstanceError):
        handle.state = "active"  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize("column", ["sealed_private", "wrapping", "both"])
def test_a_sealed_half_opens_in_its_own_row_only(key: KeyVersion, column: str):
    """Somebody with access to the database puts one organization's key where another's belongs."""
    theirs = create_first_key(Tenant.objects.create(slug="fabrikam", name="Fabrikam"))
    stolen, wrapping = KeyVersion.objects.get(id=key.id), WrappingKey.objects.get(key=key)
    if column != "wrapping":
        KeyVersion.objects.filter(id=theirs.id).update(sealed_private=stolen.sealed_private)
    if column != "sealed_private":
        WrappingKey.objects.filter(key=theirs).update(sealed=wrapping.sealed)
    restart()
    with pytest.raises(KeyUnavailableError):
        active_key(theirs.tenant_id)
    with pytest.raises(KeyUnavailableError):
        find_key(theirs.fingerprint)


@pytest.mark.parametrize("column", ["fingerprint", "tenant_id"])
def test_a_row_whose_facts_were_changed_opens_no_more(key: KeyVersion, column: str):
    fabrikam = Tenant.objects.create(slug="fabrikam", name="Fabrikam")
    KeyVersion.objects.update(**{column: "0" * 64 if column == "fingerprint" else fabrikam.id})
    restart()
    (row,) = KeyVersion.objects.all()
    with pytest.raises(KeyUnavailableError):
        active_key(row.tenant_id)


def test_without_its_wrapping_key_a_key_is_gone(key: KeyVersion):
    WrappingKey.objects.all().delete()
    restart()
    with pytest.raises(KeyUnavailableError, match="not here"):
        find_key(key.fingerprint)


def test_wrong_key_encryption_key(key: KeyVersion, settings: Any):
    oidc_signing_key()
    settings.KEY_ENCRYPTION_KEY = WRONG_KEK
    restart()
    with pytest.raises(KeyUnavailableError) as tenant_key:
        active_key(key.tenant_id)
    assert str(tenant_key.value) == "The key cannot be unsealed: is this the right key-encryption key?"
    with pytest.raises(KeyUnavailableError, match="is this the right key-encryption key"):
        oidc_signing_key()


def test_keys_of_before_are_wrapped_by_the_migration(key: KeyVersion, settings: Any):
    """They lay under the key-encryption key itself, this one or the one it replaces."""
    handle = active_key(key.tenant_id)
    block, wrapping = handle.public_key.encrypt_oaep(b"secret"), WrappingKey.objects.get()
    place = keeping._place(key)
    der = unseal(
        keeping.WRAPPING.get(wrapping),
        bytes(key.sealed_private or b""),
        purpose="tenant-key",
        associated=place,
    )
    wrapping.delete()
    old = seal_now(der, purpose="tenant-key", associated=place)
    KeyVersion.objects.update(sealed_private=old)
    kek, settings.KEY_ENCRYPTION_KEY = settings.KEY_ENCRYPTION_KEY, WRONG_KEK
    migration = import_module("keys.migrations.0003_wrap_each_key")
    with pytest.raises(RuntimeError, match="Nothing has been changed"):
        migration.wrap(apps, None)
    settings.KEY_ENCRYPTION_KEY_PREVIOUS = kek
    migration.wrap(apps, None)
    migration.wrap(apps, None)
    settings.KEY_ENCRYPTION_KEY_PREVIOUS = ""
    restart()
    assert active_key(key.tenant_id).decrypt(block) == b"secret"
    assert bytes(KeyVersion.objects.get().sealed_private or b"") != old


@pytest.mark.parametrize("blob", [None, b"", b"x" * 12, b"x" * 2000])
def test_damaged_row(key: KeyVersion, blob: bytes | None):
    KeyVersion.objects.update(sealed_private=blob)
    restart()
    with pytest.raises(KeyUnavailableError):
        find_key(key.fingerprint)


def test_a_key_in_a_token_that_this_server_does_not_have(key: KeyVersion):
    KeyVersion.objects.update(kind=KeyVersion.Kind.PKCS11)
    restart()
    with pytest.raises(KeyUnavailableError, match="No hardware security module"):
        active_key(key.tenant_id)


def test_a_held_key_is_found_and_does_nothing(key: KeyVersion):
    """Also in a process that has it open: after five seconds it asks again."""
    handle = find_key(key.fingerprint)
    assert handle is not None
    block = handle.public_key.encrypt_oaep(b"secret")
    KeyVersion.objects.update(held_at=timezone.now())
    forget_facts_of_state()
    held = find_key(key.fingerprint)
    assert held is not None and held.is_held and held.describe() is None
    with pytest.raises(KeyNoLongerActiveError):
        handle.sign(b"data")
    for attempt in (
        lambda: held.decrypt(block),
        lambda: held.sign(b"data"),
        lambda: active_key(key.tenant_id),
    ):
        with pytest.raises(KeyHeldError):
            attempt()
    KeyVersion.objects.update(held_at=None)
    forget_facts_of_state()
    again = find_key(key.fingerprint)
    assert again is not None and again.decrypt(block) == b"secret"


def forget_facts_of_state() -> None:
    """Five seconds pass; what was opened stays open."""
    custody._handles.clear()


def test_sign_in_key_is_made_once_and_stays(settings: Any):
    first = oidc_signing_key()
    assert first.startswith("-----BEGIN PRIVATE KEY-----")
    assert oidc_signing_key() == first
    record = InstallationKey.objects.get()
    assert b"PRIVATE KEY" not in bytes(record.sealed_private)


def test_sign_in_key_made_twice_at_once(monkeypatch: pytest.MonkeyPatch):
    mine = custody._make_installation_key(custody.OIDC_SIGNING)
    assert custody._make_installation_key(custody.OIDC_SIGNING) == mine


@pytest.mark.django_db(transaction=True)
def test_holding_takes_a_transaction():
    record = create_first_key(Tenant.objects.create(slug="contoso", name="Contoso"))
    with pytest.raises(TransactionManagementError):
        hold_active(active_key(record.tenant_id))
