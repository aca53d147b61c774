"""Deleting an organization: grace, export, removal in batches that may be killed, receipt; nobody else's row is touched."""

import io
import json
import uuid
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from administration import erasure, removal
from administration.devices import create_service
from administration.export import export_of, make_due, open_export, request_export
from administration.models import Removal
from administration.receipt import ReceiptError, verify
from audit.aggregation import aggregate
from audit.models import AdminEvent, LogSegment, UsageEvent
from tenants.models import Group, GroupMember, GroupNesting, OutgoingMail, Tenant, User
from tests.audit.rows import add_rows, seconds
from tests.conftest import World, make_token

pytestmark = pytest.mark.django_db


def census() -> dict[str, int]:
    return {
        model._meta.label: model._base_manager.count() for model in apps.get_models(include_auto_created=True)
    }


def keys_of(tenant: Tenant) -> dict[str, set[Any]]:
    """Every row of the organization in every table, by key."""
    return {
        step.label: {
            key
            for conditions in step.filters(tenant.id)
            for key in step.model._base_manager.filter(**conditions).values_list("pk", flat=True)
        }
        for step in erasure.steps()
    }


@pytest.fixture
def full(world: World, device: Any) -> World:
    """Both organizations with something in many tables."""
    for name, tenant in (("alice", world.contoso), ("mallory", world.fabrikam)):
        device(name).protect_for(("erin@individual.example", ["VIEW"]))
        outer = Group.objects.create(tenant=tenant, name="Outer")
        inner = Group.objects.create(tenant=tenant, name="Inner", mail=f"inner@{tenant.slug}.example")
        GroupNesting.objects.create(parent=outer, child=inner)
        GroupMember.objects.create(group=inner, user=world.person(name))
        create_service(tenant, "gateway", {"licensing"}, actor="operator")
        add_rows(tenant.id, seconds(5))
        make_token(world.person(name))
    aggregate()
    tenant = world.contoso
    tenant.onboarding, tenant.onboarding_group = "group", Group.objects.get(tenant=tenant, name="Outer")
    tenant.save()
    return world


def due(tenant: Tenant) -> Removal:
    asked = removal.request_removal(tenant, reason="merged", actor=None, grace_days=0)
    Removal.objects.filter(id=asked.id).update(due_at=timezone.now() - timedelta(seconds=1))
    return asked


def test_every_table_of_an_organization_is_known() -> None:
    """What has a relation to organizations or people is removed, or it stands here why not."""
    kept = {
        "administration.Removal": "outlives the organization",
        "tenants.OrganizationInvitation": "the operator's record of whom they invited",
    }
    known = {step.label for step in erasure.steps()} | set(kept) | {"tenants.Tenant"}
    for model in apps.get_models(include_auto_created=True):
        targets = {field.related_model for field in model._meta.concrete_fields if field.is_relation}
        columns = {field.attname for field in model._meta.concrete_fields}
        if targets & {Tenant, User} or columns & {"tenant_id", "user_id"}:
            assert model._meta.label in known, model
    assert "tenants.Tenant" not in {step.label for step in erasure.steps()}


def test_nothing_is_left_and_nothing_of_others_is_gone(full: World) -> None:
    theirs = keys_of(full.fabrikam)
    assert sum(map(len, theirs.values())) > 30
    contoso_id, files = (
        full.contoso.id,
        [segment.file for segment in LogSegment.objects.for_tenant(full.contoso.id)],
    )
    stray = default_storage.save(f"logs/{contoso_id}/2026-01-01/litter.log", ContentFile(b"x"))
    mine = keys_of(full.contoso)
    asked = due(full.contoso)
    before = census()
    assert removal.continue_removals() == 1
    asked.refresh_from_db()
    assert asked.finished_at is not None
    assert keys_of(full.fabrikam) == theirs, "another organization's rows are as they were"
    assert not erasure.is_left(contoso_id)
    assert not any(default_storage.exists(name) for name in [*files, stray])
    for label, gone in mine.items():
        assert asked.counters.get(label, 0) >= len(gone), label
    after = census()
    for label, rows in asked.counters.items():
        if label not in (erasure.FILES, "tenants.OutgoingMail", "audit.AdminEvent"):
            assert before[label] - after[label] == rows, label
    assert User.objects.filter(email="erin@individual.example").exists()
    assert removal.continue_removals() == 0


