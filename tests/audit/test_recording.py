"""Writing rows: durable when the call returns, clean, cut to size, never changed afterwards."""

import uuid

import pytest
from django.db import connection, transaction

from audit.models import AdminEvent, UsageEvent
from audit.recording import Usage, record_admin, record_usage
from tests.audit.rows import CONTOSO, in_thread


def usage(**facts: object) -> Usage:
    return Usage(**{"tenant_id": CONTOSO, "request_type": "AcquireLicense", "result": "Success", **facts})  # type: ignore[arg-type]  # facts by name


@pytest.mark.django_db(transaction=True)
def test_a_row_is_committed_when_the_call_returns():
    record_usage(usage())
    seen: list[int] = []
    in_thread(lambda: seen.append(UsageEvent.objects.for_tenant(CONTOSO).count())).join()
    assert seen == [1]


@pytest.mark.django_db
def test_commits_are_synchronous():
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone() == ("on",)
        else:
            cursor.execute("PRAGMA synchronous")
            assert cursor.fetchone() == (2,)  # FULL


@pytest.mark.django_db
def test_a_row_goes_with_the_transaction_it_was_written_in():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record_usage(usage())
        raise ZeroDivisionError
    assert not UsageEvent.objects.exists()


@pytest.mark.django_db
def test_every_fact_arrives_in_its_column():
    content, template, person = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    facts = {
        "user_id": "dave@fabrikam.example",
        "person_id": person,
        "correlation_id": "correlation",
        "content_id": content,
        "owner_email": "owner@contoso.example",
        "issuer": "issuer@contoso.example",
        "template_id": template,
        "file_name": "Q3 \u200d plan.pdf",
        "c_info": "client",
        "c_ip": "192.0.2.1",
        "admin_action": True,
        "acting_as_user": "somebody",
    }
    record_usage(usage(**facts))
    row = UsageEvent.objects.get()
    assert {name: getattr(row, name) for name in facts} == facts
    assert (row.tenant_id, row.request_type, row.result) == (CONTOSO, "AcquireLicense", "Success")


@pytest.mark.django_db
def test_hostile_text_is_cleaned_and_cut_never_refused():
    record_usage(usage(file_name="a\tb\nc\x00d\u2028e\ud800f\u202eg", user_id="x" * 1000, c_info="é" * 300))
    row = UsageEvent.objects.get()
    assert row.file_name == "a b c d e f g"
    assert row.user_id == "x" * 254
    assert row.c_info == "é" * 255


@pytest.mark.django_db
def test_ids_are_the_order_of_the_log():
    for number in range(3):
        record_usage(usage(file_name=str(number)))
    assert list(UsageEvent.objects.order_by("id").values_list("file_name", flat=True)) == ["0", "1", "2"]


@pytest.mark.django_db
@pytest.mark.parametrize("model", [UsageEvent, AdminEvent])
def test_what_is_logged_stays_as_it_is(model: type[UsageEvent] | type[AdminEvent]):
    record_usage(usage())
    record_admin(tenant_id=CONTOSO, actor="alice", actor_id=None, action="Activate")
    with pytest.raises(TypeError, match="append-only"):
        model.objects.update(tenant_id=None)
    with pytest.raises(TypeError, match="append-only"):
        model.objects.filter(tenant_id=CONTOSO).delete()
    with pytest.raises(TypeError, match="append-only"):
        model.objects.bulk_update(list(model.objects.all()), ["tenant_id"])
    assert model.objects.for_tenant(CONTOSO).count() == 1


@pytest.mark.django_db
def test_an_admin_row_goes_with_its_change():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record_admin(tenant_id=CONTOSO, actor="a" * 300, actor_id=None, action="Activate")
        raise ZeroDivisionError
    assert not AdminEvent.objects.exists()
    record_admin(
        tenant_id=CONTOSO, actor="a" * 300, actor_id=None, action="Activate", after={"state": "active"}
    )
    row = AdminEvent.objects.get()
    assert (row.actor, row.after, row.passed) == ("a" * 254, {"state": "active"}, True)
