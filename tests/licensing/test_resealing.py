"""Getting off an old key: every copy of a registered document opens without its private half, and nothing else does."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.models import AdminEvent, UsageEvent
from keys.custody import find_key, forget_loaded, hold_active
from keys.errors import KeyDisabledError, KeyNoLongerActiveError
from keys.models import KeyVersion, WrappingKey
from keys.rollover import finish_due_rolls, start_roll
from rms.xrml import parse_license
from tenants.freshness import forget_facts
from tenants.models import Tenant
from tests.conftest import Device, World, license_bytes
from tests.keys.aging import let_announcements_pass
from tracking import resealing
from tracking.disabling import disable_key, documents_on
from tracking.models import Document, Resealing, SealedCopy, UnregisteredDocument
from tracking.resealing import ResealingError, continue_resealings, hanging_on, keep_copy, request_resealing

pytestmark = pytest.mark.django_db
VIEW = ("dave@fabrikam.example", ["VIEW"])


def roll(world: World) -> KeyVersion:
    """A new key for Contoso; returns the one it replaced."""
    old = KeyVersion.objects.for_tenant(world.contoso).get(state="active")
    start_roll(world.contoso, actor=world.person("alice"))
    let_announcements_pass()
    assert finish_due_rolls() == 1
    old.refresh_from_db()
    return old


def lose_private_half(key: KeyVersion, **more: Any) -> None:
    """As if it had been destroyed; on a server that has just been started."""
    WrappingKey.objects.filter(key=key).delete()
    KeyVersion.objects.filter(id=key.id).update(sealed_private=None, **more)
    forget_loaded()
    forget_facts()


def refused(device: Device, answer: dict[str, Any]) -> tuple[int, str]:
    response = device.post(
        "/my/v2/enduserlicenses", {"SerializedPublishingLicense": answer["SerializedPublishingLicense"]}
    )
    return response.status_code, response.json()["Message"]


@pytest.mark.parametrize("state", ["archived", "destroyed"])
def test_every_copy_opens_without_the_old_private_key(
    world: World, device: Callable[[str], Device], state: str
):
    bob, dave = device("bob"), device("dave")
    published = [bob.protect_for(VIEW) for _ in range(3)]
    old = roll(world)
    assert hanging_on([old.id]) == {old.id: 3}
    request_resealing(world.contoso, old, actor=world.person("alice"))
    assert (continue_resealings(), continue_resealings()) == (3, 0)
    assert hanging_on([old.id]) == {old.id: 0}
    lose_private_half(old, state=state)
    for answer in published:
        opened = dave.open(answer["SerializedPublishingLicense"])
        assert opened["AccessStatus"] == "AccessGranted"
        assert opened["Key"]["Value"] == answer["Key"]["Value"]
    new = KeyVersion.objects.for_tenant(world.contoso).get(state="active")
    assert UsageEvent.objects.latest("id").key_id == new.id
    story = AdminEvent.objects.for_tenant(world.contoso.id).filter(action__contains="eseal").order_by("id")
    assert [(event.action, event.after) for event in story] == [
        ("ResealDocuments", {"documents": 3}),
        ("DocumentsResealed", {"documents": 3, "left": 0}),
    ]


def test_a_license_in_another_encoding_is_the_same_license(world: World, device: Callable[[str], Device]):
    answer = device("bob").protect_for(VIEW)
    request_resealing(world.contoso, roll(world), actor=world.person("alice"))
    continue_resealings()
    lose_private_half(KeyVersion.objects.get(state="archived"))
    text = license_bytes(answer).decode("utf-8-sig")
    other = base64.b64encode(("\ufeff" + text).encode("utf-16-le")).decode()
    assert (
        device("dave").open(other)["Key"] == device("dave").open(answer["SerializedPublishingLicense"])["Key"]
    )


def test_what_was_not_sealed_anew_needs_the_old_key(world: World, device: Callable[[str], Device]):
    bob, dave = device("bob"), device("dave")
    first, second = bob.protect_for(VIEW), bob.protect_for(VIEW)
    content_id = parse_license(license_bytes(second)).content_id
    SealedCopy.objects.filter(document__content_id=content_id).delete()
    old = roll(world)
    request_resealing(world.contoso, old, actor=world.person("alice"))
    continue_resealings()
    assert hanging_on([old.id]) == {old.id: 1}
    assert dave.open(second["SerializedPublishingLicense"])["AccessStatus"] == "AccessGranted"
    lose_private_half(old)
    assert dave.open(first["SerializedPublishingLicense"])["AccessStatus"] == "AccessGranted"
    assert refused(dave, second)[0] == 500
    lose_private_half(old, state="destroyed")
    assert dave.open(second["SerializedPublishingLicense"])["AccessStatus"] == "AccessDenied"


def test_what_is_kept_opens_the_license_it_was_taken_from_only(world: World, device: Callable[[str], Device]):
    """Somebody with access to the database puts one document's copy in the place of another's."""
    bob, dave = device("bob"), device("dave")
    mine, other = bob.protect_for(VIEW), bob.protect_for(("bob@contoso.example", ["VIEW"]))
    old = roll(world)
    request_resealing(world.contoso, old, actor=world.person("alice"))
    continue_resealings()
    ids = [parse_license(license_bytes(each)).content_id for each in (mine, other)]
    copy, target = (SealedCopy.objects.get(document__content_id=one) for one in ids)
    SealedCopy.objects.filter(pk=target.pk).update(block=copy.block)
    forget_facts()
    assert refused(dave, other)[0] == 400  # the digest fits, and the session key does not
    SealedCopy.objects.filter(pk=target.pk).update(body_digest=copy.body_digest)
    forget_facts()
    assert dave.open(other["SerializedPublishingLicense"])["AccessStatus"] == "AccessDenied"  # by its own key


def test_each_license_of_a_document_is_sealed_to_its_own_key(world: World, device: Callable[[str], Device]):
    """The register has another license of the same document, as after a file was sealed to a newer key."""
    bob = device("bob")
    answer, other = bob.protect_for(VIEW), bob.protect_for(VIEW)
    old = roll(world)
    document = Document.objects.get(content_id=parse_license(license_bytes(answer)).content_id)
    new = KeyVersion.objects.for_tenant(world.contoso).get(state="active")
    later = parse_license(license_bytes(bob.protect_for(VIEW)))
    keep_copy(document, later, new.id)
    with pytest.raises(IntegrityError), transaction.atomic():
        keep_copy(document, later, new.id)
    assert hanging_on([old.id, new.id]) == {old.id: 2, new.id: 2}
    second = SealedCopy.objects.create(
        document=document, key=old, body_digest=b"2" * 32, block=SealedCopy.objects.first().block
    )
    assert hanging_on([old.id]) == {old.id: 2} and documents_on(world.contoso, old).count() == 2
    SealedCopy.objects.filter(pk=second.pk).update(unreadable=True)
    request_resealing(world.contoso, old, actor=world.person("alice"))
    # One of the two licenses cannot be read, so its document is still on the key.
    assert continue_resealings() == 1
    assert list(documents_on(world.contoso, old)) == [document]
    assert Resealing.objects.get().documents == 1
    for each in (answer, other):
        assert device("dave").open(each["SerializedPublishingLicense"])["AccessStatus"] == "AccessGranted"
    assert UsageEvent.objects.latest("id").key_id == new.id


def test_a_license_that_the_register_does_not_know_is_noted(world: World, device: Callable[[str], Device]):
    """As when the database was restored from before a file was sealed to the newer key."""
    answer = device("bob").protect_for(VIEW)
    roll(world)
    later = device("bob").protect_for(VIEW)
    document = Document.objects.get(content_id=parse_license(license_bytes(answer)).content_id)
    kept = SealedCopy.objects.get(document__content_id=parse_license(license_bytes(later)).content_id)
    known = Document.objects.get(pk=kept.document_id)
    known.delete()
    Document.objects.filter(pk=document.pk).update(content_id=known.content_id)
    device("dave").open(later["SerializedPublishingLicense"])
    seen = UnregisteredDocument.objects.get()
    assert (seen.content_id, seen.key.state) == (known.content_id, "active")


def test_a_roll_in_between_and_a_worker_that_dies(
    world: World, device: Callable[[str], Device], monkeypatch: pytest.MonkeyPatch
):
    class KilledError(BaseException):
        pass

    for _ in range(3):
        device("bob").protect_for(VIEW)
    old = roll(world)
    request_resealing(world.contoso, old, actor=world.person("alice"))
    monkeypatch.setattr(resealing, "BATCH", 1)

    def rolled(_: object) -> None:
        raise KeyNoLongerActiveError("The key was rolled in between.")

    done = []

    def die_at_the_second(handle: Any) -> None:
        done.append(handle)
        if len(done) == 2:
            raise KilledError
        hold_active(handle)

    with monkeypatch.context() as between:
        between.setattr(resealing, "hold_active", rolled)
        assert continue_resealings() == 0
    with monkeypatch.context() as crash:
        crash.setattr(resealing, "hold_active", die_at_the_second)
        with pytest.raises(KilledError):
            continue_resealings()
    assert hanging_on([old.id]) == {old.id: 2}
    assert continue_resealings() == 2
    assert Resealing.objects.get().documents == 3
    assert AdminEvent.objects.filter(action="DocumentsResealed").count() == 1


def test_a_damaged_copy_does_not_hold_up_the_others(world: World, device: Callable[[str], Device]):
    for _ in range(2):
        device("bob").protect_for(VIEW)
    SealedCopy.objects.filter(pk=SealedCopy.objects.order_by("pk")[0].pk).update(block=b"x" * 256)
    old = roll(world)
    request_resealing(world.contoso, old, actor=world.person("alice"))
    assert (continue_resealings(), continue_resealings()) == (1, 0)
    assert AdminEvent.objects.get(action="DocumentsResealed").after == {"documents": 1, "left": 1}


def test_a_disabled_key_is_got_off_while_devices_are_refused(world: World, device: Callable[[str], Device]):
    bob, dave, alice = device("bob"), device("dave"), world.person("alice")
    kept, lost = bob.protect_for(VIEW), bob.protect_for(VIEW)
    lost_id = parse_license(license_bytes(lost)).content_id
    SealedCopy.objects.filter(document__content_id=lost_id).delete()  # nothing was kept of it
    old = roll(world)
    disable_key(world.contoso, old, actor=alice)
    forget_facts()
    assert dave.open(kept["SerializedPublishingLicense"])["AccessStatus"] == "AccessDenied"
    assert UsageEvent.objects.latest("id").result == "KeyDisabled"
    request_resealing(world.contoso, KeyVersion.objects.get(id=old.id), actor=alice)
    with pytest.raises(KeyDisabledError):
        found = find_key(old.fingerprint)
        assert found is not None and not found.is_usable
        found.decrypt(b"x" * 256)
    assert (continue_resealings(), hanging_on([old.id])) == (1, {old.id: 1})
    forget_facts()
    assert dave.open(kept["SerializedPublishingLicense"])["Key"] == kept["Key"]
    assert dave.open(lost["SerializedPublishingLicense"])["AccessStatus"] == "AccessDenied"
    assert KeyVersion.objects.get(id=old.id).state == "disabled"


@pytest.mark.parametrize("gone", [{"held_at": timezone.now()}, {"state": "destroyed"}])
def test_a_key_that_goes_in_between_takes_nothing_along(
    world: World, device: Callable[[str], Device], monkeypatch: pytest.MonkeyPatch, gone: dict[str, Any]
):
    """Held or destroyed between unsealing and writing: what it closed for the certificate stays closed."""
    device("bob").protect_for(VIEW)
    old = roll(world)
    request_resealing(world.contoso, old, actor=world.person("alice"))

    def goes(handle: Any) -> None:
        KeyVersion.objects.filter(id=old.id).update(**gone)
        hold_active(handle)

    monkeypatch.setattr(resealing, "hold_active", goes)
    assert (continue_resealings(), hanging_on([old.id])) == (0, {old.id: 1})


def test_asking(world: World, device: Callable[[str], Device]):
    active = KeyVersion.objects.for_tenant(world.contoso).get()
    alice = world.person("alice")
    with pytest.raises(ResealingError, match="Roll it first"):
        request_resealing(world.contoso, active, actor=alice)
    old = roll(world)
    for change, said in (({"held_at": timezone.now()}, "hold"), ({"state": "destroyed"}, "not there")):
        gone = KeyVersion.objects.get(id=old.id)
        for name, value in change.items():
            setattr(gone, name, value)
        with pytest.raises(ResealingError, match=said):
            request_resealing(world.contoso, gone, actor=alice)
    first = request_resealing(world.contoso, old, actor=alice)
    with transaction.atomic():
        assert request_resealing(world.contoso, old, actor=alice) == first
    assert AdminEvent.objects.filter(action="ResealDocuments").count() == 1
    other = Tenant.objects.get(slug="fabrikam")
    assert not Resealing.objects.for_tenant(other).exists() and not Document.objects.exists()
