"""Groups by SCIM: members, nesting, power that no directory hands out, and several operations in one request."""

from typing import Any

import pytest

from audit.models import AdminEvent
from tenants.models import Group, GroupMember, OutgoingMail, RoleAssignment
from tests.scim.conftest import USER, Directory

pytestmark = pytest.mark.django_db


def members(group_id: str) -> set[str]:
    return {
        str(found)
        for found in GroupMember.objects.filter(group_id=group_id).values_list("user_id", flat=True)
    }


def test_members_in_every_form(contoso: Directory) -> None:
    kim, lee, max_ = (contoso.add_user(name)["id"] for name in ("kim", "lee", "max"))
    made = contoso.add_group("Editors", kim)
    path = f"/Groups/{made['id']}"
    steps: list[tuple[dict[str, Any], set[str]]] = [
        (
            {"op": "Add", "path": "members", "value": [{"$ref": None, "value": lee}, {"value": max_}]},
            {kim, lee, max_},
        ),
        ({"op": "Remove", "path": "members", "value": [{"value": kim}]}, {lee, max_}),
        ({"op": "remove", "path": f'members[value eq "{lee}"]'}, {max_}),
        ({"op": "replace", "value": {"id": made["id"], "displayName": "Editing"}}, {max_}),
        ({"op": "replace", "path": "members", "value": [{"value": kim, "display": "kim"}]}, {kim}),
        ({"op": "add", "value": {"members": [{"value": lee}]}}, {kim, lee}),
        ({"op": "remove", "path": "members"}, set()),
    ]
    for operation, expected in steps:
        answer = contoso.patch(path, operation)
        assert answer.status_code == 200, answer.content
        assert members(made["id"]) == expected, operation
    assert Group.objects.get(id=made["id"]).name == "Editing"
    assert contoso.call("DELETE", path).status_code == 204


def test_a_group_page_without_members_reads_none(contoso: Directory) -> None:
    contoso.add_group("Editors", contoso.add_user("kim")["id"])
    answer = contoso.get('/Groups?excludedAttributes=members&filter=displayName+eq+"editors"').json()
    assert (answer["totalResults"], "members" in answer["Resources"][0]) == (1, False)
    assert contoso.get("/Users").json()["Resources"][0]["groups"][0]["display"] == "Editors"


def test_groups_nest_without_circles(contoso: Directory) -> None:
    inner = contoso.add_group("Inner")["id"]
    outer = contoso.add_group("Outer", inner)
    assert outer["members"][0]["type"] == "Group"
    answer = contoso.patch(
        f"/Groups/{inner}", {"op": "add", "path": "members", "value": [{"value": outer["id"]}]}
    )
    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
    assert "circle" in answer.json()["detail"]


def test_strangers_cannot_be_members(contoso: Directory, fabrikam: Directory) -> None:
    stranger = fabrikam.add_user("kim")["id"]
    group = contoso.add_group("Editors")["id"]
    answers = [
        contoso.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": found}]})
        for found in (stranger, "7e1f6a86-0000-4000-8000-000000000000")
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(400, answers[0].content)}
    assert fabrikam.get(f"/Groups/{group}").status_code == 404


def test_groups_made_in_the_portal_are_not_shown(contoso: Directory) -> None:
    here = Group.objects.for_tenant(contoso.tenant).get()
    assert contoso.get("/Groups").json()["totalResults"] == 0
    assert contoso.get(f"/Groups/{here.id}").status_code == 404
    taken = contoso.call("POST", "/Groups", {"displayName": here.name, "schemas": []})
    assert taken.status_code == 409


def test_power_is_not_handed_out_by_a_directory(contoso: Directory) -> None:
    kim, lee = contoso.add_user("kim")["id"], contoso.add_user("lee")["id"]
    made = contoso.add_group("Admins", kim)["id"]
    group = Group.objects.get(id=made)
    RoleAssignment.objects.create(tenant=contoso.tenant, group=group, role=RoleAssignment.Role.AUDITOR)
    OutgoingMail.objects.all().delete()
    for _ in range(2):
        answer = contoso.patch(f"/Groups/{made}", {"op": "add", "path": "members", "value": [{"value": lee}]})
        assert (answer.status_code, answer.json()["scimType"]) == (403, "mutability")
    assert members(made) == {kim}
    assert AdminEvent.objects.filter(action="SyncRefused", target_id=made).count() == 1
    assert OutgoingMail.objects.filter(to="alice@contoso.example").count() == 1
    assert contoso.call("DELETE", f"/Groups/{made}").status_code == 403
    assert contoso.patch(f"/Groups/{made}", {"op": "remove", "path": "members"}).status_code == 200
    assert members(made) == set()


def test_bulk(contoso: Directory) -> None:
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "failOnErrors": 3,
        "Operations": [
            {
                "method": "POST",
                "path": "/Groups",
                "bulkId": "g",
                "data": {"displayName": "Editors", "members": [{"value": "bulkId:u"}]},
            },
            {
                "method": "POST",
                "path": "/Users",
                "bulkId": "u",
                "data": {"schemas": [USER], "userName": "kim"},
            },
            {"method": "POST", "path": "/Users", "bulkId": "again", "data": {"userName": "kim"}},
            {
                "method": "PATCH",
                "path": "/Users/bulkId:u",
                "data": {"Operations": [{"op": "add", "path": "title", "value": "x"}]},
            },
            {"method": "DELETE", "path": "/Users/bulkId:nobody"},
        ],
    }
    answer = contoso.call("POST", "/Bulk", body)
    assert answer.status_code == 200, answer.content
    results = answer.json()["Operations"]
    assert [result["status"] for result in results] == ["201", "201", "409", "200", "400"]
    assert members(results[0]["location"].rpartition("/")[2]) == {results[1]["location"].rpartition("/")[2]}
    assert results[2]["response"]["scimType"] == "uniqueness"
    body["Operations"] = [{"method": "DELETE", "path": "/Users/x"}] * 1001
    assert contoso.call("POST", "/Bulk", body).status_code == 413
