"""Templates as files by API, from one organization into another."""

import json
from typing import Any

import pytest
from django.test import Client

from policies.models import PolicyTemplate
from tenants.models import Group, RoleAssignment, Tenant
from tests.conftest import World, make_token
from tests.policies.test_exchange import filed

pytestmark = pytest.mark.django_db


class Api:
    def __init__(self, world: World, name: str) -> None:
        self._headers = {"Authorization": f"Bearer {make_token(world.person(name))}"}

    def get(self, path: str) -> Any:
        return Client().get(f"/api/v1/templates/{path}", headers=self._headers)

    def put_in(self, text: str, **more: object) -> tuple[int, Any]:
        body = json.dumps({"file": text, **more})
        response = Client().post(
            "/api/v1/templates/import/", body, content_type="application/json", headers=self._headers
        )
        return response.status_code, response.json()


def count(tenant: Tenant) -> int:
    return PolicyTemplate.objects.for_tenant(tenant).count()


@pytest.mark.parametrize("form", ["xml", "json"])
def test_out_of_one_organization_into_another(world: World, form: str) -> None:
    Group.objects.create(tenant=world.contoso, name="Legal")
    filed(world, form, ("group:Legal", "AUTHOR"))
    response = Api(world, "alice").get(f"export/?as={form}")
    assert response.headers["Content-Type"].startswith(f"application/{form}")
    text, mallory = response.content.decode(), Api(world, "mallory")
    status, plan = mallory.put_in(text, dry_run=True)
    assert (status, plan["imported"], plan["unknown"][0]["name"]) == (200, False, "group:Legal")
    assert [each["outcome"] for each in plan["templates"]] == ["new"] * 3
    status, refused = mallory.put_in(text)
    assert (status, refused["code"]) == (409, "unknown_identities")
    assert refused["unknown"] == [{"name": "group:Legal", "kind": "group"}]
    assert count(world.fabrikam) == 2
    status, done = mallory.put_in(text, mapping={"group:Legal": "members"})
    assert (status, done["imported"], {each["state"] for each in done["templates"]}) == (
        201,
        True,
        {"archived"},
    )
    assert count(world.fabrikam) == 5 and count(world.contoso) == 3
    shown = mallory.get(f"{done['templates'][2]['template']}/").json()
    assert shown["grants"][0]["principal"] == "members" and shown["name"] == "Secret"


def test_what_is_refused(world: World) -> None:
    alice = Api(world, "alice")
    status, refused = alice.put_in("<Templates>\n</Templates>")
    assert (status, refused["code"], refused["line"], refused["column"]) == (400, "bad_file", 1, 1)
    assert "Line 1, column 1" in refused["message"]
    assert alice.get("export/?as=csv").status_code == alice.get("export/?id=x").status_code == 400
    foreign = PolicyTemplate.objects.for_tenant(world.fabrikam).order_by("id")[0]
    assert alice.get(f"export/?id={foreign.id}").status_code == 409
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("bob"), role="auditor")
    bob, carol = Api(world, "bob"), Api(world, "carol")
    assert bob.get("export/").status_code == 200 and carol.get("export/").status_code == 403
    assert bob.put_in("{}")[0] == carol.put_in("{}")[0] == 403
