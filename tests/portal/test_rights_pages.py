"""Who can open this, and why not: asked, changed and undone on pages; what people may grant."""

from dataclasses import replace

import pytest

from policies.content import content_of
from policies.editing import save_draft
from policies.evaluation import Grant
from policies.limits import limits_of
from policies.models import PolicyTemplate
from tenants.changes import Actor
from tests.conftest import Device, World
from tests.licensing.test_rules import DeviceFor, opens
from tests.portal.conftest import Browse, MakeDocument
from tracking.models import Document

pytestmark = pytest.mark.django_db
DAVE = "dave@fabrikam.example"


def protect(bob: Device) -> tuple[str, str]:
    """The path of the document's page, and its license."""
    published = bob.protect_for(("group:Sales", ["VIEW"]), (DAVE, ["VIEW"]), FileName="plan.pdf")
    return f"/documents/{published['ContentId'].strip('{}')}/access/", published[
        "SerializedPublishingLicense"
    ]


def test_asking_about_a_document(browse: Browse, device: DeviceFor) -> None:
    path, _license = protect(device("bob"))
    page = browse("alice").get(path, {"person": "carol@contoso.example"}).content.decode()
    assert "Carol can open it." in page and "Is in the group Sales" in page and "2 people of your" in page
    assert f"<li>{DAVE}" in page
    own = browse("bob").get(path).content.decode()
    assert "Administrators can see them one by one." in own and "carol@contoso.example" not in own
    page = browse("bob").get(path, {"person": "erin@individual.example"}).content.decode()
    assert "no grant reaches them" in page and "They are not of your organization." in page
    assert "Type the whole mail address" in browse("bob").get(path, {"person": "car"}).content.decode()
    assert browse("carol").get(path).status_code == 404


def test_changing_and_undoing(browse: Browse, device: DeviceFor) -> None:
    path, license = protect(device("bob"))
    bob, carol = browse("bob"), device("carol")
    form = bob.get(f"{path}change/", {"who": DAVE}).content.decode()
    assert f'value="{DAVE}"' in form
    sent = {"who": "carol@contoso.example", "level": "none", "reason": "left the project"}
    answer = bob.post(f"{path}change/", sent, follow=True).content.decode()
    assert "1 person of your organization cannot open it any more." in answer and "left the project" in answer
    assert opens(carol, license) == []
    change = Document.objects.get().access_changes.get()
    assert browse("dave").post(f"{path}{change.id}/undo/").status_code == 404
    assert "can open it now" in bob.post(f"{path}{change.id}/undo/", follow=True).content.decode()
    assert opens(carol, license) == ["VIEW"]
    assert bob.post(f"{path}change/", {"who": "bob@contoso.example", "level": "none"}).status_code == 400
    assert bob.post(f"{path}change/", {"who": "nobody", "level": "VIEWER"}).status_code == 400


def test_a_special_policy_is_recognized(browse: Browse, device: DeviceFor) -> None:
    roles = [{"Users": [DAVE], "Roles": ["DONOTFORWARD"]}]
    published = device("bob").publish({"Policy": {"UserRoles": roles, "allowOfflineAccess": True}})
    path = f"/documents/{published['ContentId'].strip('{}')}/"
    assert "Do Not Forward" in browse("bob").get(path).content.decode()
    german = browse("bob").get(f"{path}access/", headers={"Accept-Language": "de"}).content.decode()
    assert "Nicht weiterleiten" in german


def test_documents_from_before_and_templates(
    browse: Browse, make_document: MakeDocument, world: World
) -> None:
    old = make_document()
    page = browse("bob").get(f"/documents/{old.content_id}/access/").content.decode()
    assert "The service does not know who was granted access" in page
    template = PolicyTemplate.objects.for_tenant(world.contoso).order_by("created_at")[0]
    document = make_document(template_id=template.id)
    page = browse("bob").get(f"/documents/{document.content_id}/access/").content.decode()
    assert "The template decides" in page and "3 people of your organization" in page
    path = f"/templates/{template.id}/what-if/"
    page = browse("alice").get(path, {"person": "carol@contoso.example"}).content.decode()
    assert "Carol can open it." in page and "Granted to everyone in your organization" in page
    content = content_of(template)
    assert content is not None
    alone = replace(content, grants=(Grant("alice@contoso.example", ("VIEW",)),))
    save_draft(template, alone, actor=Actor.of(world.person("alice")))
    page = browse("alice").get(path, {"of": "draft", "show": "losing"}).content.decode()
    assert "2 people of your organization lose access." in page and "bob@contoso.example" in page
    assert (browse("bob").get(path).status_code, browse("mallory").get(path).status_code) == (403, 404)


def test_limits(browse: Browse, world: World) -> None:
    template = PolicyTemplate.objects.for_tenant(world.contoso).order_by("created_at")[1]
    alice = browse("alice")
    assert alice.post("/settings/limits/", {"own_permissions": "on", "anyone": "on"}).status_code == 400
    alice.post("/settings/limits/", {"outsiders": "on", "default_template": str(template.id)})
    now = limits_of(world.contoso)
    assert (now.own_permissions, now.outsiders, now.anyone) == (False, True, False)
    assert now.default_template_id == template.id
    page = browse("bob").get("/protect/").content.decode()
    assert 'value="people"' not in page and f'<option value="{template.id}"' in page.partition("</option>")[0]
    assert browse("bob").get("/settings/limits/").status_code == 403
