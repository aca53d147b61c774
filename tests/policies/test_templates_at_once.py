"""Two connections on PostgreSQL: of two who publish or save at once, the second is refused and nothing is overwritten."""

from typing import Any

import pytest
from django.db import connection, transaction

from policies import editing, states
from policies.editing import TemplateChangedError
from policies.models import PolicyTemplate
from policies.reading import read_content
from tenants.changes import Actor
from tenants.models import Tenant
from tests.beside import Beside

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]
ALICE = Actor("alice@contoso.example")
RULES: dict[str, Any] = {
    "names": [{"language": "en", "name": "Board"}],
    "grants": [{"principal": "members", "level": "VIEWER"}],
}


@pytest.mark.parametrize("second", ["publish", "save"])
def test_the_second_waits_for_the_first_and_is_refused(transactional_db: None, second: str) -> None:
    tenant = Tenant.objects.create(slug="contoso", name="Contoso")
    template = editing.create_template(tenant, read_content(RULES, tenant), actor=ALICE)
    seen = template.revision

    def beside() -> None:
        if second == "publish":
            states.publish(template, actor=Actor("bert@contoso.example"), seen=seen)
        else:
            mine = read_content({**RULES, "offline_days": 1}, tenant)
            editing.save_draft(template, mine, actor=Actor("bert@contoso.example"), seen=seen)

    with transaction.atomic():
        states.publish(template, actor=ALICE, seen=seen)
        other = Beside(beside)
        other.wait_until_blocked()
    other.thread.join()
    assert isinstance(other.result, TemplateChangedError)
    now = PolicyTemplate.objects.get(id=template.id)
    assert (now.versions.count(), now.draft, now.changed_by) == (1, None, ALICE.name)
