"""Any order of rolls by hand and by policy, brought and held keys, withdrawals, switches, crashes and cache ages: what
should open, opens, and nothing else."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import DataObject, booleans, data, integers, sampled_from

from keys import importing, rollover
from keys.backends import software
from keys.custody import KeyHandle, active_key, find_key, forget_loaded, hold_active
from keys.errors import (
    KeyDestroyedError,
    KeyDisabledError,
    KeyHeldError,
    KeyNoLongerActiveError,
    KeyRefusedError,
    NoRollError,
    RollInProgressError,
)
from keys.importing import hold_key, import_key, restore_key
from keys.models import KeyVersion, RollPolicy
from keys.rollover import create_first_key, finish_due_rolls, start_roll
from keys.schedule import Policy, set_policy, withdraw_roll
from keys.tasks import roll_by_policy
from tenants.changes import ChangeRefusedError
from tenants.freshness import forget_facts
from tenants.models import Tenant, User
from tests.keys.aging import age_keys, let_announcements_pass, let_plans_pass
from tests.keys.bringing import own_key, wrapped_for
from tracking.destruction import ask_destruction, cancel_destruction, carry_out_due
from tracking.disabling import disable_key, enable_key
from tracking.models import Destruction

STEPS = 20


class KilledError(BaseException):
    """The end of a worker."""


class KeyStates(RuleBasedStateMachine):
    """A tenant's keys beside a model of them: which fingerprints have been active, and which one is now."""

    keys: list[tuple[int, bytes]]  # made once, since making them is slow

    @initialize(brought=booleans())
    def tenant_with_its_first_key(self, brought: bool) -> None:
        self.patch = pytest.MonkeyPatch()
        stock = iter(self.keys)
        self.patch.setattr(software, "generate", lambda _: next(stock))
        self.patch.setattr(importing, "IMPORT_BITS", 2048)
        self.tenant = Tenant.objects.create(slug=uuid.uuid4().hex, name="Contoso", state="active")
        self.admin = User.objects.create_user(f"{uuid.uuid4().hex}@contoso.example", tenant=self.tenant)
        self.active = create_first_key(self.tenant).fingerprint
        self.archived: list[str] = []
        self.pending: str | None = None
        self.due = self.planned = False
        self.every: int | None = None
        self.old = self.put_off = self.has_policy = False
        self.withdrawn: list[str] = []
        self.brought: dict[str, int] = {}  # the number of the customer's key, by fingerprint
        # Fingerprints under which nothing is to open: what holds, disables or destroys a key adds to it.
        self.closed: set[str] = set()
        self.disabled: set[str] = set()
        self.destroyed: set[str] = set()
        self.uncertified = 0
        self.documents: list[tuple[str, bytes, bytes]] = []
        self.held: list[KeyHandle] = []
        if (
            brought
        ):  # with a key that can be held, and something on each: otherwise that would rarely come about
            self.seal()
            self.bring(0)
            self.announcement_passes()
            self.sweep()
            self.seal()

    @precondition(lambda self: self.active in self.closed)
    @rule()
    def a_held_key_seals_nothing(self) -> None:
        with pytest.raises(KeyHeldError):
            active_key(self.tenant.id)

    @precondition(lambda self: self.active not in self.closed)
    @rule()
    def seal(self) -> None:
        handle = active_key(self.tenant.id)
        content_key = f"content key {len(self.documents)}".encode()
        handle.sign(content_key)
        with transaction.atomic():
            hold_active(handle)
        self.documents.append((handle.fingerprint, handle.public_key.encrypt_oaep(content_key), content_key))
        self.held.append(handle)

    @rule(later=booleans())
    def roll(self, later: bool) -> None:
        at = timezone.now() + timedelta(days=3) if later else None
        if self.pending is not None:
            with pytest.raises(RollInProgressError):
                start_roll(self.tenant, actor=self.admin, at=at)
        else:
            self.pending, self.planned = start_roll(self.tenant, actor=self.admin, at=at).fingerprint, later

    @rule(number=integers(0, 1))
    def bring(self, number: int) -> None:
        wrapped = wrapped_for(self.tenant, self.admin, own_key(number))
        if self.pending is not None or number in self.brought.values():
            with pytest.raises((RollInProgressError, KeyRefusedError)):
                import_key(self.tenant, wrapped, actor=self.admin)
            return
        self.pending, self.planned = import_key(self.tenant, wrapped, actor=self.admin).fingerprint, False
        self.brought[self.pending] = number

    @precondition(lambda self: self.brought)
    @rule(data=data())
    def hold(self, data: DataObject) -> None:
        fingerprint = data.draw(sampled_from(sorted(self.brought)))
        key = KeyVersion.objects.for_tenant(self.tenant).get(fingerprint=fingerprint)
        if fingerprint in self.closed or self.state_of(fingerprint) not in ("active", "archived"):
            with pytest.raises(KeyRefusedError):
                hold_key(key, actor=self.admin)
            return
        hold_key(key, actor=self.admin)
        self.closed.add(fingerprint)

    @precondition(lambda self: self.closed)
    @rule(data=data())
    def bring_back(self, data: DataObject) -> None:
        fingerprint = data.draw(sampled_from(sorted(self.closed)))
        key = KeyVersion.objects.for_tenant(self.tenant).get(fingerprint=fingerprint)
        wrapped = wrapped_for(self.tenant, self.admin, own_key(self.brought[fingerprint]))
        restore_key(key, wrapped, actor=self.admin)
        self.closed.remove(fingerprint)

    @precondition(lambda self: self.archived)
    @rule(data=data())
    def disable(self, data: DataObject) -> None:
        key = self.one_of(data, self.archived)
        if self.state_of(key.fingerprint) != "archived":
            with pytest.raises(ChangeRefusedError):
                disable_key(self.tenant, key, actor=self.admin)
            return
        disable_key(self.tenant, key, actor=self.admin)
        self.disabled.add(key.fingerprint)

    @precondition(lambda self: self.disabled)
    @rule(data=data())
    def enable(self, data: DataObject) -> None:
        key = self.one_of(data, sorted(self.disabled))
        enable_key(self.tenant, key, actor=self.admin)
        self.disabled.remove(key.fingerprint)

    @rule(data=data(), canceled=booleans())
    @precondition(lambda self: self.disabled)
    def destroy(self, data: DataObject, canceled: bool) -> None:
        key = self.one_of(data, sorted(self.disabled))
        asked = ask_destruction(self.tenant, key, reason="leaked", actor=self.admin)
        with pytest.raises(ChangeRefusedError):
            enable_key(self.tenant, key, actor=self.admin)
        if canceled:
            cancel_destruction(asked, actor=self.admin)
        else:
            Destruction.objects.filter(id=asked.id).update(due_at=timezone.now())
        self.uncertified += not canceled
        certified = 0 if self.active in self.closed else self.uncertified  # a held key signs nothing
        assert carry_out_due() == certified
        self.uncertified -= certified
        if not canceled:
            self.disabled.remove(key.fingerprint)
            self.destroyed.add(key.fingerprint)
            self.closed.discard(key.fingerprint)

    def one_of(self, data: DataObject, fingerprints: list[str]) -> KeyVersion:
        return KeyVersion.objects.for_tenant(self.tenant).get(
            fingerprint=data.draw(sampled_from(fingerprints))
        )

    def state_of(self, fingerprint: str) -> str:
        if fingerprint in self.destroyed:
            return "destroyed"
        if fingerprint in self.disabled:
            return "disabled"
        if fingerprint in self.archived:
            return "archived"
        return "active" if fingerprint == self.active else "pending"

    @rule()
    def withdraw(self) -> None:
        if self.pending is None:
            with pytest.raises(NoRollError):
                withdraw_roll(self.tenant, actor=self.admin)
            return
        assert withdraw_roll(self.tenant, actor=self.admin).fingerprint == self.pending
        self.withdrawn.append(self.pending)
        self.put_off = self.has_policy
        self.pending, self.due = None, False

    @rule(every=sampled_from([None, 365]))
    def decide(self, every: int | None) -> None:
        set_policy(self.tenant, Policy(every_days=every), actor=self.admin)
        self.every, self.has_policy = every, True

    @rule()
    def the_active_key_grows_old(self) -> None:
        age_keys(400)
        self.old = True

    @rule()
    def a_week_passes(self) -> None:
        RollPolicy.objects.update(put_off_until=None, key=None)
        self.put_off = False

    @rule()
    def policy_is_kept(self) -> None:
        wanted = bool(self.every) and self.old and not self.put_off and self.pending is None
        wanted = (
            wanted and self.active not in self.brought
        )  # what a customer brought, the service does not replace
        roll_by_policy()
        self.has_policy = True
        if wanted:
            self.pending = KeyVersion.objects.for_tenant(self.tenant).get(state="pending").fingerprint
            self.planned = True

    @rule()
    def announcement_passes(self) -> None:
        let_announcements_pass()
        self.due = self.due or (self.pending is not None and not self.planned)

    @rule()
    def plan_passes(self) -> None:
        let_plans_pass()
        self.due = self.pending is not None

    @rule()
    def sweep(self) -> None:
        assert finish_due_rolls() == int(self.due)
        if self.due and self.pending is not None:
            self.archived.append(self.active)
            self.active, self.pending, self.due = self.pending, None, False
            self.old = self.put_off = False

    @rule()
    def sweep_killed(self) -> None:
        def die(*_: Any, **__: Any) -> None:
            raise KilledError

        with pytest.MonkeyPatch.context() as crash:
            crash.setattr(rollover, "record_system", die)
            if self.due:
                with pytest.raises(KilledError):
                    finish_due_rolls()

    @rule()
    def another_server(self) -> None:
        forget_facts()
        forget_loaded()

    @precondition(lambda self: self.held)
    @rule()
    def old_handles_count_for_nothing(self) -> None:
        for handle in self.held:
            if handle.fingerprint != self.active or handle.fingerprint in self.closed:
                with pytest.raises(KeyNoLongerActiveError), transaction.atomic():
                    hold_active(handle)

    @invariant()
    def what_should_open_opens_and_nothing_else(self) -> None:
        for fingerprint, block, content_key in getattr(self, "documents", []):
            found = find_key(fingerprint)
            assert found is not None
            closed: type[Exception] | None = None
            if fingerprint in self.destroyed:
                closed = KeyDestroyedError
            elif fingerprint in self.disabled:
                closed = KeyDisabledError
            elif fingerprint in self.closed:
                closed = KeyHeldError
            if closed is not None:
                with pytest.raises(closed):
                    found.decrypt(block)
            else:
                assert found.decrypt(block) == content_key
        for fingerprint in getattr(self, "withdrawn", []):
            assert find_key(fingerprint) is None

    @invariant()
    def states_are_those_of_the_model(self) -> None:
        if not hasattr(self, "tenant"):
            return
        states = dict(KeyVersion.objects.for_tenant(self.tenant).values_list("fingerprint", "state"))
        expected = {key: self.state_of(key) for key in (self.active, *self.archived)}
        expected |= dict.fromkeys(self.withdrawn, "withdrawn")
        assert states == {**expected, **({self.pending: "pending"} if self.pending else {})}
        for fingerprint in self.archived:
            found = find_key(fingerprint)
            assert found is not None
            with pytest.raises((KeyNoLongerActiveError, KeyHeldError, KeyDisabledError, KeyDestroyedError)):
                found.sign(b"anything")

    def teardown(self) -> None:
        if hasattr(self, "tenant"):
            KeyVersion.objects.for_tenant(self.tenant).delete()
            RollPolicy.objects.for_tenant(self.tenant).delete()
            forget_facts()
            self.patch.undo()


@pytest.mark.django_db
def test_key_states():
    KeyStates.keys = [software.generate(2048) for _ in range(STEPS + 3)]
    run_state_machine_as_test(
        KeyStates,
        settings=settings(
            max_examples=30, stateful_step_count=STEPS, suppress_health_check=list(HealthCheck)
        ),
    )
