"""Templates by machine: the same as on the pages, with conflicts told in numbers and fields."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from policies.models import PolicyTemplate
from tenants.models import RoleAssignment
from tests.conftest import Device, World

pytestmark = pytest.mark.django_db
PATH = "/api/v1/templates/"
RULES: dict[str, Any] = {
    "names": [{"language": "en", "name": "Board", "description": "For the board"}],
    "grants": [
        {"principal": "group:Sales", "level": "AUTHOR"},
        {"principal": "dave@fabrikam.example", "rights": ["EDIT"]},
    ],
    "offline_days": 7,
}


class Api:
    def __init__(self, device: Device) -> None:
        self.device = device

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return getattr(self.device.client, method)(
            f"{PATH}{path}",
            body if body is not None else {},
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.device.token}", **named},
        )


@pytest.fixture
def api(device: Callable[[str], Device]) -> Api:
    return Api(device("alice"))


def test_from_creating_to_deleting(api: Api, world: World) -> None:
    made = api("post", "", RULES, Idempotency_Key="one")
    again = api("post", "", RULES, Idempotency_Key="one")
    assert (made.status_code, again.json()["id"]) == (201, made.json()["id"])
    one = f"{made.json()['id']}/"
    assert made.json()["grants"][1]["rights"] == ["VIEW", "EDIT", "DOCEDIT"]
    published = api("post", f"{one}publish/", If_Match=made.headers["ETag"]).json()
    assert (published["state"], published["version"], published["draft"]) == ("published", 1, None)
    changed = api("put", one, {**RULES, "offline_days": 0, "revision": published["revision"]}).json()
    assert (changed["offline_days"], changed["draft"]["offline_days"]) == (7, 0)
    assert api("delete", f"{one}draft/").json()["has_draft"] is False
    api("put", one, {**RULES, "offline_days": 0})
    api("post", f"{one}publish/")
    version = api("get", f"{one}versions/2/").json()
    assert version["difference"] == [{"field": "offline_days", "before": 7, "after": 0}]
    assert [each["number"] for each in api("get", f"{one}versions/").json()["results"]] == [2, 1]
    restored = api("post", f"{one}versions/1/restore/").json()
    assert restored["draft"]["offline_days"] == 7
    assert api("post", f"{one}versions/9/restore/").status_code == 404
    assert api("post", f"{one}move/", {"position": 0}).json()["position"] == 0
    copied = api("post", f"{one}copy/")
    assert (copied.status_code, copied.json()["name"]) == (201, "Copy of Board")
    refused = api("delete", one)
    assert (refused.status_code, refused.json()["code"]) == (409, "still_offered")
    api("post", f"{one}archive/")
    assert api("post", f"{one}unarchive/").json()["state"] == "published"
    api("post", f"{one}archive/")
    api("delete", f"{one}draft/")
    assert api("delete", one).status_code == 204 and api("get", one).status_code == 404


def test_a_stale_change_gets_the_difference(api: Api, world: World) -> None:
    made = api("post", "", RULES).json()
    one, tag = f"{made['id']}/", f'"{made["revision"]}"'
    assert api("put", one, {**RULES, "offline_days": 1}, If_Match=tag).status_code == 200
    stale = api("put", one, {**RULES, "offline_days": 2}, If_Match=tag)
    assert (stale.status_code, stale.json()["code"]) == (409, "changed_meanwhile")
    assert stale.json()["difference"] == [{"field": "offline_days", "theirs": 1, "yours": 2}]
    late = api("post", f"{one}publish/", {"revision": made["revision"]})
    assert late.status_code == 409 and late.json()["revision"] == made["revision"] + 1
    assert api("put", one, RULES, If_Match='"x"').status_code == 400


def test_what_is_wrong_is_told_field_by_field(api: Api) -> None:
    grants = [{"principal": "members", "level": "VIEWER"}, {"principal": "group:Nobody", "rights": ["VIEW"]}]
    refused = api("post", "", {**RULES, "grants": grants})
    assert refused.status_code == 400 and [each["field"] for each in refused.json()["errors"]] == [
        "grants.1.principal"
    ]
    assert api("post", "", {"grants": []}).status_code == 400


def test_who_may(world: World, device: Callable[[str], Device]) -> None:
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("bob"), role="template_admin")
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("carol"), role="auditor")
    made = Api(device("bob"))("post", "", RULES)
    assert made.status_code == 201
    one, carol = f"{made.json()['id']}/", Api(device("carol"))
    assert carol("get", one).status_code == 200
    for method, path in (("post", ""), ("put", one), ("delete", one)):
        assert carol(method, path, RULES).status_code == 403
    for path in ("publish/", "archive/", "unarchive/", "copy/", "move/"):
        assert carol("post", f"{one}{path}").status_code == 403


def test_the_list_takes_as_many_queries_for_many(api: Api, world: World) -> None:
    with CaptureQueriesContext(connection) as few:
        api("get", "")
    for _ in range(4):
        api("post", f"{api('post', '', RULES).json()['id']}/publish/")
    with CaptureQueriesContext(connection) as many:
        assert len(api("get", "").json()["results"]) == 6
    assert len(many) == len(few)
    assert PolicyTemplate.objects.for_tenant(world.contoso).count() == 6
