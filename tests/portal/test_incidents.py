"""Incidents of keys: each kind run through to its end, exercises that change nothing, and powers nobody gains by them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.idp.oidc.models import Token
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from administration.devices import create_service
from administration.incident_report import events_of, message_of, written
from administration.incidents import Choice, close, steps_of, take_step, would_do
from audit.models import AdminEvent
from keys.incidents import open_incident
from keys.models import IncidentStep, KeyIncident, KeyVersion
from keys.rollover import finish_due_rolls
from tenants.changes import ChangeRefusedError
from tenants.freshness import forget_facts
from tenants.models import OutgoingMail, RoleAssignment, User
from tests.conftest import PASSWORD, Device, World, make_token
from tests.keys.aging import let_announcements_pass
from tests.portal.conftest import Browse
from tracking.destruction import carry_out_due
from tracking.models import Destruction, Document
from tracking.resealing import continue_resealings

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(world: World, device: Callable[[str], Device]) -> KeyVersion:
    """The key of Contoso, with two documents on it; bob is a key administrator."""
    for name in ("plan.pdf", "list.pdf"):
        device("bob").protect_for(("carol@contoso.example", ["VIEW"]), FileName=name)
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("bob"), role="key_admin")
    return KeyVersion.objects.get(tenant=world.contoso)


def opened(world: World, key: KeyVersion, kind: str, *, drill: bool = False) -> KeyIncident:
    return open_incident(
        world.contoso, key, kind, reason="A backup is lost", actor=world.person("bob"), drill=drill
    )


def states(incident: KeyIncident) -> dict[str, str]:
    found = KeyIncident.objects.select_related("key", "tenant").get(id=incident.id)
    return {step.name: step.state for step in steps_of(found)}


def everything(world: World) -> tuple[Any, ...]:
    """What an exercise must leave as it is."""
    return (
        list(KeyVersion.objects.order_by("id").values()),
        list(Document.objects.order_by("id").values()),
        sorted(Token.objects.values_list("id", flat=True)),
        list(User.objects.order_by("id").values()),
        world.contoso.super_users_enabled,
    )


def test_a_leak_from_opening_to_the_record(world: World, key: KeyVersion):
    alice, bob = world.person("alice"), world.person("bob")
    incident = opened(world, key, "leaked")
    told = set(OutgoingMail.objects.values_list("to", flat=True))
    assert told == {alice.email, bob.email}
    with pytest.raises(ChangeRefusedError):
        opened(world, key, "leaked")
    assert states(incident) == {
        "roll": "todo", "end_access": "todo", "read_log": "todo", "revoke": "todo", "reseal": "waiting",
        "destroy": "waiting", "tell": "todo",
    }  # fmt: skip

    assert take_step(incident, "roll", actor=bob)["documents"] == 2
    assert states(incident)["roll"] == "under_way"
    let_announcements_pass()
    assert finish_due_rolls() == 1
    forget_facts()
    incident = KeyIncident.objects.get()
    roll = steps_of(incident)[0]
    assert (roll.state, roll.by, roll.at) == ("done", bob.email, incident.key.archived_at)

    take_step(incident, "reseal", actor=bob)
    assert states(incident)["reseal"] == "under_way"
    continue_resealings()
    assert states(incident)["reseal"] == "done" and states(incident)["destroy"] == "todo"
    take_step(incident, "destroy", actor=alice)
    destroying = next(step for step in steps_of(KeyIncident.objects.get()) if step.name == "destroy")
    assert (destroying.state, destroying.by, destroying.move) == ("under_way", alice.email, "ask")

    plan = Document.objects.get(file_name="plan.pdf")
    take_step(incident, "revoke", actor=alice, choice=Choice(content_ids=(plan.content_id,)))
    assert list(Document.objects.exclude(revoked_at=None)) == [plan]
    before = Choice(until=timezone.now() + timedelta(minutes=1))
    assert would_do(incident, "revoke", actor=alice, choice=before) == {"documents": 1, "later": 0}

    take_step(incident, "read_log", actor=alice)
    take_step(incident, "tell", actor=bob)
    assert "2 documents" in message_of(incident)
    incident = close(incident, actor=bob)
    assert AdminEvent.objects.get(action="CloseKeyIncident").after == {
        "drill": False, "left": ["end_access", "destroy"],
    }  # fmt: skip
    with pytest.raises(ChangeRefusedError):
        take_step(incident, "tell", actor=bob)
    record = written(incident, reader=alice)
    assert all(word in record for word in ("RollKey", "DocumentsResealed", "plan.pdf", bob.email))
    assert "plan.pdf" not in written(incident, reader=bob)  # who may see keys may not see documents
    actions = [event.action for event in events_of(incident, reader=alice)]
    assert actions[0] == "OpenKeyIncident" and actions[-1] == "CloseKeyIncident"


@pytest.mark.parametrize("kind", KeyIncident.Kind.values)
def test_an_exercise_changes_nothing(world: World, key: KeyVersion, kind: str):
    alice = world.person("alice")
    make_token(world.person("carol"))
    incident = opened(world, key, kind, drill=True)
    opened(world, key, kind)  # it does not stand in the way of what really happens
    before = everything(world)
    everybody = Choice(since=timezone.now() - timedelta(days=1))
    for step in states(incident):
        facts = take_step(incident, step, actor=alice, choice=everybody)
        if step in ("roll", "revoke", "tell"):
            assert facts["documents"] == 2, step
        if step == "end_access":
            assert facts["tokens"] >= 1
    world.contoso.refresh_from_db()
    assert everything(world) == before
    assert set(states(incident).values()) == {"done"}
    assert not KeyVersion.objects.filter(state="pending").exists()
    close(incident, actor=alice)
    log = {event.action for event in events_of(KeyIncident.objects.get(drill=True), reader=alice)}
    assert log == {"OpenKeyIncident", "TakeIncidentStep", "CloseKeyIncident"}


def test_the_old_key_goes_from_the_incident(world: World, key: KeyVersion, browse: Browse):
    """Disabled, asked for, refused to who asked, approved by another, canceled, and all that once more to the end."""
    alice, bob = browse("alice"), browse("bob")
    RoleAssignment.objects.filter(user=world.person("bob")).update(since=timezone.now() - timedelta(days=2))
    incident = opened(world, key, "weak")
    page = f"/keys/incidents/{incident.id}/steps/destroy/"
    assert "Roll it first" in alice.get(page).content.decode()
    assert would_do(incident, "destroy", actor=world.person("alice")) == {
        "left": 2, "issuers": 1, "unregistered": 0,
    }  # fmt: skip
    with pytest.raises(ChangeRefusedError, match="nothing to be done"):
        take_step(incident, "destroy", actor=world.person("alice"))
    take_step(incident, "roll", actor=world.person("bob"))
    let_announcements_pass()
    finish_due_rolls()
    shown = alice.get(page).content.decode()
    assert "2 registered documents open for nobody then." in shown and "plan.pdf" in shown
    alice.post(page, {"move": "disable"})
    alice.post(page, {"move": "disable"})  # shown before somebody else went on
    assert "Look at it again" in alice.get(page).content.decode()
    ask = {"move": "ask", "reason": "", "grace_days": 7}
    assert alice.post(page, ask).status_code == 400
    for canceled in (True, False):
        assert 'value="ask"' in alice.get(page).content.decode()
        alice.post(page, {**ask, "reason": "It leaked"})
        assert "Somebody else has to approve" in alice.get(page).content.decode()
        alice.post(page, {"move": "approve"})
        assert Destruction.objects.get(canceled_at=None).approved_at is None
        assert "Reason: It leaked" in bob.get(page).content.decode()
        waiting = {"move": "approve", "destruction": Destruction.objects.get(canceled_at=None).id}
        for other in ({}, {"destruction": incident.id}):
            bob.post(page, {**waiting, "destruction": "", **other})
            assert "is not what you were shown" in bob.get(page).content.decode()
        assert f'name="destruction" value="{waiting["destruction"]}"' in bob.get(page).content.decode()
        bob.post(page, waiting)
        assert "This key is destroyed on" in alice.get(page).content.decode()
        if canceled:
            alice.post(page, {"move": "cancel"})
    Destruction.objects.filter(canceled_at=None).update(due_at=timezone.now())
    assert carry_out_due() == 1
    assert states(incident)["destroy"] == "done"
    assert f"/keys/{key.id}/certificate.json" in alice.get(page).content.decode()
    taken = IncidentStep.objects.filter(name="destroy").values_list("taken_by", flat=True)
    assert len(taken) == 6 and set(taken) == {"alice@contoso.example", "bob@contoso.example"}


def test_everybody_else_is_signed_out(world: World, key: KeyVersion, browse: Browse):
    alice = world.person("alice")
    world.contoso.super_users_enabled = True
    world.contoso.save()
    mine, others, strangers = (make_token(world.person(name)) for name in ("alice", "carol", "mallory"))
    client_id, _secret = create_service(world.contoso, "Gateway", {"licensing"}, actor="operator")
    service = Token(type=Token.Type.ACCESS_TOKEN, client_id=client_id, hash="of-the-service")
    service.save()
    browser = browse("")
    browser.post("/accounts/login/", {"login": "carol@contoso.example", "password": PASSWORD})
    assert browser.get("/documents/").status_code == 200
    incident = opened(world, key, "misused")
    facts = take_step(KeyIncident.objects.get(id=incident.id), "end_access", actor=alice)
    assert facts["services"] == 1 and facts["super_users_on"] == 1 and facts["tokens"] >= 2

    def is_valid(token: str) -> bool:
        return Token.objects.valid().lookup(Token.Type.ACCESS_TOKEN, token) is not None

    assert [is_valid(token) for token in (mine, others, strangers)] == [True, False, True]
    assert not Token.objects.filter(client_id=client_id).exists()
    assert browser.get("/documents/").status_code == 302
    world.contoso.refresh_from_db()
    assert not world.contoso.super_users_enabled


def test_an_incident_gives_nobody_a_power(world: World, key: KeyVersion, browse: Browse):
    incident = opened(world, key, "leaked")
    bob = browse("bob")
    for step in ("end_access", "read_log", "revoke"):
        for act in (would_do, take_step):
            with pytest.raises(PermissionDenied):
                act(incident, step, actor=world.person("bob"))
        page = f"/keys/incidents/{incident.id}/steps/{step}/"
        assert "do not allow this step" in bob.get(page).content.decode()
        assert bob.post(page, {"since": "2020-01-01T00:00"}).status_code == 403
    assert not IncidentStep.objects.exists()


def test_a_weak_key_is_followed_by_a_larger_one(world: World, key: KeyVersion):
    incident = opened(world, key, "weak")
    assert would_do(incident, "roll", actor=world.person("bob"))["bits"] == 3072
    take_step(incident, "roll", actor=world.person("bob"))
    assert KeyVersion.objects.get(state="pending").bits == 3072


def test_pages(world: World, key: KeyVersion, browse: Browse):
    client = browse("alice")
    assert "No incident yet" in client.get("/keys/incidents/").content.decode()
    form = {"kind": "leaked", "key": str(key.id), "reason": "A backup is lost", "drill": "on"}
    assert client.post("/keys/incidents/open/", {**form, "reason": " "}).status_code == 400
    address = client.post("/keys/incidents/open/", form).headers["Location"]
    assert client.post("/keys/incidents/open/", form).status_code == 400  # open already
    assert "exercise" in client.get(address).content.decode()
    for step in states(KeyIncident.objects.get()):
        page = client.get(f"{address}steps/{step}/")
        assert page.status_code == 200, step
    revoke = f"{address}steps/revoke/"
    assert client.get(f"{revoke}?documents=x&since=&until=").status_code == 400
    chosen = client.get(f"{revoke}?documents=&since=2020-01-01T00:00&until=").content.decode()
    assert "Note what it would do" in chosen and "<dd>2</dd>" in chosen
    client.post(revoke, {"since": "2020-01-01T00:00", "documents": "", "until": ""})
    client.post(f"{address}steps/roll/", {"bits": "2048"})
    assert set(IncidentStep.objects.values_list("name", flat=True)) == {"revoke", "roll"}
    assert "2 documents" in client.get(f"{address}message/").content.decode()
    assert "5 steps are not done" in client.get(f"{address}close/").content.decode()
    client.post(f"{address}close/")
    assert "CloseKeyIncident" in client.get(f"{address}report/").content.decode()
    assert client.get(revoke).status_code == 302  # closed
    assert "Exercise" in client.get("/keys/incidents/").content.decode()
