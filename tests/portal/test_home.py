"""The home page leads a new administrator through the five steps."""

import pytest
from django.test import Client

from administration.activation import activate_tenant, deactivate_tenant
from tenants.models import Tenant
from tests.conftest import World
from tests.portal.conftest import Browse, MakeDocument, log_opening

pytestmark = pytest.mark.django_db


def steps(client: Client) -> list[str]:
    found: list[str] = client.get("/").context["progress"].steps
    return found


def test_from_nothing_to_a_tracked_document(
    browse: Browse, world: World, make_document: MakeDocument
) -> None:
    client = browse("erin")
    assert "Start an organization" in client.get("/").content.decode()
    assert client.post("/organization/new/", {"name": "x"}).status_code == 400
    assert client.post("/organization/new/", {"name": "Erin & Partners"}).status_code == 302
    erin = world.person("erin")
    tenant = erin.tenant
    assert tenant is not None and tenant.name == "Erin & Partners"
    assert steps(client) == ["current", "todo", "todo", "todo", "todo"]
    assert 'href="/settings/activate/"' in client.get("/").content.decode()
    assert client.get("/organization/new/")["Location"] == "/"

    page = client.get("/settings/activate/").content.decode()
    assert "Two templates appear" in page and "1 person can protect" in page
    client.post("/settings/activate/")
    assert steps(client) == ["done", "current", "todo", "todo", "todo"]

    document = make_document(tenant=tenant, issuer=erin, issuer_address=erin.email)
    assert steps(client) == ["done", "done", "done", "current", "todo"]
    log_opening(document, erin.email)
    assert steps(client)[3] == "current", "opened by oneself does not count"
    log_opening(document, "dave@fabrikam.example", result="AccessDenied")
    assert steps(client)[3] == "current", "refused does not count"
    log_opening(document, "dave@fabrikam.example")
    assert steps(client) == ["done", "done", "done", "done", "current"]
    assert f'href="/documents/{document.content_id}/"' in client.get("/").content.decode()

    client.get(f"/documents/{document.content_id}/")
    page = client.get("/").content.decode()
    assert "Quick start" not in page and "Everything is running." in page


def test_what_happened_is_told_without_other_organizations(
    browse: Browse, make_document: MakeDocument
) -> None:
    document = make_document()
    log_opening(document, "dave@fabrikam.example")
    log_opening(document, "erin@individual.example", result="AccessRevoked")
    page = browse("alice").get("/")
    assert "dave@fabrikam.example" in page.content.decode()
    assert page.context["week"] == {"opened": 1, "refused": 1, "more": False}
    assert "plan.pdf" not in browse("mallory").get("/").content.decode()


def test_members_see_their_own(browse: Browse, make_document: MakeDocument) -> None:
    make_document()
    assert "plan.pdf" in browse("bob").get("/").content.decode()
    assert "plan.pdf" not in browse("carol").get("/").content.decode()


def test_an_inactive_organization_says_so(browse: Browse, world: World) -> None:
    alice = world.person("alice")
    deactivate_tenant(world.contoso, actor=alice)
    page = browse("bob").get("/").content.decode()
    assert "switched off in your organization" in page and "Choose who may open it" not in page
    assert steps(browse("alice"))[0] == "current"
    activate_tenant(world.contoso, actor=alice)
    assert "Choose who may open it" in browse("bob").get("/").content.decode()


def test_who_may_not_protect_is_not_invited_to(browse: Browse, world: World) -> None:
    Tenant.objects.filter(id=world.contoso.id).update(onboarding=Tenant.Onboarding.LICENSED)
    page = browse("bob").get("/").content.decode()
    assert "Protecting is not open to you" in page and "Choose who may open it" not in page
