"""Two connections on PostgreSQL: a publication keeps its key until commit, and the switch waits for it."""

import pytest
from django.db import connection, transaction

from keys import rollover
from keys.custody import KeyHandle, active_key, hold_active
from keys.errors import KeyNoLongerActiveError
from keys.models import KeyVersion
from keys.rollover import create_first_key, finish_due_rolls, start_roll
from tenants.models import Tenant, User
from tests.beside import Beside
from tests.keys.aging import let_announcements_pass
from tracking.models import Document

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]


@pytest.fixture
def tenant(transactional_db: None) -> Tenant:
    """An organization with a key, and another one due to replace it."""
    tenant = Tenant.objects.create(slug="contoso", name="Contoso")
    create_first_key(tenant)
    start_roll(tenant, actor=User.objects.create_user("alice@contoso.example", tenant=tenant))
    let_announcements_pass()
    return tenant


def register(handle: KeyHandle) -> None:
    Document.objects.create(
        tenant_id=handle.tenant_id,
        content_id=handle.id,
        key_id=handle.id,
        issuer_address="alice@contoso.example",
        owner_address="alice@contoso.example",
    )


def test_the_switch_waits_for_a_publication(tenant: Tenant):
    handle = active_key(tenant.id)
    with transaction.atomic():
        hold_active(handle)
        switch = Beside(finish_due_rolls)
        switch.wait_until_blocked()
        register(handle)
        assert KeyVersion.objects.get(id=handle.id).state == "active"
    switch.thread.join()
    assert switch.result == 1
    assert KeyVersion.objects.get(id=handle.id).state == "archived"


def test_a_publication_behind_the_switch_is_refused(tenant: Tenant):
    handle = active_key(tenant.id)

    def publish() -> None:
        with transaction.atomic():
            hold_active(handle)
            register(handle)

    with transaction.atomic():
        assert finish_due_rolls() == 1
        publication = Beside(publish)
        publication.wait_until_blocked()
    publication.thread.join()
    assert isinstance(publication.result, KeyNoLongerActiveError)
    assert not Document.objects.exists()


def test_a_publication_that_hangs_holds_up_its_own_tenant_only(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rollover, "_LOCK_PATIENCE", "100ms")
    other = Tenant.objects.create(slug="fabrikam", name="Fabrikam")
    create_first_key(other)
    start_roll(other, actor=User.objects.get())
    let_announcements_pass()
    with transaction.atomic():
        hold_active(active_key(tenant.id))
        sweep = Beside(finish_due_rolls)
        sweep.thread.join(120)
        assert sweep.result == 1
    assert KeyVersion.objects.for_tenant(other).filter(state="archived").count() == 1
    assert finish_due_rolls() == 1


def test_publications_do_not_wait_for_each_other(tenant: Tenant):
    """Nor lock each other out when both have referred to the key before they hold it."""
    handle = active_key(tenant.id)
    with transaction.atomic():
        register(handle)
        hold_active(handle)

        def hold() -> str:
            with transaction.atomic():
                hold_active(active_key(tenant.id))
                return "held"

        other = Beside(hold)
        other.thread.join(120)
        assert other.result == "held"


def test_two_sweeps_at_once_switch_once(tenant: Tenant):
    handle = active_key(tenant.id)
    with transaction.atomic():
        hold_active(handle)
        first = Beside(finish_due_rolls)
        first.wait_until_blocked()
        second = Beside(finish_due_rolls)  # leaves to the first what it is at, and would go on with others
        second.thread.join(120)
        assert second.result == 0
    first.thread.join()
    assert first.result == 1
    assert KeyVersion.objects.for_tenant(tenant).filter(state="active").count() == 1
