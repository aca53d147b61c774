"""Every page of the portal: who gets it, who is sent to sign in, who is refused, which methods it knows."""

import pytest

from policies.models import PolicyTemplate
from tenants.models import Group, RoleAssignment
from tests.conftest import World
from tests.portal.conftest import Browse, MakeDocument

pytestmark = pytest.mark.django_db

FOR_ANYBODY = (
    "/",
    "/help/",
    "/profile/",
    "/open/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/identity/o/device",
)
FOR_MEMBERS = ("/documents/", "/templates/", "/protect/")
BY_ROLE = {
    "/people/": {"global_admin", "template_admin", "support", "auditor"},
    "/groups/": {"global_admin", "template_admin", "support", "auditor"},
    "/keys/": {"global_admin", "key_admin", "auditor"},
    "/keys/roll/": {"global_admin", "key_admin"},
    "/logs/": {"global_admin", "auditor"},
    "/logs/changes/": {"global_admin", "auditor"},
    "/logs/usage/2026-01-31/": {"global_admin", "auditor"},
    "/settings/": {"global_admin", "auditor"},
    "/settings/deactivate/": {"global_admin"},
}
OPEN_TO_THE_WORLD = ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/design/")


@pytest.mark.parametrize("path", [*FOR_ANYBODY, *FOR_MEMBERS, *BY_ROLE])
def test_nobody_is_asked_to_sign_in_and_comes_back(browse: Browse, path: str) -> None:
    response = browse("").get(path)
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={path}"


@pytest.mark.parametrize("path", OPEN_TO_THE_WORLD)
def test_pages_before_sign_in(browse: Browse, path: str) -> None:
    assert browse("").get(path).status_code == 200


@pytest.mark.parametrize("path", FOR_ANYBODY)
@pytest.mark.parametrize("name", ["alice", "bob", "erin"])
def test_pages_for_anybody(browse: Browse, path: str, name: str) -> None:
    assert browse(name).get(path).status_code == 200


@pytest.mark.parametrize("path", FOR_MEMBERS)
def test_pages_for_members(browse: Browse, path: str) -> None:
    assert browse("bob").get(path).status_code == 200


@pytest.mark.parametrize("path", ["/documents/", "/templates/", *BY_ROLE])
def test_a_person_of_no_organization_is_led_home(browse: Browse, path: str) -> None:
    response = browse("erin").get(path)
    assert (response.status_code, response["Location"]) == (302, "/")


@pytest.mark.parametrize("path", BY_ROLE)
@pytest.mark.parametrize("role", RoleAssignment.Role.values)
def test_a_role_reaches_its_pages_and_its_navigation_names_them(
    browse: Browse, world: World, path: str, role: str
) -> None:
    bob = world.person("bob")
    assert browse("bob").get(path).status_code == 403
    RoleAssignment.objects.create(tenant=world.contoso, user=bob, role=role)
    client = browse("bob")
    may = role in BY_ROLE[path]
    assert client.get(path).status_code == (200 if may else 403)
    if path.count("/") == 2:
        assert (f'href="{path}"' in client.get("/").content.decode()) is may


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/help/",
        "/documents/",
        "/templates/",
        "/people/",
        "/groups/",
        "/keys/",
        "/logs/",
        "/settings/",
        "/design/",
    ],
)
def test_pages_that_only_show_know_no_other_method(browse: Browse, path: str) -> None:
    client = browse("alice")
    for method in (client.post, client.put, client.patch, client.delete):
        assert method(path).status_code == 405


@pytest.mark.parametrize("path", ["/preferences/"])
def test_pages_that_only_act_cannot_be_looked_at(browse: Browse, path: str) -> None:
    assert browse("alice").get(path).status_code == 405


def test_pages_of_one_object(browse: Browse, world: World, make_document: MakeDocument) -> None:
    document = make_document()
    template = PolicyTemplate.objects.for_tenant(world.contoso).order_by("created_at")[0]
    group = Group.objects.for_tenant(world.contoso).get()
    paths = {
        f"/documents/{document.content_id}/": "plan.pdf",
        f"/documents/{document.content_id}/revoke/": "plan.pdf",
        f"/templates/{template.id}/": "VIEWRIGHTSDATA",
        f"/people/{world.person('carol').id}/": "Sales",
        f"/groups/{group.id}/": "Carol",
    }
    for path, expected in paths.items():
        response = browse("alice").get(path)
        assert response.status_code == 200 and expected in response.content.decode(), path
        assert browse("mallory").get(path).status_code == 404, path
        assert browse("alice").put(path).status_code == 405, path


@pytest.mark.parametrize(
    "path",
    ["/documents/none/", "/people/1/", "/logs/usage/2026-02-31/", "/logs/usage/yesterday/", "/nothing/"],
)
def test_addresses_that_name_nothing(browse: Browse, path: str) -> None:
    response = browse("alice").get(path)
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()


def test_a_page_asks_the_database_the_same_for_few_and_for_many(
    browse: Browse, make_document: MakeDocument, django_assert_max_num_queries: object
) -> None:
    client = browse("alice")
    for path in ("/", "/documents/", "/people/", "/groups/", "/keys/"):
        for count in (1, 30):
            for number in range(count):
                make_document(file_name=f"{number}.pdf")
            with django_assert_max_num_queries(16):  # type: ignore[operator]  # a fixture without a type
                assert client.get(path).status_code == 200
