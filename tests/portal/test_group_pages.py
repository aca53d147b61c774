"""Making, filling and deleting groups in a browser."""

import pytest

from tenants.models import Group, GroupMember, GroupNesting, RoleAssignment
from tests.conftest import World
from tests.portal.conftest import Browse

pytestmark = pytest.mark.django_db


def test_a_group_from_making_to_deleting(browse: Browse, world: World) -> None:
    client = browse("alice")
    refused = client.post("/groups/new/", {"name": "Sales"})
    assert refused.status_code == 400 and "already a group called Sales" in refused.content.decode()
    made = client.post("/groups/new/", {"name": "Press", "mail": "press@contoso.example"})
    group = Group.objects.get(name="Press")
    assert made.headers["Location"] == f"/groups/{group.id}/add/"
    sales, bob = Group.objects.get(name="Sales"), world.person("bob")
    found = client.get(f"/groups/{group.id}/add/?q=b").context
    assert bob in found["people"]
    assert client.get(f"/groups/{group.id}/add/?q=sal").context["groups"] == [sales]
    client.post(f"/groups/{group.id}/members/", {"do": "add", "person": bob.id})
    client.post(f"/groups/{group.id}/members/", {"do": "add", "group": sales.id})
    page = client.get(f"/groups/{group.id}/")
    assert page.context["reach"] == 2 and "Take Bob out" in page.content.decode()
    circle = client.post(f"/groups/{sales.id}/members/", {"do": "add", "group": group.id}, follow=True)
    assert "circle" in circle.content.decode()
    client.post(f"/groups/{group.id}/members/", {"do": "remove", "person": bob.id})
    assert not GroupMember.objects.filter(group=group).exists()
    assert GroupNesting.objects.filter(parent=group).exists()
    client.post(f"/groups/{group.id}/edit/", {"name": "Media", "mail": ""})
    assert client.post(f"/groups/{group.id}/delete/", {"name": "media"}).status_code == 400
    assert client.post(f"/groups/{group.id}/delete/", {"name": "Media"}).status_code == 302
    assert not Group.objects.filter(id=group.id).exists()


def test_a_group_with_power_and_one_of_the_directory_say_so(browse: Browse, world: World) -> None:
    group = Group.objects.create(tenant=world.contoso, name="Guards", from_directory=True)
    client = browse("alice")
    page = client.get(f"/groups/{group.id}/").content.decode()
    assert "Your directory keeps this group" in page and "Add people or groups" not in page
    refused = client.post(
        f"/groups/{group.id}/members/", {"do": "add", "person": world.person("bob").id}, follow=True
    )
    assert "kept by your directory" in refused.content.decode()
    RoleAssignment.objects.create(tenant=world.contoso, group=group, role="auditor")
    page = client.get(f"/groups/{group.id}/").content.decode()
    assert "It holds an administrative role" in page and "Add people or groups" in page
    client.post(f"/groups/{group.id}/take-over/")
    assert not Group.objects.get(id=group.id).from_directory


def test_only_administrators_change_groups(browse: Browse, world: World) -> None:
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("bob"), role="auditor")
    group = Group.objects.get(name="Sales")
    client = browse("bob")
    page = client.get(f"/groups/{group.id}/")
    assert page.status_code == 200 and "Delete" not in page.content.decode()
    for path in ("/groups/new/", f"/groups/{group.id}/edit/", f"/groups/{group.id}/delete/"):
        assert client.get(path).status_code == 403
    assert client.post(f"/groups/{group.id}/members/", {"do": "add", "person": "x"}).status_code == 403
    assert browse("mallory").post(f"/groups/{group.id}/members/", {"do": "add"}).status_code == 404
