"""Keys at rest and in use: sealed where they lie, opened only there, never shown."""

import dataclasses
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import TransactionManagementError

from keys import custody
from keys.backends import software
from keys.custody import active_key, find_key, forget_loaded, hold_active, oidc_signing_key
from keys.errors import KeyUnavailableError
from keys.models import InstallationKey, KeyVersion
from keys.rollover import create_first_key
from rms.errors import SealError
from tenants.freshness import forget_facts
from tenants.models import Tenant

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


@pytest.mark.parametrize("state", [KeyVersion.State.PENDING, KeyVersion.State.DESTROYED])
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
    assert record.kek_id


def test_handles_show_no_secret(key: KeyVersion):
    handle = active_key(key.tenant_id)
    modulus = handle.public_key.modulus
    for text in (repr(handle), str(handle), repr(handle._key), str(key)):
        assert str(modulus)[:20] not in text
        assert "rivate" not in text
    with pytest.raises(dataclasses.FrozenInstanceError):
        handle.state = "active"  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize("column", ["sealed_private", "fingerprint", "tenant_id", "id"])
def test_a_sealed_half_opens_in_its_own_row_only(key: KeyVersion, column: str):
    """Somebody with access to the database puts one organization's key where another's belongs."""
    fabrikam = Tenant.objects.create(slug="fabrikam", name="Fabrikam")
    theirs = create_first_key(fabrikam)
    stolen = KeyVersion.objects.get(id=key.id)
    KeyVersion.objects.filter(id=key.id).delete()
    if column == "sealed_private":
        KeyVersion.objects.filter(id=theirs.id).update(sealed_private=stolen.sealed_private)
    else:
        KeyVersion.objects.filter(id=theirs.id).delete()
        setattr(stolen, column, getattr(theirs, column))
        stolen.save(force_insert=True)
    restart()
    (row,) = KeyVersion.objects.all()
    with pytest.raises(KeyUnavailableError):
        active_key(row.tenant_id)
    with pytest.raises(KeyUnavailableError):
        find_key(row.fingerprint)


def test_wrong_key_encryption_key(key: KeyVersion, settings: Any):
    oidc_signing_key()
    settings.KEY_ENCRYPTION_KEY = WRONG_KEK
    restart()
    with pytest.raises(KeyUnavailableError) as tenant_key:
        active_key(key.tenant_id)
    assert str(tenant_key.value) == "The key cannot be unsealed: is this the right key-encryption key?"
    with pytest.raises(KeyUnavailableError, match="is this the right key-encryption key"):
        oidc_signing_key()


@pytest.mark.parametrize("blob", [None, b"", b"x" * 12, b"x" * 2000])
def test_damaged_row(key: KeyVersion, blob: bytes | None):
    KeyVersion.objects.update(sealed_private=blob)
    restart()
    with pytest.raises(KeyUnavailableError):
        find_key(key.fingerprint)


@pytest.mark.parametrize("kind", [KeyVersion.Kind.PKCS11, KeyVersion.Kind.BYOK])
def test_a_key_kept_elsewhere_is_said_to_be(key: KeyVersion, kind: KeyVersion.Kind):
    KeyVersion.objects.update(kind=kind)
    restart()
    with pytest.raises(KeyUnavailableError, match="not kept by this server"):
        active_key(key.tenant_id)


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
