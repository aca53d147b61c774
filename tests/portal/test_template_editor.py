"""The editor of templates in a browser without scripts: nothing typed is lost, nothing of others overwritten."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from policies import editing, states
from policies.content import content_of
from policies.models import PolicyTemplate
from policies.reading import read_content
from tenants.changes import Actor
from tenants.models import Group, RoleAssignment
from tests.conftest import World
from tests.portal.conftest import Browse, MakeDocument

pytestmark = pytest.mark.django_db
ALICE = Actor("alice@contoso.example")
TYPED: dict[str, Any] = {
    "default_language": "en",
    "name-en": "Board",
    "name-de": "Vorstand",
    "grant": ["0", "1"],
    "kind-0": "group",
    "who-0": "sales",
    "level-0": "AUTHOR",
    "kind-1": "person",
    "who-1": "Dave@Fabrikam.example",
    "level-1": "CHOSEN",
    "rights-1": ["EDIT"],
    "expiry": "days",
    "expires_after_days": "30",
    "offline": "never",
    "visible": "some",
    "scope": "carol@contoso.example\nSales",
    "do": "save",
}


def make(world: World, number: int = 2, **rules: Any) -> PolicyTemplate:
    raw = {
        "names": [{"language": "en", "name": "Board"}],
        "grants": [{"principal": f"p{n}@partner.example", "level": "VIEWER"} for n in range(number)],
    }
    return editing.create_template(world.contoso, read_content(raw | rules, world.contoso), actor=ALICE)


def publish(world: World, number: int = 2) -> PolicyTemplate:
    return states.publish(make(world, number), actor=ALICE)


def posted(page: Any) -> dict[str, Any]:
    """What a browser would send for the editor as it is shown."""
    form = page.context["form"]
    typed: dict[str, Any] = {f"name-{row.language}": row.name for row in form.texts}
    typed |= {f"description-{row.language}": row.description for row in form.texts}
    for row in form.grants:
        typed |= {f"kind-{row.index}": row.kind, f"who-{row.index}": row.who, f"level-{row.index}": row.level}
        typed |= {f"rights-{row.index}": list(row.rights), f"other-{row.index}": row.other}
    for name in ("default_language", "expiry", "expires_at", "expires_after_days", "offline", "offline_days", "visible", "scope"):  # fmt: skip
        typed[name] = getattr(form, name)
    hidden = {"revision": page.context["revision"], "base": page.context["base"]}
    return typed | hidden | {"grant": [str(row.index) for row in form.grants], "do": "save"}


def test_what_is_typed_becomes_a_draft_and_comes_back_as_typed(browse: Browse, world: World) -> None:
    client = browse("alice")
    saved = client.post("/templates/new/", TYPED)
    template = PolicyTemplate.objects.for_tenant(world.contoso).get(state="draft")
    assert saved.headers["Location"] == f"/templates/{template.id}/"
    content = content_of(template)
    sales = Group.objects.get(name="Sales")
    assert content is not None and [grant.principal for grant in content.grants] == [
        f"group:{sales.id}", "dave@fabrikam.example",
    ]  # fmt: skip
    assert content.grants[1].rights == ("VIEW", "EDIT", "DOCEDIT")
    page = client.get(f"/templates/{template.id}/edit/")
    again = client.post(f"/templates/{template.id}/edit/", posted(page))
    assert again.status_code == 302
    template.refresh_from_db()
    assert content_of(template) == content and template.revision == 1, "nothing differed"
    shown = client.get(f"/templates/{template.id}/").content.decode()
    assert "This is a draft" in shown and "carol@contoso.example, Sales" in shown


def test_what_is_wrong_stands_beside_the_field_and_nothing_is_lost(browse: Browse, world: World) -> None:
    wrong = TYPED | {
        "name-en": "",
        "who-0": "Nobody here",
        "expires_after_days": "soon",
        "scope": "x@y.example",
    }
    page = browse("alice").post("/templates/new/", wrong)
    text = page.content.decode()
    assert page.status_code == 400 and "Nothing was saved" in text
    for field, typed in (("name-en", ""), ("who-0", "Nobody here"), ("expires_after_days", "soon")):
        shown = re.search(rf'<input[^>]*name="{field}"[^>]*>', text)
        assert (
            shown is not None
            and 'aria-invalid="true"' in shown.group(0)
            and f'value="{typed}"' in shown.group(0)
        )
    assert "There is no group “Nobody here”" in text and "x@y.example</textarea>" in text
    assert "data-unsaved" in text and not PolicyTemplate.objects.filter(state="draft").exists()


def test_rows_come_and_go_without_scripts(browse: Browse) -> None:
    client = browse("alice")
    more = client.post("/templates/new/", TYPED | {"do": "add"}).context["form"].grants
    assert [row.who for row in more] == ["sales", "Dave@Fabrikam.example", ""]
    fewer = client.post("/templates/new/", TYPED | {"do": "remove-0"}).context["form"].grants
    assert [(row.index, row.who) for row in fewer] == [(0, "Dave@Fabrikam.example")]
    preview = client.post("/templates/new/", TYPED | {"name-de": "", "do": "preview"}).content.decode()
    assert "As people see it in each language" in preview and "Falls back" in preview


def test_the_second_of_two_chooses_field_by_field(browse: Browse, world: World) -> None:
    template = make(world)
    client = browse("alice")
    mine = posted(client.get(f"/templates/{template.id}/edit/")) | {"name-en": "The board"}
    theirs = read_content(
        {"names": [{"language": "en", "name": "Board"}], "grants": [], "offline_days": 0}, world.contoso
    )
    editing.save_draft(template, theirs, actor=Actor("bert@contoso.example"))
    page = client.post(f"/templates/{template.id}/edit/", mine)
    assert (
        page.status_code == 409 and "bert@contoso.example has changed this template" in page.content.decode()
    )
    chosen = {change["words"].field: change["mine"] for change in page.context["changes"]}
    assert chosen == {
        "names.en.name": True, "offline_days": False,
        "grants.p0@partner.example": False, "grants.p1@partner.example": False,
    }  # fmt: skip
    answer = {f"take-{field}": "mine" if own else "theirs" for field, own in chosen.items()}
    hidden = {"mine": page.context["mine"], "revision": page.context["revision"], "do": "merge"}
    merged = client.post(f"/templates/{template.id}/edit/", answer | hidden)
    template.refresh_from_db()
    assert content_of(template) == theirs, "merging alone saves nothing"
    assert client.post(f"/templates/{template.id}/edit/", posted(merged)).status_code == 302
    template.refresh_from_db()
    content = content_of(template)
    assert content is not None and (content.texts[0].name, content.offline_days) == ("The board", 0)


def test_publishing_states_what_it_does_and_only_what_was_seen(
    browse: Browse, world: World, make_document: MakeDocument
) -> None:
    template = publish(world)
    make_document(template_id=template.id)
    client = browse("alice")
    typed = posted(client.get(f"/templates/{template.id}/edit/"))
    client.post(
        f"/templates/{template.id}/edit/", typed | {"kind-0": "members", "who-0": "", "do": "publish"}
    )
    page = client.get(f"/templates/{template.id}/publish/")
    text = page.content.decode()
    for expected in (
        "Everyone in Contoso",
        "p0@partner.example",
        "1 document protected",
        "by the earlier rules until",
    ):
        assert expected in text, expected
    seen = {"revision": page.context["revision"], "shown": page.context["shown"]}
    draft = PolicyTemplate.objects.get(id=template.id).draft or {}
    editing.save_draft(template, read_content(draft | {"offline_days": 1}, world.contoso), actor=ALICE)
    late = client.post(f"/templates/{template.id}/publish/", seen)
    assert late.status_code == 409 and [change.field for change in late.context["meanwhile"]] == [
        "offline_days"
    ]
    again = {"revision": late.context["revision"], "shown": late.context["shown"]}
    assert client.post(f"/templates/{template.id}/publish/", again).status_code == 302
    assert client.post(f"/templates/{template.id}/publish/", again).status_code == 409
    versions = client.get(f"/templates/{template.id}/versions/").content.decode()
    assert "Version 2" in versions and "3 fields changed" in versions
    assert (
        "Make these rules the draft" in client.get(f"/templates/{template.id}/versions/1/").content.decode()
    )
    back = client.post(f"/templates/{template.id}/versions/1/restore/", {"revision": again["revision"] + 1})
    assert back.headers["Location"] == f"/templates/{template.id}/publish/"


def test_archived_offered_again_copied_ordered_deleted(
    browse: Browse, world: World, make_document: MakeDocument
) -> None:
    template = publish(world)
    client, one = browse("alice"), f"/templates/{template.id}/"
    client.post(f"{one}move/", {"do": "up"})
    assert [row["template"].id for row in client.get("/templates/").context["rows"]][1] == template.id
    document = make_document(template_id=template.id)
    assert "So it is not deleted" in client.get(f"{one}delete/").content.decode()
    assert "Version 1 decides today" in client.get(f"/documents/{document.content_id}/").content.decode()
    document.delete()
    assert client.post(f"{one}delete/", {"name": "Board"}).status_code == 400  # still offered
    client.post(f"{one}archive/")
    assert "Offer again" in client.get(one).content.decode()
    client.post(f"{one}unarchive/")
    copied = client.post(f"{one}copy/").headers["Location"]
    assert 'value="Copy of Board"' in client.get(copied).content.decode()
    client.post(f"{one}archive/")
    assert client.post(f"{one}delete/", {"name": "Board"}).status_code == 302
    assert not PolicyTemplate.objects.filter(id=template.id).exists()
    assert "Copy of Board" in client.get("/templates/?q=copy&state=draft").content.decode()


def test_only_those_who_manage_templates_change_them(browse: Browse, world: World) -> None:
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("bob"), role="auditor")
    template = publish(world)
    client, one = browse("bob"), f"/templates/{template.id}/"
    assert client.get(one).status_code == 200 and client.get(f"{one}versions/1/").status_code == 200
    for path in ("/templates/new/", f"{one}edit/", f"{one}publish/", f"{one}delete/"):
        assert client.get(path).status_code == 403
    for path in ("archive", "unarchive", "copy", "move", "discard", "versions/1/restore"):
        assert client.post(f"{one}{path}/").status_code == 403
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("carol"), role="template_admin")
    assert browse("carol").get(f"{one}edit/").status_code == 200


def test_languages_of_the_organization_are_asked_for(browse: Browse, world: World) -> None:
    client = browse("alice")
    given = {
        "name": "Contoso",
        "default_language": "en",
        "languages": ["fr", "en"],
        "max_use_license_days": 30,
    }
    assert client.post("/settings/edit/", given).status_code == 302
    assert [row.language for row in client.get("/templates/new/").context["form"].texts] == ["en", "fr"]
    assert "English, French" in client.get("/settings/").content.decode()


@pytest.mark.parametrize("page", ["/templates/", "edit/", "", "publish/", "versions/"])
def test_queries_do_not_grow_with_templates_and_grants(browse: Browse, world: World, page: str) -> None:
    """500 templates × 50 grants stay quick because each page reads one page of rows and each table once."""
    client = browse("alice")

    def cost(templates: int, grants: int) -> int:
        for _ in range(templates):
            template = publish(world, grants)
        draft = {"principal": f"group:{Group.objects.get(name='Sales').id}", "level": "VIEWER"}
        rules = {"names": [{"language": "en", "name": "B"}], "grants": [draft]}
        editing.save_draft(template, read_content(rules, world.contoso), actor=ALICE)
        with CaptureQueriesContext(connection) as queries:
            address = page if page.startswith("/") else f"/templates/{template.id}/{page}"
            assert client.get(address).status_code == 200
        return len(queries)

    first = cost(1, 1)
    assert cost(4, 50) == first
    assert first <= 16


@pytest.mark.parametrize(
    "sent", ["{}", "[1]", '{"names": 1}', "\x00", '{"default_language": {}, "names": []}']
)
def test_a_browser_may_send_anything(browse: Browse, world: World, sent: str) -> None:
    template = make(world)
    client, edit = browse("alice"), f"/templates/{template.id}/edit/"
    assert client.post(edit, {"do": "merge", "mine": sent, "revision": "x"}).status_code == 404
    typed = posted(client.get(edit)) | {
        "base": sent,
        "revision": "1e9",
        "who-0": "a\x00b",
        "scope": "\x00",
        "visible": "some",
    }
    refused = client.post(edit, typed)
    assert refused.status_code == 400 and "cannot be shown" in refused.content.decode()
    assert client.post(edit, typed | {"who-0": "c@partner.example", "visible": "all"}).status_code == 409
    assert client.post(f"/templates/{template.id}/publish/", {"shown": sent}).status_code == 409
    assert client.get("/templates/?state=x&after=zzz").status_code == 200
