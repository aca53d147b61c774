"""Rolling keys that lie in a token (SoftHSM): dead workers, withdrawn keys, a token that hangs, and getting off it."""

import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys import importing, keeping, schedule
from keys.custody import active_key, forget_loaded
from keys.errors import KeyUnavailableError
from keys.importing import import_key
from keys.keeping import _token as token
from keys.models import KeyVersion, RollPolicy
from keys.notices import warn
from keys.rollover import create_first_key, finish_due_rolls, start_roll
from keys.schedule import Policy, replan, roll_due, set_policy, withdraw_roll
from rms.destruction import read_certificate
from tenants.models import Tenant, User
from tests.conftest import Device, World
from tests.keys.aging import age_keys, let_claims_run_out, let_plans_pass
from tests.keys.bringing import own_key, wrapped_for
from tests.keys.tokens import SoftToken, held_in_token
from tracking.destruction import ask_destruction, carry_out_due
from tracking.disabling import disable_key
from tracking.models import Destruction
from tracking.resealing import continue_resealings, request_resealing

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(soft_token: SoftToken, contoso: Tenant, alice: User) -> KeyVersion:
    """Contoso's key, in the token and due to be rolled."""
    Tenant.objects.update(state="active")
    made = create_first_key(contoso)
    set_policy(contoso, Policy(every_days=365), actor=alice)
    age_keys(400)
    replan()
    return made


def test_what_a_dead_worker_made_is_found_and_not_made_again(
    key: KeyVersion, monkeypatch: pytest.MonkeyPatch
):
    class KilledError(BaseException):
        pass

    made: list[str] = []

    def die(records: Sequence[KeyVersion]) -> None:
        made.extend(record.fingerprint for record in records)
        raise KilledError

    with monkeypatch.context() as crash:
        crash.setattr(keeping, "store_many", die)
        with pytest.raises(KilledError):
            roll_due()
    assert roll_due() == 0  # the dead worker's claim has not run out
    let_claims_run_out()
    assert roll_due() == 1
    block = active_key(key.tenant_id).public_key.encrypt_oaep(b"content key", "sha1")
    let_plans_pass()
    assert finish_due_rolls() == 1
    forget_loaded()
    assert [active_key(key.tenant_id).fingerprint] == made
    assert keeping.load(KeyVersion.objects.get(id=key.id)).decrypt(block) == b"content key"


def test_what_a_dead_import_left_is_taken_by_the_next_one(
    key: KeyVersion, contoso: Tenant, alice: User, monkeypatch: pytest.MonkeyPatch
):
    class KilledError(BaseException):
        pass

    def die(_: KeyVersion) -> None:
        raise KilledError

    monkeypatch.setattr(importing, "IMPORT_BITS", 2048)
    wrapped = wrapped_for(contoso, alice, own_key())
    with monkeypatch.context() as crash:
        crash.setattr(keeping, "store", die)
        with pytest.raises(KilledError):
            import_key(contoso, wrapped, actor=alice)
    made = import_key(contoso, wrapped, actor=alice)
    assert held_in_token().count(made.id.bytes) == 1
    token().run(lambda session: session.all_of(made.id.bytes)[0].copy({}))  # as two processes at once
    assert held_in_token().count(made.id.bytes) == 2
    keeping.load(made).sign(b"license")
    withdraw_roll(contoso, actor=alice)
    assert made.id.bytes not in held_in_token()


def test_a_size_that_was_changed_in_between(key: KeyVersion, alice: User, monkeypatch: pytest.MonkeyPatch):
    """What a dead worker left in the token is of the size that the policy wanted then."""
    made = keeping.new_key(key.tenant_id, bits=2048, state=KeyVersion.State.PENDING, key_id=next_id())
    set_policy(key.tenant, Policy(every_days=365, bits=3072), actor=alice)
    assert roll_due() == 1
    record = KeyVersion.objects.get(state="pending")
    assert (record.bits, len(bytes(record.modulus)) * 8) == (3072, 3072) and record.id != made.id


