"""Changing the key-encryption key: whatever is sealed stays readable at every instant, and nothing is forgotten."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import models
from django.utils import timezone

from administration.resealing import everything_sealed
from audit.models import AdminEvent
from keys import keeping
from keys.custody import active_key, forget_loaded, oidc_signing_key
from keys.models import ImportKey, KeyVersion, WrappingKey
from rms.sealing import seal
from tenants import sealing, sso
from tenants.factors import open_secret, seal_secret
from tenants.freshness import forget_facts
from tenants.models import IdentityProvider
from tests.conftest import World

pytestmark = pytest.mark.django_db
NEW = "the new key-encryption key of the tests"


class KilledError(Exception):
    """Stands for a process that dies."""


class Sealed:
    """One of everything that is sealed, and a way to read it all."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pem = oidc_signing_key()
        self.provider = IdentityProvider(tenant=world.contoso, kind="oidc", name="Contoso")
        sso.SECRET.put(self.provider, b"client secret")
        self.provider.save()
        carol = world.person("carol")
        Authenticator.objects.create(user=carol, type="totp", data={"secret": seal_secret("totp")})
        codes = {"seed": seal_secret("seed"), "used_mask": 0}
        Authenticator.objects.create(user=carol, type="recovery_codes", data=codes)
        later = timezone.now() + timedelta(days=1)
        row = ImportKey(tenant=world.contoso, modulus=b"m", created_by="alice", expires_at=later)
        keeping.IMPORT.put(row, b"import")
        row.save()

    def check(self) -> None:
        forget_facts()
        forget_loaded()
        for tenant in (self.world.contoso, self.world.fabrikam):
            handle = active_key(tenant.id)
            assert handle.decrypt(handle.public_key.encrypt_oaep(b"secret")) == b"secret"
        assert oidc_signing_key() == self.pem
        assert sso.client_secret(IdentityProvider.objects.get()) == "client secret"
        data = {row.type: row.data for row in Authenticator.objects.all()}
        assert open_secret(data["totp"]["secret"]) == "totp"
        assert open_secret(data["recovery_codes"]["seed"]) == "seed"
        assert keeping.IMPORT.get(ImportKey.objects.get()) == b"import"


@pytest.fixture
def sealed(world: World) -> Sealed:
    return Sealed(world)


def change(settings: Any) -> str:
    old: str = settings.KEY_ENCRYPTION_KEY
    settings.KEY_ENCRYPTION_KEY, settings.KEY_ENCRYPTION_KEY_PREVIOUS = NEW, old
    return old


def rotate() -> str:
    out = StringIO()
    call_command("rotate_kek", stdout=out, stderr=StringIO())
    return out.getvalue()


def test_killed_at_every_step_and_started_again(
    sealed: Sealed, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sealing, "BATCH", 1)
    monkeypatch.setattr("tenants.factors.BATCH", 1)
    change(settings)
    sealed.check()
    real, kills = seal, 0
    calls: list[int] = []

    def die_after_one(*args: Any, **kwargs: Any) -> bytes:
        """The first batch is committed; the second is killed in its transaction."""
        if calls:
            raise KilledError
        calls.append(1)
        return real(*args, **kwargs)

    while True:
        calls.clear()
        monkeypatch.setattr(sealing, "seal", die_after_one)
        try:
            rotate()
            break
        except KilledError:
            kills += 1
        finally:
            monkeypatch.setattr(sealing, "seal", real)
        sealed.check()
    assert kills == 6  # two tenants, installation, import, provider, two factors: seven values
    assert rotate().startswith("0 values")
    settings.KEY_ENCRYPTION_KEY_PREVIOUS = ""
    sealed.check()
    last = AdminEvent.objects.order_by("-id")[0]
    assert (last.tenant_id, last.action, last.after) == (
        None,
        "RotateKeyEncryptionKey",
        {"resealed": 0, "lost": 0},
    )


def test_a_private_key_is_not_touched(sealed: Sealed, settings: Any):
    before = {key.id: bytes(key.sealed_private or b"") for key in KeyVersion.objects.all()}
    change(settings)
    assert rotate().startswith("7 values")
    assert {key.id: bytes(key.sealed_private or b"") for key in KeyVersion.objects.all()} == before
    assert set(WrappingKey.objects.values_list("kek_id", flat=True)) == {sealing.kek_id()}


def test_a_process_with_the_old_key_in_front_goes_on(sealed: Sealed, settings: Any):
    """While some servers have the new setting already and others do not yet."""
    old = change(settings)
    rotate()
    settings.KEY_ENCRYPTION_KEY, settings.KEY_ENCRYPTION_KEY_PREVIOUS = old, NEW
    sealed.check()


def test_what_opens_under_neither_key_is_left_and_named(sealed: Sealed, settings: Any):
    WrappingKey.objects.filter(key__tenant=sealed.world.fabrikam).update(sealed=b"x" * 60)
    change(settings)
    with pytest.raises(CommandError, match=r"neither key.*keys\.WrappingKey\.sealed \(1\)"):
        rotate()
    assert WrappingKey.objects.filter(kek_id=sealing.kek_id()).count() == 1


def test_without_the_old_key_there_is_nothing_to_do(db: None):
    with pytest.raises(CommandError, match="RIGHTSKEEP_KEK_PREVIOUS"):
        rotate()


def test_every_sealed_column_is_known():
    """Except private keys, which lie under wrapping keys."""
    known = {one.label for one in everything_sealed()}
    columns = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.BinaryField) and field.name.startswith("sealed")
    }
    assert columns - known == {"keys.KeyVersion.sealed_private"}