def test_the_receipt_is_signed_mailed_and_verified(full: World, tmp_path: Path, capsys: Any) -> None:
    asked = due(full.contoso)
    removal.continue_removals()
    asked.refresh_from_db()
    facts = verify(asked.receipt)
    assert facts["organization"]["name"] == "Contoso"
    assert facts["removed"]["tenants.User"] == 3
    mail = OutgoingMail.objects.get(subject__startswith="Receipt")
    assert mail.to == "alice@contoso.example"
    assert asked.receipt in mail.text
    assert AdminEvent.objects.for_tenant(None).filter(action="RemoveOrganization").count() == 1
    path = tmp_path / "receipt"
    path.write_text(asked.receipt)
    call_command("verify_receipt", str(path))
    assert json.loads(capsys.readouterr().out)["removed"] == facts["removed"]
    head, body, signature = asked.receipt.split(".")
    for wrong in (f"{head}.{body[:-4]}AAAA.{signature}", "nothing", f"{head}.{body}.", ""):
        with pytest.raises(ReceiptError):
            verify(wrong)
    path.write_text("nothing")
    with pytest.raises(CommandError):
        call_command("verify_receipt", str(path))


def test_grace_and_taking_back(world: World) -> None:
    alice = world.person("alice")
    asked = removal.request_removal(world.contoso, reason="a mistake", actor=alice)
    assert (asked.due_at - asked.requested_at).days == 30
    assert removal.pending_of(world.contoso) == asked
    with pytest.raises(removal.RemovalError):
        removal.request_removal(world.contoso, reason="again", actor=alice)
    assert removal.continue_removals() == 0
    world.contoso.refresh_from_db()
    assert world.contoso.is_active
    removal.cancel_removal(world.contoso, actor=alice)
    assert removal.pending_of(world.contoso) is None
    with pytest.raises(removal.RemovalError):
        removal.cancel_removal(world.contoso, actor=alice)
    Removal.objects.update(due_at=timezone.now() - timedelta(days=1))
    assert removal.continue_removals() == 0
    mails = list(OutgoingMail.objects.order_by("created_at").values_list("to", "subject"))
    assert mails == [
        ("alice@contoso.example", "Contoso is going to be deleted"),
        ("alice@contoso.example", "Contoso is not going to be deleted"),
    ]
    actions = AdminEvent.objects.for_tenant(world.contoso.id).order_by("id").values_list("action", flat=True)
    assert list(actions)[-2:] == ["RequestRemoval", "CancelRemoval"]
    removal.request_removal(world.contoso, reason="after all", actor=alice)


def test_operators_ask_by_command(world: World, capsys: Any) -> None:
    with pytest.raises(CommandError, match="--reason"):
        call_command("remove_organization", "contoso")
    with pytest.raises(CommandError, match="no organization"):
        call_command("remove_organization", "nobody", "--reason", "x")
    call_command("remove_organization", "contoso", "--reason", "contract ended", "--days", "3")
    row = AdminEvent.objects.for_tenant(world.contoso.id).latest("id")
    assert (row.actor, row.action) == ("operator", "RequestRemoval")
    call_command("remove_organization", "contoso", "--cancel")
    assert removal.pending_of(world.contoso) is None


def test_operators_keep_their_account(world: World) -> None:
    alice = world.person("alice")
    alice.is_staff = True
    alice.save()
    due(world.contoso)
    removal.continue_removals()
    alice.refresh_from_db()
    assert alice.tenant_id is None
    assert alice.emailaddress_set.count() == 1


def test_a_run_that_ends_early_is_gone_on_with(full: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "BATCH", 2)
    asked = due(full.contoso)
    runs = 0
    while not removal.continue_removals(seconds=0):
        runs += 1
        assert runs < 500
    asked.refresh_from_db()
    assert runs > 10
    assert asked.counters["tenants.User"] == 3
    assert verify(asked.receipt)["removed"] == asked.counters