def next_id() -> uuid.UUID:
    return schedule._next_id(RollPolicy.objects.get())


def test_a_withdrawn_key_leaves_the_token(key: KeyVersion, contoso: Tenant, alice: User):
    roll_due()
    withdrawn = withdraw_roll(contoso, actor=alice)
    with pytest.raises(KeyUnavailableError, match="not in the hardware security module"):
        token().open(withdrawn.id.bytes, int.from_bytes(bytes(withdrawn.modulus), "big"), "sha1")
    active_key(contoso.id).sign(b"license")


def test_a_token_that_hangs_puts_the_roll_off(key: KeyVersion, settings: Any):
    settings.PKCS11_SECONDS = settings.PKCS11_GENERATION_SECONDS = 0.2
    answer = threading.Event()
    with pytest.raises(KeyUnavailableError):
        token().run(lambda _: answer.wait(60))
    assert roll_due() == 0
    row = RollPolicy.objects.get()
    assert (row.trouble, row.claim) == ("key_unavailable", None) and row.retry_at
    warn()
    assert RollPolicy.objects.get().unreachable_since is not None
    answer.set()
    settings.PKCS11_SECONDS = settings.PKCS11_GENERATION_SECONDS = 60
    RollPolicy.objects.update(unreachable_since=timezone.now() - timedelta(hours=1))
    warn()
    assert RollPolicy.objects.get().unreachable_since is None
    let_claims_run_out()
    assert roll_due() == 1
    let_plans_pass()
    assert finish_due_rolls() == 1


def test_getting_off_a_key_in_a_token(
    soft_token: SoftToken, world: World, device: Callable[[str], Device], settings: Any
):
    """To one in software: the two differ in the hash of their padding, too."""
    published = device("bob").protect_for(("dave@fabrikam.example", ["VIEW"]))
    old = KeyVersion.objects.for_tenant(world.contoso).get()
    assert (old.kind, old.oaep_hash) == ("pkcs11", "sha1")
    settings.NEW_KEYS = "software"
    start_roll(world.contoso, actor=world.person("alice"))
    let_plans_pass()
    finish_due_rolls()
    old.refresh_from_db()
    request_resealing(world.contoso, old, actor=world.person("alice"))
    assert continue_resealings() == 1
    keeping._token().destroy(old.id.bytes)
    forget_loaded()
    opened = device("dave").open(published["SerializedPublishingLicense"])
    assert opened["Key"]["Value"] == published["Key"]["Value"]


def test_destroying_a_key_in_a_token(soft_token: SoftToken, world: World, device: Callable[[str], Device]):
    published = device("bob").protect_for(("dave@fabrikam.example", ["VIEW"]))
    alice, old = world.person("alice"), KeyVersion.objects.for_tenant(world.contoso).get()
    start_roll(world.contoso, actor=alice)
    let_plans_pass()
    finish_due_rolls()
    old.refresh_from_db()
    disable_key(world.contoso, old, actor=alice)
    keeping.load(old)  # disabled, and still there
    ask_destruction(world.contoso, old, reason="leaked", actor=alice)
    Destruction.objects.update(due_at=timezone.now())
    soft_token.pull_out()
    assert carry_out_due() == 0
    soft_token.put_back()
    assert carry_out_due() == 1
    with pytest.raises(KeyUnavailableError, match="not in the hardware security module"):
        token().open(old.id.bytes, int.from_bytes(bytes(old.modulus), "big"), "sha1")
    said = read_certificate(Destruction.objects.get().certificate.encode()).statement
    assert said["key"]["kept_in"] == "pkcs11" and "security module" in said["destroyed"][0]
    refused = device("bob").post(
        "/my/v2/enduserlicenses",
        {"SerializedPublishingLicense": published["SerializedPublishingLicense"]},
    )
    assert (refused.status_code, refused.json()["Reason"]) == (200, "key destroyed")
