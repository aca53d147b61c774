"""Changing the key: announced first, switched once, the old one keeps opening and never signs again."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from audit.models import AdminEvent
from keys import keeping, rollover
from keys.custody import active_key, find_key, forget_loaded, hold_active
from keys.errors import KeyNoLongerActiveError, NoActiveKeyError, RollInProgressError
from keys.models import KeyVersion
from keys.rollover import create_first_key, finish_due_rolls, start_roll
from keys.tasks import continue_rollovers
from tenants.models import Tenant, User
from tests.keys.aging import let_announcements_pass

pytestmark = pytest.mark.django_db


def roll(tenant: Tenant, actor: User) -> KeyVersion:
    record = start_roll(tenant, actor=actor)
    let_announcements_pass()
    assert finish_due_rolls() == 1
    record.refresh_from_db()
    return record


def test_first_key(contoso: Tenant):
    with pytest.raises(NoActiveKeyError):
        active_key(contoso.id)
    record = create_first_key(contoso)
    assert (record.state, record.bits, record.activated_at is not None) == ("active", 2048, True)
    assert create_first_key(contoso) == record
    assert active_key(contoso.id).fingerprint == record.fingerprint


def test_first_key_made_twice_at_once(contoso: Tenant, monkeypatch: pytest.MonkeyPatch):
    real = keeping.new_key
    others: list[KeyVersion] = []

    def slow(*args: Any, **kwargs: Any) -> KeyVersion:
        if not others:
            others.append(real(contoso.id, bits=2048, state=KeyVersion.State.ACTIVE))
            keeping.store(others[0])
        return real(*args, **kwargs)

    monkeypatch.setattr(keeping, "new_key", slow)
    assert create_first_key(contoso) == others[0]
    assert KeyVersion.objects.for_tenant(contoso).count() == 1


def test_old_key_opens_and_verifies_after_a_roll_but_does_not_sign(contoso: Tenant, alice: User):
    create_first_key(contoso)
    old = active_key(contoso.id)
    block, signature = old.public_key.encrypt_oaep(b"content key"), old.sign(b"license")
    new = roll(contoso, alice)

    found = find_key(old.fingerprint)
    assert found is not None
    assert (found.decrypt(block), found.state) == (b"content key", "archived")
    assert found.public_key.verify(b"license", signature)
    with pytest.raises(KeyNoLongerActiveError):
        found.sign(b"another license")
    assert active_key(contoso.id).fingerprint == new.fingerprint
    assert active_key(contoso.id).sign(b"license") != signature


def test_a_remembered_handle_knows_at_once_that_it_may_not_sign(contoso: Tenant, alice: User):
    """The cache may still say "active" for five seconds; the signature must not believe it."""
    create_first_key(contoso)
    fingerprint = active_key(contoso.id).fingerprint
    before = find_key(fingerprint)
    assert before is not None
    before.sign(b"license")
    roll(contoso, alice)
    remembered = find_key(fingerprint)
    assert remembered is before  # not five seconds old: the case in question
    with pytest.raises(KeyNoLongerActiveError):
        remembered.sign(b"license")


def test_new_key_is_announced_before_it_seals(contoso: Tenant, alice: User):
    old = create_first_key(contoso)
    pending = start_roll(contoso, actor=alice)
    assert pending.state == "pending"
    assert find_key(pending.fingerprint) is None
    assert finish_due_rolls() == 0
    assert active_key(contoso.id).fingerprint == old.fingerprint
    let_announcements_pass()
    continue_rollovers()
    assert active_key(contoso.id).fingerprint == pending.fingerprint
    found = find_key(pending.fingerprint)  # was asked for while pending; nothing of that is remembered
    assert found is not None
    assert finish_due_rolls() == 0


def test_only_one_roll_at_a_time(contoso: Tenant, alice: User):
    create_first_key(contoso)
    start_roll(contoso, actor=alice)
    with pytest.raises(RollInProgressError, match="already being rolled in"):
        start_roll(contoso, actor=alice)
    assert AdminEvent.objects.filter(action="RollKey").count() == 1


def test_two_rolls_at_once(contoso: Tenant, alice: User, monkeypatch: pytest.MonkeyPatch):
    """Both have looked and found nothing pending; the constraint decides."""
    create_first_key(contoso)
    real = keeping.new_key
    others: list[KeyVersion] = []

    def slow(*args: Any, **kwargs: Any) -> KeyVersion:
        if not others:
            others.append(real(contoso.id, bits=2048, state=KeyVersion.State.PENDING))
            keeping.store(others[0])
        return real(*args, **kwargs)

    monkeypatch.setattr(keeping, "new_key", slow)
    with pytest.raises(RollInProgressError):
        start_roll(contoso, actor=alice)
    assert KeyVersion.objects.get(state="pending") == others[0]
    assert not AdminEvent.objects.filter(action="RollKey").exists()


@pytest.mark.parametrize("state", [KeyVersion.State.ACTIVE, KeyVersion.State.PENDING])
def test_database_refuses_a_second_key_in_this_state(contoso: Tenant, state: KeyVersion.State):
    keeping.new_key(contoso.id, bits=2048, state=state).save(force_insert=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        keeping.new_key(contoso.id, bits=2048, state=state).save(force_insert=True)
    other = Tenant.objects.create(slug="fabrikam", name="Fabrikam")
    keeping.new_key(other.id, bits=2048, state=state).save(force_insert=True)


def test_sizes(contoso: Tenant, alice: User):
    assert start_roll(contoso, actor=alice, bits=3072).bits == 3072
    with pytest.raises(ValueError, match="not 1024"):
        start_roll(contoso, actor=alice, bits=1024)


@pytest.mark.parametrize("step", ["record_system", "check_usable"])
def test_switch_killed_before_its_end_and_run_again(contoso: Tenant, alice: User, step: str):
    class KilledError(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise KilledError

    old = create_first_key(contoso)
    new = start_roll(contoso, actor=alice)
    let_announcements_pass()
    with pytest.MonkeyPatch.context() as crash:
        crash.setattr(rollover, step, die)
        with pytest.raises(KilledError):
            finish_due_rolls()
    assert active_key(contoso.id).fingerprint == old.fingerprint
    active_key(contoso.id).sign(b"license")
    assert finish_due_rolls() == 1
    assert active_key(contoso.id).fingerprint == new.fingerprint
    assert AdminEvent.objects.filter(action="ActivateKey").count() == 1


def test_a_key_that_cannot_be_used_never_becomes_the_active_one(contoso: Tenant, alice: User, settings: Any):
    old = create_first_key(contoso)
    kek = settings.KEY_ENCRYPTION_KEY
    settings.KEY_ENCRYPTION_KEY = "made on a server with another key-encryption key"
    new = start_roll(contoso, actor=alice)
    settings.KEY_ENCRYPTION_KEY = kek
    other = Tenant.objects.create(slug="fabrikam", name="Fabrikam")
    create_first_key(other)
    theirs = start_roll(other, actor=alice)
    let_announcements_pass()
    forget_loaded()
    assert finish_due_rolls() == 1  # the other organization's, which comes later in the sweep
    assert active_key(contoso.id).fingerprint == old.fingerprint
    assert active_key(other.id).fingerprint == theirs.fingerprint
    new.refresh_from_db()
    assert new.state == "pending"


def test_first_key_appearing_during_a_switch_puts_it_off(contoso: Tenant, alice: User):
    new = start_roll(contoso, actor=alice)  # of an organization that has none yet
    let_announcements_pass()

    def refuse(_: object) -> bool:
        raise IntegrityError

    with pytest.MonkeyPatch.context() as race:
        race.setattr(rollover, "_activate", refuse)
        assert finish_due_rolls() == 0
    first = create_first_key(contoso)
    assert finish_due_rolls() == 1
    first.refresh_from_db()
    assert first.state == "archived"
    assert active_key(contoso.id).fingerprint == new.fingerprint


def test_what_was_sealed_with_an_old_key_does_not_count(contoso: Tenant, alice: User):
    create_first_key(contoso)
    before = active_key(contoso.id)
    with transaction.atomic():
        hold_active(before)
    roll(contoso, alice)
    before.sign(b"license")  # read as active, and signed, in the very instant of the switch
    with pytest.raises(KeyNoLongerActiveError), transaction.atomic():
        hold_active(before)


def test_log_of_a_roll(contoso: Tenant, alice: User):
    old = create_first_key(contoso)
    new = roll(contoso, alice)
    rolled, activated = AdminEvent.objects.for_tenant(contoso.id).order_by("id")
    assert (rolled.action, rolled.actor, rolled.target) == ("RollKey", alice.email, new.fingerprint)
    assert (activated.action, activated.actor) == ("ActivateKey", "system")
    assert (activated.before, activated.after) == ({"active": old.fingerprint}, {"active": new.fingerprint})
