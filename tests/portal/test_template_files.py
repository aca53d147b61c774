"""Export and import of templates on pages: look first, then do exactly that."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from policies.models import PolicyTemplate
from tenants.models import Group, RoleAssignment
from tests.conftest import World
from tests.policies.test_exchange import filed
from tests.portal.conftest import Browse

pytestmark = pytest.mark.django_db


def upload(client: Client, data: bytes, **more: str):
    return client.post("/templates/import/", {"file": SimpleUploadedFile("templates.xml", data), **more})


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="(packed|seen)" value="([^"]*)"', page))


def test_a_file_is_looked_at_and_then_imported(browse: Browse, world: World) -> None:
    Group.objects.create(tenant=world.contoso, name="Legal <b>")
    data, mallory = filed(world, "xml", ("group:Legal <b>", "AUTHOR")), browse("mallory")
    page = upload(mallory, data).content.decode()
    assert "Group Legal &lt;b&gt;: not known here" in page and 'value="import"' not in page
    mapped = {**hidden(page), "name": "group:Legal <b>", "who": "group:Sales", "do": "check"}
    assert "There is no group" in mallory.post("/templates/import/", mapped).content.decode()
    Group.objects.create(tenant=world.fabrikam, name="Sales")
    page = mallory.post("/templates/import/", mapped).content.decode()
    assert "Secret" in page and "Sales: Co-Author" in page and "New, archived" in page
    assert PolicyTemplate.objects.for_tenant(world.fabrikam).count() == 2  # looking does nothing
    late = mallory.post("/templates/import/", {**mapped, "do": "import"})
    assert late.status_code == 409  # that is not what was looked at
    confirm = {**mapped, **hidden(page), "do": "import"}
    assert mallory.post("/templates/import/", confirm).headers["Location"] == "/templates/"
    listed = mallory.get("/templates/").content.decode()
    assert "1 template was imported" in listed and "Archived" in listed
    assert "Another template is called" in upload(mallory, data).content.decode()


def test_bad_files_leave_a_sentence(browse: Browse) -> None:
    alice = browse("alice")
    response = upload(alice, b'{"format":\n "x"}')
    assert response.status_code == 400
    assert "Line 2, column 2: This is not a file of templates." in response.content.decode()
    assert alice.post("/templates/import/", {}).status_code == 400
    for packed in ("", "!", "AAAA", "eJwLcPYGAAJhAQk="):
        assert alice.post("/templates/import/", {"packed": packed, "do": "import"}).status_code == 400
    assert alice.get("/templates/import/").status_code == 302


def test_export_and_who_may(browse: Browse, world: World) -> None:
    alice = browse("alice")
    template = PolicyTemplate.objects.for_tenant(world.contoso).order_by("position")[0]
    response = alice.post("/templates/export/", {"as": "xml", "template": str(template.id)})
    assert response.content.count(b"<Template>") == 1
    assert response.headers["Content-Disposition"] == 'attachment; filename="templates.xml"'
    assert alice.post("/templates/export/", {"as": "json"}).json()["organization"]["name"] == "Contoso"
    foreign = PolicyTemplate.objects.for_tenant(world.fabrikam).order_by("position")[0]
    for text in (str(foreign.id), "x"):
        assert alice.get("/templates/files/", {"template": text}).status_code == 404
        assert alice.post("/templates/export/", {"as": "xml", "template": text}).status_code == 404
    RoleAssignment.objects.create(tenant=world.contoso, user=world.person("bob"), role="auditor")
    page = browse("bob").get("/templates/files/").content.decode()
    assert "XML" in page and "Look at it first" not in page
    assert browse("carol").get("/templates/files/").status_code == 403
    assert upload(browse("bob"), b"{}").status_code == 403