@pytest.mark.parametrize("place", ["remove_rows", "_remove_files", "remove_stray_files", "is_left"])
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_point_and_run_again(
    full: World, monkeypatch: pytest.MonkeyPatch, place: str, after: bool
) -> None:
    """A worker that dies leaves whole batches; what it counted and what is gone agree however often that happens."""

    class KilledError(BaseException):
        """Nothing catches this, as nothing catches a SIGKILL."""

    monkeypatch.setattr(erasure, "BATCH", 3)
    before, asked = census(), due(full.contoso)
    real, calls, deaths = getattr(erasure, place), 0, 0

    def dying(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        answer = real(*args, **options) if after else None
        if calls % 7 == 1 and deaths < 12:
            raise KilledError
        return answer if after else real(*args, **options)

    monkeypatch.setattr(erasure, place, dying)
    while True:
        try:
            removal.continue_removals()
            break
        except KilledError:
            deaths += 1
    assert deaths > 0
    asked.refresh_from_db()
    assert asked.finished_at is not None and not erasure.is_left(full.contoso.id)
    gone = {label: before[label] - rows for label, rows in census().items() if before[label] > rows}
    for label in (
        "tenants.User",
        "tracking.Document",
        "keys.KeyVersion",
        "audit.UsageEvent",
        "audit.LogSegment",
    ):
        assert asked.counters[label] == gone[label], label


def test_rows_written_at_the_last_moment_go_too(world: World) -> None:
    due(world.contoso)
    removal.continue_removals()
    add_rows(world.contoso.id, seconds(3))
    aggregate()
    assert erasure.is_left(world.contoso.id)
    removal.continue_removals()
    assert not erasure.is_left(world.contoso.id)


def test_many_rows(world: World) -> None:
    people = [User(email=f"p{n}@contoso.example", tenant=world.contoso, password="!") for n in range(3000)]
    User.objects.bulk_create(people, 500)
    EmailAddress.objects.bulk_create(
        [EmailAddress(user=user, email=user.email, verified=True, primary=True) for user in people], 500
    )
    UsageEvent.objects.bulk_create(
        [
            UsageEvent(tenant_id=world.contoso.id, request_type="AcquireLicense", result="Success")
            for _ in range(20_000)
        ],
        2000,
    )
    theirs = keys_of(world.fabrikam)
    asked = due(world.contoso)
    assert removal.continue_removals(seconds=600) == 1
    asked.refresh_from_db()
    assert asked.counters["tenants.User"] == 3003
    assert asked.counters["audit.UsageEvent"] >= 20_000
    assert keys_of(world.fabrikam) == theirs


def test_log_rows_of_the_installation_are_never_removed(world: World) -> None:
    with pytest.raises(TypeError):
        UsageEvent.objects.remove_organization(None, [1])  # type: ignore[arg-type]  # what is refused
    event = UsageEvent.objects.create(tenant_id=world.fabrikam.id, request_type="Certify", result="Success")
    assert UsageEvent.objects.remove_organization(uuid.uuid4(), [event.id]) == 0
    with pytest.raises(TypeError):
        UsageEvent.objects.all().delete()


def test_the_export_holds_everything_but_keys(full: World) -> None:
    alice = full.person("alice")
    asked = request_export(full.contoso, actor=alice)
    assert request_export(full.contoso, actor=alice).id == asked.id, "one at a time"
    assert make_due() == 1
    assert make_due() == 0
    asked.refresh_from_db()
    with open_export(asked, actor=alice) as file:
        archive = zipfile.ZipFile(io.BytesIO(file.read()))
    names = archive.namelist()
    people = [json.loads(line) for line in archive.read("people.jsonl").splitlines()]
    assert {person["email"] for person in people} == {
        f"{name}@contoso.example" for name in ("alice", "bob", "carol")
    }
    assert len(archive.read("documents.jsonl").splitlines()) == 1
    assert b"CreateService" in archive.read("admin_log.jsonl")
    assert [name for name in names if name.startswith("usage/")]
    everything = b"".join(archive.read(name) for name in names)
    assert b"fabrikam" not in everything.lower()
    assert b"pbkdf2" not in everything and b"sealed_private" not in everything
    first = asked.file
    again = request_export(full.contoso, actor=alice)
    assert again.id != asked.id and not default_storage.exists(first)
    make_due()
    kept = export_of(full.contoso)
    assert kept is not None and kept.finished_at is not None
    due(full.contoso)
    removal.continue_removals()
    assert not default_storage.exists(kept.file)
