"""Switching protection off and on: consequence in numbers, the name typed, nothing lost."""

import pytest

from audit.models import AdminEvent
from keys.models import KeyVersion
from policies.models import PolicyTemplate
from tests.conftest import World
from tests.portal.conftest import Browse, MakeDocument

pytestmark = pytest.mark.django_db


def test_off_and_on_again(browse: Browse, world: World, make_document: MakeDocument) -> None:
    make_document()
    client = browse("alice")
    page = client.get("/settings/deactivate/").content.decode()
    assert "1 document can no longer be opened" in page and "3 people can no longer protect" in page
    for typed in ("", "contoso", "Fabrikam"):
        response = client.post("/settings/deactivate/", {"name": typed})
        assert response.status_code == 400
        world.contoso.refresh_from_db()
        assert world.contoso.is_active
    assert client.post("/settings/deactivate/", {"name": "Contoso"})["Location"] == "/settings/"
    world.contoso.refresh_from_db()
    assert not world.contoso.is_active
    assert client.get("/settings/deactivate/")["Location"] == "/settings/", "nothing to switch off"
    assert "still there and work again" in client.get("/settings/").content.decode()

    before = (KeyVersion.objects.count(), PolicyTemplate.objects.count())
    page = client.get("/settings/activate/").content.decode()
    assert "opens again" in page and "Two templates appear" not in page
    client.post("/settings/activate/")
    world.contoso.refresh_from_db()
    assert world.contoso.is_active
    assert (KeyVersion.objects.count(), PolicyTemplate.objects.count()) == before
    assert client.get("/settings/activate/")["Location"] == "/settings/", "nothing to switch on"
    actions = AdminEvent.objects.for_tenant(world.contoso.id).order_by("id").values_list("action", flat=True)
    assert list(actions)[-2:] == ["Deactivate", "Activate"]


@pytest.mark.parametrize("path", ["/settings/activate/", "/settings/deactivate/", "/keys/roll/"])
@pytest.mark.parametrize("name", ["bob", "erin"])
def test_only_administrators_change_anything(browse: Browse, world: World, path: str, name: str) -> None:
    response = browse(name).post(path, {"name": "Contoso"})
    assert response.status_code == (403 if name == "bob" else 302)
    world.contoso.refresh_from_db()
    assert world.contoso.is_active
    assert KeyVersion.objects.for_tenant(world.contoso).count() == 1


def test_a_form_from_elsewhere_changes_nothing(browse: Browse, world: World) -> None:
    response = browse("alice", enforce_csrf_checks=True).post("/settings/deactivate/", {"name": "Contoso"})
    assert response.status_code == 403
    assert "Please send the form again" in response.content.decode()
    world.contoso.refresh_from_db()
    assert world.contoso.is_active


def test_a_second_organization_cannot_be_started(browse: Browse) -> None:
    assert browse("bob").post("/organization/new/", {"name": "Another"})["Location"] == "/"
