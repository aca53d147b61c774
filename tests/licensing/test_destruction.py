"""Disabling and destroying a key: what opens and what does not, who may, every point where the job can die, the certificate."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import AdminEvent, UsageEvent
from keys import keeping
from keys.errors import KeyUnavailableError
from keys.models import KeyVersion, WrappingKey
from keys.rollover import finish_due_rolls, start_roll
from rms.destruction import read_certificate
from rms.errors import FormatError
from rms.xrml import parse_license
from tenants.changes import ChangeRefusedError
from tenants.models import OutgoingMail, RoleAssignment, User
from tests.conftest import Device, World, license_bytes
from tests.keys.aging import let_announcements_pass
from tracking import destruction
from tracking.destruction import approve_destruction, ask_destruction, cancel_destruction, carry_out_due
from tracking.disabling import (
    destruction_of,
    disable_key,
    documents_on,
    enable_key,
    last_readers,
    losses_of,
    unregistered_on,
)
from tracking.models import Destruction, Document, SealedCopy
from tracking.resealing import continue_resealings, request_resealing

pytestmark = pytest.mark.django_db
VIEW = ("dave@fabrikam.example", ["VIEW"])
MEMBERS = ("members", ["VIEW"])
PUBLISHED: dict[uuid.UUID, str] = {}


class KilledError(BaseException):
    """The end of a worker."""


def roll(world: World) -> KeyVersion:
    """A new key for Contoso; returns the one it replaced."""
    old = KeyVersion.objects.for_tenant(world.contoso).get(state="active")
    start_roll(world.contoso, actor=world.person("alice"))
    let_announcements_pass()
    finish_due_rolls()
    old.refresh_from_db()
    return old


@pytest.fixture
def old(world: World, device: Callable[[str], Device]) -> KeyVersion:
    """An archived key of Contoso, with a document on it."""
    answer = device("bob").protect_for(VIEW, FileName="plan.pdf")
    PUBLISHED[Document.objects.get().content_id] = answer["SerializedPublishingLicense"]
    return roll(world)


def second(world: World, hours: int = 25) -> User:
    """Bob, a key administrator for so long."""
    bob = world.person("bob")
    since = timezone.now() - timedelta(hours=hours)
    RoleAssignment.objects.create(tenant=world.contoso, user=bob, role="key_admin", since=since)
    return bob


def asked(world: World, key: KeyVersion, *, approved: bool = True) -> Destruction:
    """A destruction, whose time of grace is over when it is approved."""
    disable_key(world.contoso, key, actor=world.person("alice"))
    made = ask_destruction(world.contoso, key, reason="It leaked", actor=world.person("alice"))
    if approved:
        approve_destruction(made, actor=second(world))
        Destruction.objects.update(due_at=timezone.now())
    return made


def code(change: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    with pytest.raises(ChangeRefusedError) as refused:
        change(*arguments, **named)
    return refused.value.code


def test_disabled_and_enabled_again(world: World, device: Callable[[str], Device]):
    bob, carol, alice = device("bob"), device("carol"), world.person("alice")
    first, later = bob.protect_for(MEMBERS), bob.protect_for(MEMBERS, FileName="plan.pdf")
    carol.open(later["SerializedPublishingLicense"])
    active = KeyVersion.objects.for_tenant(world.contoso).get()
    assert code(disable_key, world.contoso, active, actor=alice) == "not_archived"
    key = roll(world)
    sealed = parse_license(license_bytes(later)).content_id
    SealedCopy.objects.exclude(document__content_id=sealed).delete()  # protected before copies were kept
    hanging = list(documents_on(world.contoso, key))
    assert {row.content_id for row in hanging} == set(Document.objects.values_list("content_id", flat=True))
    assert last_readers(hanging) == {sealed: ["carol@contoso.example"]}
    request_resealing(world.contoso, key, actor=alice)
    assert continue_resealings() == 1
    losses = losses_of(world.contoso, key)
    assert (losses.documents, losses.issuers, losses.unregistered) == (1, 1, 0)

    disable_key(world.contoso, key, actor=alice)
    opened = carol.open(later["SerializedPublishingLicense"])
    assert opened["Key"]["Value"] == later["Key"]["Value"]
    refused = carol.open(first["SerializedPublishingLicense"])
    assert (refused["AccessStatus"], refused["Reason"]) == ("AccessDenied", "key disabled")
    assert UsageEvent.objects.latest("id").result == "KeyDisabled"
    assert "Reason" not in device("mallory").open(first["SerializedPublishingLicense"])
    assert code(disable_key, world.contoso, key, actor=alice) == "not_archived"

    enable_key(world.contoso, key, actor=alice)
    assert carol.open(first["SerializedPublishingLicense"])["AccessStatus"] == "AccessGranted"
    assert code(enable_key, world.contoso, key, actor=alice) == "not_disabled"
    story = AdminEvent.objects.filter(action__in=["DisableKey", "EnableKey"]).order_by("id")
    assert [event.after for event in story] == [
        {"state": "disabled", "documents": 1, "unregistered": 0},
        {"state": "archived"},
    ]


@pytest.mark.parametrize("reason", ["key disabled", "key destroyed"])
def test_strangers_are_not_told_of_the_key(
    world: World, old: KeyVersion, device: Callable[[str], Device], reason: str
):
    """Neither when they open nor when they ask for a seal; those who would be let in are told both times."""
    document = Document.objects.get()
    KeyVersion.objects.filter(id=old.id).update(state=reason.removeprefix("key "))
    name = "KeyDisabled" if reason == "key disabled" else "KeyDestroyed"
    license = PUBLISHED[document.content_id]
    seal = {"SerializedPublishingLicense": license, "Root": "0" * 64, "Length": 1}
    for person, opening, code in (
        ("bob", reason, f"{name}Exception"),
        ("mallory", None, "SealRefusedException"),
        ("erin", None, "SealRefusedException"),
    ):
        asking = device(person)
        refused = asking.open(license)
        assert (refused["AccessStatus"], refused.get("Reason")) == ("AccessDenied", opening)
        answer = asking.post(f"/api/v1/documents/{document.content_id}/seal/", seal)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    results = UsageEvent.objects.order_by("-id").values_list("result", flat=True)[:6]
    assert set(results) == {name}, "the organization's own log says why, whoever asked"


def test_what_is_seen_and_in_no_register_is_counted_once(world: World, device: Callable[[str], Device]):
    answer = device("bob").protect_for(MEMBERS)
    Document.objects.all().delete()
    for _ in range(2):
        device("carol").open(answer["SerializedPublishingLicense"])
    assert unregistered_on(KeyVersion.objects.for_tenant(world.contoso).get()).count() == 1


def test_two_people_and_a_way_back(world: World, old: KeyVersion):
    alice, contoso = world.person("alice"), world.contoso
    assert code(ask_destruction, contoso, old, reason="x", actor=alice) == "not_disabled"
    made = asked(world, old, approved=False)
    assert code(ask_destruction, contoso, old, reason="x", actor=alice) == "destruction_asked"
    assert code(enable_key, contoso, old, actor=alice) == "destruction_asked"
    assert code(approve_destruction, made, actor=alice) == "same_person"
    assert code(approve_destruction, made, actor=second(world, hours=23)) == "too_new"
    assert code(approve_destruction, made, actor=world.person("carol")) == "too_new"
    assert carry_out_due() == 0
    RoleAssignment.objects.filter(role="key_admin").update(since=timezone.now() - timedelta(hours=25))
    approve_destruction(made, actor=world.person("bob"))
    assert code(approve_destruction, made, actor=world.person("bob")) == "not_waiting"
    assert carry_out_due() == 0, "the days of grace have just begun"
    Destruction.objects.update(due_at=timezone.now())
    cancel_destruction(made, actor=alice)
    assert code(cancel_destruction, made, actor=alice) == "not_asked"
    assert carry_out_due() == 0
    enable_key(contoso, old, actor=alice)
    told = OutgoingMail.objects.filter(subject__contains="destruction of a key")
    assert told.filter(to="alice@contoso.example").count() == 3
    assert told.filter(to="bob@contoso.example").count() == 2  # no key administrator yet when it was asked
    for grace in (0, 91):
        assert code(ask_destruction, contoso, old, reason="x", actor=alice, grace_days=grace) == "bad_grace"
    assert code(ask_destruction, contoso, old, reason=" ", actor=alice) == "bad_reason"


@pytest.mark.parametrize("point", ["take_away", "clear_token", "active_key", "hold_active", "_tell"])
def test_killed_at_every_step_and_done_once(
    world: World, old: KeyVersion, monkeypatch: pytest.MonkeyPatch, point: str
):
    made = asked(world, old)
    where = keeping if point in ("take_away", "clear_token") else destruction

    def die(*_: Any, **__: Any) -> None:
        raise KilledError

    with monkeypatch.context() as crash:
        crash.setattr(where, point, die)
        with pytest.raises(KilledError):
            carry_out_due()
    begun = point != "take_away"
    assert WrappingKey.objects.filter(key=old).exists() is not begun
    if begun:
        assert code(cancel_destruction, made, actor=world.person("alice")) == "too_late"
    assert (carry_out_due(), carry_out_due()) == (1, 0)
    old.refresh_from_db()
    assert (old.state, old.sealed_private) == ("destroyed", None)
    told = AdminEvent.objects.filter(action__in=["DestroyKey", "CertifyKeyDestruction"]).order_by("id")
    assert [event.action for event in told] == ["DestroyKey", "CertifyKeyDestruction"]
    assert OutgoingMail.objects.filter(text__contains="has been destroyed").count() == 2


def test_the_certificate(world: World, old: KeyVersion):
    active = KeyVersion.objects.for_tenant(world.contoso).get(state="active")
    asked(world, old)
    assert carry_out_due() == 1
    done = destruction_of(old)
    assert done is not None
    found = read_certificate(done.certificate.encode())
    said = found.statement
    assert found.signed_by == active.fingerprint == said["signed_by"]
    assert (said["key"]["fingerprint"], said["reason"]) == (old.fingerprint, "It leaked")
    assert (said["asked_by"], said["approved_by"]) == ("alice@contoso.example", "bob@contoso.example")
    assert said["documents_that_open_no_more"] == 1
    assert any("Backups" in sentence for sentence in said["not_covered"])
    altered = json.loads(done.certificate)
    altered["statement"]["reason"] = "Tidying"
    bad = (json.dumps(altered), "[]", "{}", "nonsense", '{"statement": 1, "modulus": "", "signature": ""}')
    for text in (*bad, "[" * 100_000):
        with pytest.raises(FormatError):
            read_certificate(text.encode())


def test_an_active_key_that_does_not_answer_delays_the_certificate_only(
    world: World, old: KeyVersion, monkeypatch: pytest.MonkeyPatch
):
    asked(world, old)

    def silent(*_: Any) -> None:
        raise KeyUnavailableError("The hardware security module does not answer.")

    with monkeypatch.context() as trouble:
        trouble.setattr(destruction, "active_key", silent)
        assert carry_out_due() == 0
    assert not WrappingKey.objects.filter(key=old).exists()
    assert carry_out_due() == 1
