"""Templates in words, people with what counts of them, groups."""

import pytest
from allauth.account.models import EmailAddress

from policies.models import PolicyTemplate, TemplateGrant, TemplateVersion
from tenants.models import Group, GroupNesting, User
from tests.conftest import World
from tests.portal.conftest import Browse

pytestmark = pytest.mark.django_db


@pytest.fixture
def confidential(world: World) -> PolicyTemplate:
    return PolicyTemplate.objects.for_tenant(world.contoso).order_by("created_at", "id")[1]


def test_a_template_in_words_and_codes(browse: Browse, world: World, confidential: PolicyTemplate) -> None:
    group = Group.objects.for_tenant(world.contoso).get()
    version = TemplateVersion.objects.create(
        template=confidential, number=2, expiry="days", expires_after_days=30, offline_days=0
    )
    for name in confidential.current.names.all():
        name.id, name.version = None, version
        name.save()
    for principal, rights in (
        (f"group:{group.id}", "VIEW,VIEWRIGHTSDATA,REPLY,REPLYALL,OBJMODEL"),
        ("@partner.example", "VIEW,X-SPECIAL"),
        ("anyone", "VIEW"),
    ):
        TemplateGrant.objects.create(version=version, principal=principal, rights=rights)
    confidential.current = version
    confidential.save()
    page = browse("alice").get(f"/templates/{confidential.id}/").content.decode()
    for expected in (
        "Sales",
        "Viewer",
        "Everyone at partner.example",
        "X-SPECIAL",
        "Anybody who signs in",
        "Open and read",
        "30 days after protection",
        "Never: every opening asks the service",
        "Version 2",
    ):
        assert expected in page, expected


def test_members_see_what_they_may_choose_and_no_more(browse: Browse, confidential: PolicyTemplate) -> None:
    page = browse("bob").get(f"/templates/{confidential.id}/").content.decode()
    assert "Co-Author" in page and "Versions" not in page
    PolicyTemplate.objects.filter(id=confidential.id).update(state="archived")
    assert browse("bob").get(f"/templates/{confidential.id}/").status_code == 404
    assert "Archived" in browse("alice").get(f"/templates/{confidential.id}/").content.decode()
    assert len(browse("bob").get("/templates/").context["rows"]) == 1
    assert len(browse("alice").get("/templates/").context["rows"]) == 2


def test_a_draft_without_a_version_does_not_break_the_list(browse: Browse, world: World) -> None:
    draft = PolicyTemplate.objects.create(tenant=world.contoso)
    assert "Draft without a version" in browse("alice").get("/templates/").content.decode()
    assert browse("alice").get(f"/templates/{draft.id}/").status_code == 200


def test_people_are_found_by_any_address_and_only_in_their_organization(browse: Browse, world: World) -> None:
    EmailAddress.objects.create(user=world.person("carol"), email="press@contoso.example", verified=False)
    client = browse("alice")
    assert [one.email for one in client.get("/people/").context["page"].rows] == [
        "alice@contoso.example", "bob@contoso.example", "carol@contoso.example",
    ]  # fmt: skip
    assert [one.email for one in client.get("/people/?q=PRESS").context["page"].rows] == [
        "carol@contoso.example"
    ]
    assert "Nobody matches" in client.get("/people/?q=mallory").content.decode()


def test_what_counts_of_a_person_is_said(browse: Browse, world: World) -> None:
    carol = world.person("carol")
    EmailAddress.objects.create(user=carol, email="press@contoso.example", verified=False)
    EmailAddress.objects.create(user=carol, email="carol@elsewhere.example", verified=False)
    outer = Group.objects.create(tenant=world.contoso, name="Everybody outside")
    GroupNesting.objects.create(parent=outer, child=Group.objects.for_tenant(world.contoso).get(name="Sales"))
    context = browse("alice").get(f"/people/{carol.id}/").context
    assert {one["email"]: one["counts"] for one in context["addresses"]} == {
        "carol@contoso.example": True,
        "press@contoso.example": True,  # the organization has proven the domain
        "carol@elsewhere.example": False,
    }
    assert [group.name for group in context["groups"]] == ["Everybody outside", "Sales"]


def test_groups_with_people_and_groups_inside(browse: Browse, world: World) -> None:
    sales = Group.objects.for_tenant(world.contoso).get()
    outer = Group.objects.create(tenant=world.contoso, name="All hands")
    GroupNesting.objects.create(parent=outer, child=sales)
    rows = browse("alice").get("/groups/").context["rows"]
    assert [(row["group"].name, row["people"], row["groups"]) for row in rows] == [
        ("All hands", 0, 1),
        ("Sales", 1, 0),
    ]
    assert f'href="/groups/{sales.id}/"' in browse("alice").get(f"/groups/{outer.id}/").content.decode()
    assert browse("alice").get("/groups/?q=sal").context["rows"][0]["group"] == sales
    assert "No groups" in browse("mallory").get("/groups/").content.decode()


def test_long_lists_of_people_have_pages(browse: Browse, world: World) -> None:
    for number in range(30):
        User.objects.create_user(f"p{number:02}@contoso.example", tenant=world.contoso)
    page = browse("alice").get("/people/").context["page"]
    assert len(page.rows) == 25 and page.next and not page.previous
