"""Any order of rolls, switches, crashes and cache ages: what was sealed at any time opens at every later time."""

import uuid
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from keys import rollover
from keys.backends import software
from keys.custody import KeyHandle, active_key, find_key, forget_loaded, hold_active
from keys.errors import KeyNoLongerActiveError, RollInProgressError
from keys.models import KeyVersion
from keys.rollover import create_first_key, finish_due_rolls, start_roll
from tenants.freshness import forget_facts
from tenants.models import Tenant, User
from tests.keys.aging import let_announcements_pass

STEPS = 12


class KilledError(BaseException):
    """The end of a worker."""


class KeyStates(RuleBasedStateMachine):
    """A tenant's keys beside a model of them: which fingerprints have been active, and which one is now."""

    keys: list[tuple[int, bytes]]  # made once, since making them is slow

    @initialize()
    def tenant_with_its_first_key(self) -> None:
        self.patch = pytest.MonkeyPatch()
        stock = iter(self.keys)
        self.patch.setattr(software, "generate", lambda _: next(stock))
        self.tenant = Tenant.objects.create(slug=uuid.uuid4().hex, name="Contoso")
        self.admin = User.objects.create_user(f"{uuid.uuid4().hex}@contoso.example", tenant=self.tenant)
        self.active = create_first_key(self.tenant).fingerprint
        self.archived: list[str] = []
        self.pending: str | None = None
        self.due = False
        self.documents: list[tuple[str, bytes, bytes]] = []
        self.held: list[KeyHandle] = []

    @rule()
    def seal(self) -> None:
        handle = active_key(self.tenant.id)
        content_key = f"content key {len(self.documents)}".encode()
        handle.sign(content_key)
        with transaction.atomic():
            hold_active(handle)
        self.documents.append((handle.fingerprint, handle.public_key.encrypt_oaep(content_key), content_key))
        self.held.append(handle)

    @rule()
    def roll(self) -> None:
        if self.pending is not None:
            with pytest.raises(RollInProgressError):
                start_roll(self.tenant, actor=self.admin)
        else:
            self.pending = start_roll(self.tenant, actor=self.admin).fingerprint

    @rule()
    def announcement_passes(self) -> None:
        let_announcements_pass()
        self.due = self.pending is not None

    @rule()
    def sweep(self) -> None:
        assert finish_due_rolls() == int(self.due)
        if self.due and self.pending is not None:
            self.archived.append(self.active)
            self.active, self.pending, self.due = self.pending, None, False

    @rule()
    def sweep_killed(self) -> None:
        def die(**_: Any) -> None:
            raise KilledError

        with pytest.MonkeyPatch.context() as crash:
            crash.setattr(rollover, "record_admin", die)
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
            if handle.fingerprint != self.active:
                with pytest.raises(KeyNoLongerActiveError), transaction.atomic():
                    hold_active(handle)

    @invariant()
    def every_document_opens(self) -> None:
        for fingerprint, block, content_key in getattr(self, "documents", []):
            found = find_key(fingerprint)
            assert found is not None
            assert found.decrypt(block) == content_key

    @invariant()
    def states_are_those_of_the_model(self) -> None:
        if not hasattr(self, "tenant"):
            return
        states = dict(KeyVersion.objects.for_tenant(self.tenant).values_list("fingerprint", "state"))
        expected = {self.active: "active", **dict.fromkeys(self.archived, "archived")}
        assert states == {**expected, **({self.pending: "pending"} if self.pending else {})}
        for fingerprint in self.archived:
            found = find_key(fingerprint)
            assert found is not None
            with pytest.raises(KeyNoLongerActiveError):
                found.sign(b"anything")

    def teardown(self) -> None:
        if hasattr(self, "tenant"):
            KeyVersion.objects.for_tenant(self.tenant).delete()
            forget_facts()
            self.patch.undo()


@pytest.mark.django_db
def test_key_states():
    KeyStates.keys = [software.generate(2048) for _ in range(STEPS + 1)]
    run_state_machine_as_test(
        KeyStates,
        settings=settings(
            max_examples=25, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
