"""People and groups by API: what the pages do, for programs, with the same refusals."""

from collections.abc import Callable

import pytest
from django.test import Client

from tenants.models import Group, Invitation, RoleAssignment
from tests.conftest import Device, World, make_token

pytestmark = pytest.mark.django_db


class Api:
    def __init__(self, world: World, name: str) -> None:
        self._headers = {"Authorization": f"Bearer {make_token(world.person(name))}"}

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        data = {} if method == "get" else {"data": body or {}, "content_type": "application/json"}
        response = getattr(Client(), method)(f"/api/v1/{path}", headers=self._headers, **data)
        return response.status_code, response.json() if response.content else {}


@pytest.fixture
def alice(world: World) -> Api:
    return Api(world, "alice")


def test_people_are_found_invited_and_changed(world: World, alice: Api) -> None:
    bob = world.person("bob")
    status, made = alice("post", "people/", {"email": "New@partner.example", "name": "New"})
    assert (status, made["email"]) == (201, "new@partner.example") and "token" not in str(made)
    assert alice("post", "people/", {"email": "bob@contoso.example"})[1]["code"] == "already_member"
    assert [one["email"] for one in alice("get", "invitations/")[1]["results"]] == ["new@partner.example"]
    assert alice("delete", f"invitations/{made['id']}/")[0] == 204 and not Invitation.objects.exists()
    status, person = alice(
        "patch", f"people/{bob.id}/", {"name": "Robert", "licensed": True, "suspended": True}
    )
    assert (status, person["name"], person["licensed"], person["is_active"]) == (200, "Robert", True, False)
    assert [one["email"] for one in alice("get", "people/?state=suspended")[1]["results"]] == [bob.email]
    assert [one["email"] for one in alice("get", "people/?q=ROBE")[1]["results"]] == [bob.email]
    assert alice("get", "people/?state=odd")[0] == 400
    status, refused = alice("patch", f"people/{world.person('alice').id}/", {"suspended": True})
    assert (status, refused["code"]) == (409, "last_admin")
    assert alice("post", f"people/{bob.id}/addresses/", {"email": "b@elsewhere.example"})[0] == 200
    assert (
        alice("post", f"people/{bob.id}/addresses/", {"email": "b@elsewhere.example", "main": True})[0] == 409
    )
    assert alice("delete", f"people/{bob.id}/addresses/", {"email": "b@elsewhere.example"})[0] == 200
    assert alice("delete", f"people/{bob.id}/")[0] == 204
    assert alice("get", f"people/{bob.id}/")[0] == 404


def test_groups_are_made_filled_and_deleted(world: World, alice: Api) -> None:
    sales, bob = Group.objects.get(name="Sales"), world.person("bob")
    status, made = alice("post", "groups/", {"name": "Press", "mail": "press@contoso.example"})
    assert status == 201 and made["powers"] == []
    path = f"groups/{made['id']}/"
    assert alice("post", path + "members/", {"person": str(bob.id)})[0] == 200
    assert alice("post", path + "members/", {"group": str(sales.id)})[1]["groups"] == [str(sales.id)]
    assert alice("post", f"groups/{sales.id}/members/", {"group": made["id"]})[1]["code"] == "circle"
    assert alice("post", path + "members/", {})[0] == 400
    assert [one["email"] for one in alice("get", path + "members/")[1]["results"]] == [bob.email]
    assert alice("patch", path, {"name": "Media"})[1]["name"] == "Media"
    assert alice("delete", path + "members/", {"person": str(bob.id)})[0] == 200
    RoleAssignment.objects.create(tenant=world.contoso, group_id=made["id"], role="auditor")
    assert alice("get", path)[1]["powers"] == ["roles"]
    assert alice("delete", path)[1]["code"] == "group_in_use"
    RoleAssignment.objects.filter(group_id=made["id"]).delete()
    assert alice("delete", path)[0] == 204


def test_who_only_reads_changes_nothing(world: World) -> None:
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("bob"), role="auditor")
    bob, carol, group = Api(world, "bob"), world.person("carol"), Group.objects.get(name="Sales")
    assert bob("get", "people/")[0] == bob("get", "groups/")[0] == bob("get", f"people/{carol.id}/")[0] == 200
    for method, path in (
        ("post", "people/"), ("patch", f"people/{carol.id}/"), ("delete", f"people/{carol.id}/"),
        ("post", f"people/{carol.id}/addresses/"), ("get", "invitations/"), ("post", "groups/"),
        ("patch", f"groups/{group.id}/"), ("delete", f"groups/{group.id}/"), ("post", f"groups/{group.id}/members/"),
    ):  # fmt: skip
        assert bob(method, path)[0] == 403, path


def test_a_group_change_acts_at_the_next_license(
    world: World, device: Callable[[str], Device], alice: Api
) -> None:
    from tenants.freshness import forget_facts  # stands for the five seconds after which facts are read anew

    status, made = alice("post", "groups/", {"name": "Readers"})
    assert status == 201
    license = device("carol").protect_for((f"group:{made['id']}", ["VIEW"]))["SerializedPublishingLicense"]
    dave = device("bob")
    assert dave.open(license)["AccessStatus"] != "AccessGranted"
    alice("post", f"groups/{made['id']}/members/", {"person": str(world.person("bob").id)})
    forget_facts()
    assert dave.open(license)["AccessStatus"] == "AccessGranted"
    alice("delete", f"groups/{made['id']}/members/", {"person": str(world.person("bob").id)})
    forget_facts()
    assert dave.open(license)["AccessStatus"] != "AccessGranted"
