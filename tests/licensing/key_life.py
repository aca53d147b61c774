"""Keys and documents of an organization, and every step that can be taken with them, beside a model of both."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from hypothesis.strategies import DataObject, booleans, data, integers, none, sampled_from

from keys import custody
from keys.backends import software
from keys.errors import KeyRefusedError
from keys.importing import hold_key, import_key, restore_key
from keys.models import KeyVersion
from keys.rollover import create_first_key, finish_due_rolls, start_roll
from licensing.errors import DeviceError
from rms.xrml import parse_license
from tenants.changes import ChangeRefusedError
from tenants.models import RoleAssignment, Tenant, User
from tests.keys.aging import let_announcements_pass
from tests.keys.bringing import own_key, wrapped_for
from tests.keys.protecting import opening, protect
from tests.licensing.key_model import (
    Document,
    Handed,
    Key,
    another_server,
    is_archived,
    is_disabled,
    is_dying,
    is_held,
    is_holdable,
    may_be_got_off,
)
from tracking import resealing
from tracking.destruction import approve_destruction, ask_destruction, cancel_destruction, carry_out_due
from tracking.disabling import disable_key, enable_key
from tracking.models import Destruction, SealedCopy
from tracking.resealing import ResealingError, continue_resealings, hanging_on, request_resealing

ROLLS = 4
_FATES = ("taken back", "waiting", "over")


class KilledError(BaseException):
    """The end of a worker."""


class KeyLife(RuleBasedStateMachine):
    """Each run happens in a savepoint that is rolled back."""

    stock: list[tuple[int, bytes]]  # made once, since making them is slow

    @initialize(own=none() | integers(0, 1))
    def an_organization(self, own: int | None) -> None:
        """With an archived key and an active one, and documents on both."""
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.patch = pytest.MonkeyPatch()
        self.made = 0
        self.patch.setattr(software, "generate", self.generate)
        self.patch.setattr(resealing, "BATCH", 1)
        self.tenant = Tenant.objects.create(slug="contoso", name="Contoso", state="active")
        self.other = Tenant.objects.create(slug="fabrikam", name="Fabrikam", state="active")
        self.alice, self.bob = self.person("alice", self.tenant), self.person("bob", self.tenant)
        self.mallory = self.person("mallory", self.other)
        for who, role in ((self.alice, "global_admin"), (self.bob, "key_admin")):
            since = timezone.now() - timedelta(days=2)
            RoleAssignment.objects.create(tenant=self.tenant, user=who, role=role, since=since)
        self.active = create_first_key(self.tenant).fingerprint
        self.keys = {self.active: Key()}
        self.documents: list[Document] = []
        self.handed: Handed | None = None
        self.uncertified = 0
        self.protect()
        self.protect()
        self.roll(own)
        self.protect()

    def generate(self, bits: int) -> tuple[int, bytes]:
        if bits != 2048:
            return self.stock[-1]
        self.made += 1
        return self.stock[self.made - 1]

    def person(self, name: str, tenant: Tenant | None) -> User:
        return User.objects.create_user(
            f"{name}@{tenant.slug if tenant else 'nobody'}.example", tenant=tenant
        )

    # --- protecting, rolling, bringing ---
    @precondition(lambda self: len(self.documents) < 6)
    @rule()
    def protect(self) -> None:
        if self.keys[self.active].held:
            with pytest.raises(DeviceError, match="keeps its key to itself"):
                protect(self.alice)
            return
        self.documents.append(Document(*protect(self.alice), self.active, self.active))

    @precondition(lambda self: len(self.keys) <= ROLLS)
    @rule(own=none() | integers(0, 1))
    def roll(self, own: int | None) -> None:
        if own is None:
            new = start_roll(self.tenant, actor=self.alice).fingerprint
        else:
            wrapped = wrapped_for(self.tenant, self.alice, own_key(own))
            if any(key.own == own for key in self.keys.values()):
                with pytest.raises(
                    KeyRefusedError
                ):  # held, destroyed or still there: it is not imported again
                    import_key(self.tenant, wrapped, actor=self.alice)
                return
            new = import_key(self.tenant, wrapped, actor=self.alice).fingerprint
        let_announcements_pass()
        assert finish_due_rolls() == 1
        self.keys[self.active].state = "archived"
        self.keys[new], self.active = Key(own=own), new

    # --- taking away and giving back ---
    @precondition(lambda self: self.those(is_holdable))
    @rule(data=data())
    def hold(self, data: DataObject) -> None:
        key, record = self.one(data, is_holdable)
        hold_key(record, actor=self.alice)
        key.held = True

    @precondition(lambda self: self.those(is_held))
    @rule(data=data())
    def bring_back(self, data: DataObject) -> None:
        key, record = self.one(data, is_held)
        assert key.own is not None
        restore_key(record, wrapped_for(self.tenant, self.alice, own_key(key.own)), actor=self.alice)
        key.held = False

    @precondition(lambda self: self.those(is_archived))
    @rule(data=data(), then=sampled_from(["nothing", *_FATES]))
    def disable(self, data: DataObject, then: str) -> None:
        key, record = self.one(data, is_archived)
        disable_key(self.tenant, record, actor=self.alice)
        key.state = "disabled"
        if then != "nothing":
            self.have_destroyed(key, record, then)

    @precondition(lambda self: self.those(is_disabled))
    @rule(data=data())
    def enable(self, data: DataObject) -> None:
        key, record = self.one(data, is_disabled)
        enable_key(self.tenant, record, actor=self.alice)
        key.state = "archived"

    @precondition(lambda self: self.those(is_disabled))
    @rule(data=data(), then=sampled_from(_FATES))
    def want_destroyed(self, data: DataObject, then: str) -> None:
        self.have_destroyed(*self.one(data, is_disabled), then)

    def have_destroyed(self, key: Key, record: KeyVersion, then: str) -> None:
        asked = ask_destruction(self.tenant, record, reason="leaked", actor=self.alice)
        approve_destruction(asked, actor=self.bob)
        key.dying = True
        self.destroy(grace_is_over=False)
        if then == "taken back":
            cancel_destruction(asked, actor=self.alice)
            key.dying = False
        self.destroy(grace_is_over=then == "over")

    @rule(grace_is_over=booleans())
    def destroy(self, grace_is_over: bool) -> None:
        if grace_is_over:
            Destruction.objects.filter(approved_at__isnull=False).update(due_at=timezone.now())
            for key in self.those(is_dying).values():
                key.state, key.dying, key.held, key.to_be_got_off = "destroyed", False, False, False
                self.uncertified += 1
        certified = 0 if self.keys[self.active].held else self.uncertified  # a held key signs nothing
        assert carry_out_due() == certified
        self.uncertified -= certified

    @rule(data=data())
    def what_a_key_does_not_allow(self, data: DataObject) -> None:
        key, record = self.one(data, lambda _: True)
        if not is_holdable(key):
            with pytest.raises(KeyRefusedError):
                hold_key(record, actor=self.alice)
        if not is_held(key):
            with pytest.raises(KeyRefusedError):
                restore_key(record, b"", actor=self.alice)
        if not is_archived(key):
            with pytest.raises(ChangeRefusedError):
                disable_key(self.tenant, record, actor=self.alice)
        if not is_disabled(key):
            with pytest.raises(ChangeRefusedError):
                enable_key(self.tenant, record, actor=self.alice)
            with pytest.raises(ChangeRefusedError):
                ask_destruction(self.tenant, record, reason="leaked", actor=self.alice)
        if not may_be_got_off(key):
            with pytest.raises(ResealingError):
                request_resealing(self.tenant, record, actor=self.alice)

    # --- sealing anew ---
    @precondition(lambda self: self.those(may_be_got_off))
    @rule(data=data(), killed_at=none() | integers(0, 2))
    def get_off(self, data: DataObject, killed_at: int | None) -> None:
        key, record = self.one(data, may_be_got_off)
        key.to_be_got_off = request_resealing(self.tenant, record, actor=self.alice).finished_at is None
        self.seal_anew(killed_at)

    @rule()
    def beat(self) -> None:
        self.seal_anew(None)

    def seal_anew(self, killed_at: int | None) -> None:
        """Each document is a batch. A worker that is killed has done those before."""
        active = self.keys[self.active]
        wanted = [name for name, key in self.keys.items() if key.to_be_got_off]
        ready = {name for name in wanted if not (self.keys[name].held or active.held)}
        moving = [document for document in self.documents if document.opens_by in ready]
        passed = 0

        def hold_active(handle: Any) -> None:
            nonlocal passed
            if passed == killed_at:
                raise KilledError
            passed += 1
            custody.hold_active(handle)

        with pytest.MonkeyPatch.context() as crash:
            crash.setattr(resealing, "hold_active", hold_active)
            if killed_at is not None and killed_at < len(moving):
                with pytest.raises(KilledError):
                    continue_resealings()
            else:
                assert continue_resealings() == len(moving)
        assert passed == min(len(moving), len(moving) if killed_at is None else killed_at)
        self._note_what_moved(moving, passed)
        if passed == len(moving):
            for name in wanted:
                if not any(document.opens_by == name for document in self.documents):
                    self.keys[name].to_be_got_off = False
        elif passed:
            for name in wanted:  # the first ones may be finished already
                asked = resealing.resealing_of(self.tenant, self.record(name))
                assert asked is not None
                left = any(document.opens_by == name for document in self.documents)
                assert not (left and asked.finished_at)
                self.keys[name].to_be_got_off = asked.finished_at is None

    def _note_what_moved(self, moving: list[Document], expected: int) -> None:
        """In which order the documents of a key come is not told: as many as expected have moved, to the active key."""
        moved = 0
        for document in moving:
            content_id = parse_license(document.raw).content_id
            copy = SealedCopy.objects.select_related("key").get(document__content_id=content_id)
            if copy.key.fingerprint != document.opens_by:
                assert copy.key.fingerprint == self.active
                document.opens_by, moved = self.active, moved + 1
        assert moved == expected

    @rule()
    def another_server(self) -> None:
        another_server()

    # --- what holds after every step ---
    @invariant()
    def what_should_open_opens_and_nothing_else(self) -> None:
        for document in getattr(self, "documents", []):
            expected = self.keys[document.opens_by].shut or document.content_key
            assert opening(self.bob, document.license) == expected
        for document in getattr(self, "documents", [])[-1:]:
            assert opening(self.mallory, document.license) != document.content_key

    @invariant()
    def states_and_counts_are_those_of_the_model(self) -> None:
        if not hasattr(self, "tenant"):
            return
        records = list(KeyVersion.objects.for_tenant(self.tenant))
        assert {record.fingerprint: (record.state, record.held_at is not None) for record in records} == {
            name: (key.state, key.held) for name, key in self.keys.items()
        }
        counts = hanging_on([record.id for record in records])
        for record in records:
            hanging = sum(document.opens_by == record.fingerprint for document in self.documents)
            assert counts[record.id] == hanging

    # --- tools ---
    def those(self, wanted: Callable[[Key], bool]) -> dict[str, Key]:
        return {name: key for name, key in self.keys.items() if wanted(key)}

    def one(self, data: DataObject, wanted: Callable[[Key], bool]) -> tuple[Key, KeyVersion]:
        name = data.draw(sampled_from(list(self.those(wanted))))
        return self.keys[name], self.record(name)

    def record(self, name: str) -> KeyVersion:
        return KeyVersion.objects.for_tenant(self.tenant).select_related("tenant").get(fingerprint=name)

    def teardown(self) -> None:
        if hasattr(self, "savepoint"):
            transaction.set_rollback(True)
            self.savepoint.__exit__(None, None, None)
            self.patch.undo()
            another_server()
