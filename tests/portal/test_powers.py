"""Pages of roles, super users, who may protect, services, devices: what is said, what is done, who gets in."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import AdminEvent
from portal.access import PROVEN_AT
from tenants import membership
from tenants.models import RoleAssignment, ServicePrincipal, SuperUserAppointment
from tests.conftest import World, make_token
from tests.portal.conftest import Browse

pytestmark = pytest.mark.django_db
READ = ("/settings/roles/", "/settings/super-users/", "/settings/protecting/", "/settings/services/")


@pytest.fixture
def fresh(browse: Browse) -> Browse:
    """As `browse`, by somebody who has just proven who they are."""

    def sign_in(name: str, **options: Any) -> Client:
        client = browse(name, **options)
        session = client.session
        session[PROVEN_AT] = time.time()
        session.save()
        return client

    return sign_in


def give(world: World, name: str, role: str, **facts: Any) -> RoleAssignment:
    return RoleAssignment.objects.create(tenant=world.contoso, user=world.person(name), role=role, **facts)


def test_the_table_of_roles_is_the_table_that_decides(browse: Browse) -> None:
    rows = browse("alice").get("/settings/roles/").context["actions"]
    said = {str(label): 0 for label, _allowed in rows[0]["allowed"]}
    for row in rows:
        for label, allowed in row["allowed"]:
            said[str(label)] += allowed
    for role, label in RoleAssignment.Role.choices:
        assert said[str(label)] == len(membership.allowed_to(role)), role


def test_a_role_is_given_and_taken_on_pages(fresh: Browse, world: World) -> None:
    alice = fresh("alice")
    body = {"holder": "bob@contoso.example", "role": "auditor"}
    assert alice.post("/settings/roles/give/", body).status_code == 302
    held = RoleAssignment.objects.for_tenant(world.contoso).get(role="auditor")
    take = f"/settings/roles/{held.id}/take/"
    assert "bob@contoso.example" in alice.get(take).content.decode()
    assert alice.post(take).status_code == 302
    assert AdminEvent.objects.filter(action__in=("AddRole", "RemoveRole")).count() == 2
    wrong = alice.post("/settings/roles/give/", {**body, "holder": "mallory@fabrikam.example"})
    assert wrong.status_code == 400 and "Nobody and nothing" in wrong.content.decode()
    own = RoleAssignment.objects.for_tenant(world.contoso).get()
    page = alice.post(f"/settings/roles/{own.id}/take/", follow=True).content.decode()
    assert "last global administrator" in page


@pytest.mark.parametrize(
    "path",
    ["roles/give/", "super-users/switch/", "super-users/appoint/", "super-users/approval/", "services/new/"],
)
def test_changes_want_a_fresh_sign_in(browse: Browse, path: str) -> None:
    client = browse("alice")
    session = client.session
    session[PROVEN_AT] = time.time() - 24 * 3600
    session.save()
    for response in (client.get(f"/settings/{path}"), client.post(f"/settings/{path}", {})):
        assert response.status_code == 302 and response.headers["Location"].startswith("/sign-in-again/")


def test_super_users_on_pages(fresh: Browse, world: World) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    assert "No super users" in alice.get("/settings/super-users/").content.decode()
    assert "full control" in alice.get("/settings/super-users/switch/").content.decode()
    alice.post("/settings/super-users/switch/")
    alice.post("/settings/super-users/approval/")
    world.contoso.refresh_from_db()
    assert world.contoso.super_users_enabled and world.contoso.super_users_need_approval
    body = {"holder": "Sales", "reason": "Discovery", "until": "2999-01-01T10:00"}
    assert alice.post("/settings/super-users/appoint/", {**body, "reason": ""}).status_code == 400
    assert alice.post("/settings/super-users/appoint/", body).status_code == 302
    assert "Announced" in alice.get("/settings/super-users/").content.decode()
    made = SuperUserAppointment.objects.get()
    approve = f"/settings/super-users/{made.id}/approve/"
    assert "Somebody else" in alice.post(approve, follow=True).content.decode()
    assert bob.post(approve).status_code == 403
    give(world, "bob", "global_admin", since=timezone.now() - timedelta(days=2))
    assert "Discovery" in bob.get(approve).content.decode()
    assert "is a super user" in bob.post(approve, follow=True).content.decode()
    assert alice.post(f"/settings/super-users/{made.id}/end/").status_code == 302
    assert not SuperUserAppointment.objects.exists()


def test_who_may_protect_is_previewed_then_saved(browse: Browse, world: World) -> None:
    alice = browse("alice")
    page = alice.get("/settings/protecting/?who=group&group=Sales").content.decode()
    assert "1 person may protect." in page and "bob@contoso.example" in page
    world.contoso.refresh_from_db()
    assert world.contoso.onboarding == "everyone"
    assert alice.post("/settings/protecting/", {"who": "group", "group": ""}).status_code == 400
    assert alice.post("/settings/protecting/", {"who": "group", "group": "Sales"}).status_code == 302
    world.contoso.refresh_from_db()
    assert world.contoso.onboarding == "group"
    assert "Sales" in alice.get("/settings/protecting/").content.decode()
    assert browse("bob").get("/templates/").context["rows"] == []


def test_a_services_secret_is_shown_once(fresh: Browse, world: World) -> None:
    alice = fresh("alice")
    page = alice.post("/settings/services/new/", {"name": "Gateway"})
    secrets = re.findall(r'data-copy="([^"]+)"', page.content.decode())
    service = ServicePrincipal.objects.for_tenant(world.contoso).get()
    assert secrets[0] == service.client_id and service.client.check_secret(secrets[1])
    assert "no-store" in page.headers["Cache-Control"]
    assert secrets[1] not in alice.get("/settings/services/").content.decode()
    assert "name already" in alice.post("/settings/services/new/", {"name": "Gateway"}).content.decode()
    again = alice.post(f"/settings/services/{service.id}/rotate/").content.decode()
    assert secrets[1] not in again and len(re.findall("data-copy=", again)) == 2
    assert "Gateway" in alice.get(f"/settings/services/{service.id}/delete/").content.decode()
    alice.post(f"/settings/services/{service.id}/delete/")
    assert not ServicePrincipal.objects.exists()


def test_auditors_look_and_change_nothing(fresh: Browse, world: World) -> None:
    give(world, "bob", "auditor")
    bob = fresh("bob")
    for path in READ:
        page = bob.get(path)
        assert page.status_code == 200, path
        assert "button--primary" not in page.content.decode(), path
    assert bob.post("/settings/protecting/", {"who": "licensed"}).status_code == 403
    for path in ("roles/give/", "super-users/switch/", "super-users/appoint/", "services/new/"):
        assert bob.get(f"/settings/{path}").status_code == 403
        assert bob.post(f"/settings/{path}", {}).status_code == 403
    for path in READ:
        assert fresh("carol").get(path).status_code == 403


def test_devices_are_seen_and_signed_out(browse: Browse, world: World) -> None:
    make_token(world.person("carol"))
    carol, bob = world.person("carol"), browse("bob")
    assert "Rightskeep command line" in browse("carol").get("/profile/devices/").content.decode()
    path = f"/people/{carol.id}/devices/"
    assert bob.get(path).status_code == 403
    give(world, "bob", "support")
    assert "Rightskeep command line" in bob.get(path).content.decode()
    assert bob.get(f"/people/{world.person('alice').id}/devices/").status_code == 404
    bob.post(f"{path}end/", {"program": "rightskeep-cli"})
    assert "No programs" in bob.get(path).content.decode()
    assert AdminEvent.objects.get(action="EndProgram").actor == "bob@contoso.example"
    page = browse("carol").post("/profile/devices/end/", {"program": "x"}, follow=True).content.decode()
    assert "not signed in any more" in page
