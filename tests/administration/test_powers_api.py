"""Roles, super users, onboarding, services and devices by machine."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.idp.oidc.models import Token
from django.test import Client
from django.utils import timezone

from audit.models import AdminEvent
from tenants.models import RoleAssignment, ServicePrincipal, SuperUserAppointment
from tests.conftest import Device, World, make_token

pytestmark = pytest.mark.django_db
MakeDevice = Callable[[str], Device]


def send(device: Device, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {device.token}"}
    return getattr(device.client, method)(
        f"/api/v1/{path}", body, content_type="application/json", headers=headers
    )


def test_roles_are_given_listed_and_taken(world: World, device: MakeDevice) -> None:
    alice = device("alice")
    given = send(alice, "post", "roles/", {"role": "auditor", "person": "bob@contoso.example"})
    assert given.status_code == 201, given.content
    assert send(alice, "post", "roles/", {"role": "key_admin", "group": "sales"}).json()["group"] == "Sales"
    rows = alice.get("/api/v1/roles/").json()["results"]
    assert [(row["role"], row["person"], row["group"]) for row in rows] == [
        ("global_admin", "alice@contoso.example", None),
        ("auditor", "bob@contoso.example", None),
        ("key_admin", None, "Sales"),
    ]
    bob = device("bob")
    assert bob.get("/api/v1/roles/").status_code == 200
    assert send(bob, "delete", f"roles/{given.json()['id']}/").status_code == 403
    assert (
        send(bob, "post", "roles/", {"role": "global_admin", "person": "bob@contoso.example"}).status_code
        == 403
    )
    assert send(alice, "delete", f"roles/{given.json()['id']}/").status_code == 204
    own = RoleAssignment.objects.for_tenant(world.contoso).get(role="global_admin")
    refused = send(alice, "delete", f"roles/{own.id}/")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_administrator")


@pytest.mark.parametrize(
    "body",
    [
        {"role": "auditor"},
        {"role": "auditor", "person": "mallory@fabrikam.example"},
        {"role": "auditor", "person": "bob@contoso.example", "group": "Sales"},
        {"role": "king", "person": "bob@contoso.example"},
    ],
)
def test_a_role_needs_one_holder_of_the_organization(world: World, device: MakeDevice, body: Any) -> None:
    assert send(device("alice"), "post", "roles/", body).status_code == 400
    assert RoleAssignment.objects.for_tenant(world.contoso).count() == 1


def test_super_users_by_machine(world: World, device: MakeDevice) -> None:
    alice, bob = device("alice"), device("bob")
    off = {"enabled": False, "needs_approval": False, "approval_ends_at": None}
    assert alice.get("/api/v1/super-users/feature/").json() == off
    wanted = {"enabled": True, "needs_approval": True}
    assert send(alice, "patch", "super-users/feature/", wanted).json() == {**off, **wanted}
    given_up = send(alice, "patch", "super-users/feature/", {"needs_approval": False}).json()
    assert given_up["needs_approval"] is True and given_up["approval_ends_at"] is not None
    RoleAssignment.objects.create(
        tenant=world.contoso,
        user=world.person("bob"),
        role="global_admin",
        since=timezone.now() - timedelta(days=2),
    )
    body = {"person": "carol@contoso.example", "reason": "Audit", "until": "2999-01-01T00:00:00Z"}
    made = send(alice, "post", "super-users/", body)
    assert (made.status_code, made.json()["since"]) == (201, None)
    path = f"super-users/{made.json()['id']}/"
    assert send(alice, "post", f"{path}approve/").json()["code"] == "same_person"
    approved = send(bob, "post", f"{path}approve/").json()
    assert approved["since"] is not None and approved["approved_by"] == "bob@contoso.example"
    assert send(alice, "delete", path).status_code == 204
    assert not SuperUserAppointment.objects.exists()
    assert send(alice, "delete", path).status_code == 404


def test_onboarding_is_previewed_and_set(world: World, device: MakeDevice) -> None:
    alice = device("alice")
    wanted = {"who": "group", "group": "Sales"}
    preview = send(alice, "put", "onboarding/?preview=1", wanted).json()
    assert preview == {**wanted, "people": 1, "losing": 2}
    assert alice.get("/api/v1/onboarding/").json() == {"who": "everyone", "group": None, "people": 3}
    assert send(alice, "put", "onboarding/", wanted).json() == preview
    assert alice.get("/api/v1/onboarding/").json() == {**wanted, "people": 1}
    assert device("bob").get("/my/v2/templates").json() == []
    assert send(alice, "put", "onboarding/", {"who": "group"}).json()["code"] == "group_missing"


def test_a_service_is_made_signs_in_gets_another_secret_and_ends(world: World, device: MakeDevice) -> None:
    alice = device("alice")
    made = send(alice, "post", "services/", {"name": "Gateway", "scopes": ["licensing"]})
    assert made.status_code == 201

    def token(secret: str) -> Any:
        fields = {
            "grant_type": "client_credentials",
            "client_id": made.json()["client_id"],
            "client_secret": secret,
        }
        return Client().post("/identity/o/api/token", fields).json()

    first = made.json()["client_secret"]
    value = token(first)["access_token"]
    rotated = send(alice, "post", f"services/{made.json()['id']}/rotate/").json()["client_secret"]
    assert rotated != first
    assert "access_token" not in token(first) and "access_token" in token(rotated)
    assert Client().get("/my/v2/templates", headers={"Authorization": f"Bearer {value}"}).status_code == 401
    listed = alice.get("/api/v1/services/").json()["results"]
    assert [(row["name"], row["super_user"], row["scopes"]) for row in listed] == [
        ("Gateway", False, ["licensing"])
    ]
    assert send(alice, "post", "services/", {"name": "Gateway"}).status_code == 409
    assert send(alice, "delete", f"services/{made.json()['id']}/").status_code == 204
    assert "access_token" not in token(rotated) and not ServicePrincipal.objects.exists()
    logged = str(list(AdminEvent.objects.values()))
    assert first not in logged and rotated not in logged and "DeleteService" in logged


def test_devices_are_seen_and_ended(world: World, device: MakeDevice) -> None:
    bob, alice = device("bob"), device("alice")
    assert [row["name"] for row in bob.get("/api/v1/devices/").json()] == ["Rightskeep command line"]
    theirs = "devices/rightskeep-cli/?person=bob@contoso.example"
    assert send(bob, "delete", "devices/rightskeep-cli/?person=alice@contoso.example").status_code == 404
    assert send(device("mallory"), "delete", theirs).status_code == 404
    assert send(alice, "delete", theirs).status_code == 204
    assert not Token.objects.filter(user=world.person("bob")).exists()
    assert AdminEvent.objects.get(action="EndProgram").target == "bob@contoso.example"
    assert send(alice, "delete", theirs).status_code == 404
    make_token(world.person("carol"))
    assert send(alice, "delete", "devices/rightskeep-cli/").status_code == 204
    assert Token.objects.filter(user=world.person("carol")).exists()
