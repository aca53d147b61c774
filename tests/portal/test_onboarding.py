"""From sign-up to a running organization, its domains, who may sign up, and its deletion: through the pages and the API."""

import re
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from administration.export import make_due
from administration.removal import pending_of
from administration.sign_up import invite_organization
from audit.models import AdminEvent
from tenants.domain_records import record_name, record_value
from tenants.models import DomainClaim, OrganizationInvitation, OutgoingMail, Tenant, User, VerifiedDomain
from tenants.outbox import send_due
from tests.conftest import PASSWORD, World, make_token
from tests.portal.conftest import Browse
from tests.tenants.conftest import zone
from tests.tenants.dns_server import Zone

pytestmark = pytest.mark.django_db
__all__ = ["zone"]  # the fixture


def text_of(response: Any) -> str:
    return str(response.content.decode())


def signed_up(address: str) -> Client:
    client = Client()
    client.post("/accounts/signup/", {"email": address, "password1": PASSWORD}, follow=True)
    found = re.search(r"^\s*([A-Z0-9-]{6,9})\s*$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found
    client.post("/accounts/confirm-email/", {"code": found.group(1)}, follow=True)
    return client


def test_from_sign_up_to_the_first_document(db: None, zone: Zone) -> None:
    client = signed_up("ada@big.example")
    page = text_of(client.get("/organization/new/"))
    assert "Setting up your organization" in page and "step--current" in page
    assert client.post("/organization/new/", {"name": "B"}).status_code == 400
    response = client.post("/organization/new/", {"name": "Big"})
    assert response["Location"] == "/organization/setup/"
    assert 'href="/organization/setup/"' in text_of(client.get("/")), "Home leads on"
    assert 'value="big.example"' in text_of(client.get("/organization/setup/"))
    client.post("/organization/setup/", {"domain": "big.example"})
    claim = DomainClaim.objects.get()
    page = text_of(client.get("/organization/setup/"))
    assert record_name("big.example") in page and record_value(claim.token) in page
    address = f"/settings/domains/{claim.id}/check/"
    early = client.post(address, {"then": "setup"}, follow=True)
    assert "The record is not there yet" in text_of(early)
    zone.texts[record_name("big.example")] = [record_value(claim.token)]
    found = client.post(address, {"then": "setup"}, follow=True)
    assert "The record was found" in text_of(found) and "own key" in text_of(found), "on to activation"
    assert client.post("/settings/activate/", {"then": "protect"})["Location"] == "/protect/"
    assert "Everything is ready" in text_of(client.get("/organization/setup/"))
    ada = User.objects.get(email="ada@big.example")
    headers = {"Authorization": f"Bearer {make_token(ada)}"}
    body = {
        "PreferDeprecatedAlgorithms": False,
        "AllowAuditedExtraction": False,
        "Policy": {
            "UserRights": [{"Users": ["partner@other.example"], "Rights": ["VIEW"]}],
            "allowOfflineAccess": True,
            "IntervalTimeInDays": -1,
        },
    }
    answer = client.post("/my/v2/publishinglicenses", body, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    assert client.get("/organization/setup/")["Location"] == "/"
    assert VerifiedDomain.objects.get().tenant == ada.tenant


def test_the_domain_can_wait_and_free_mail_is_explained(db: None) -> None:
    client = signed_up("ada@gmail.com")
    client.post("/organization/new/", {"name": "Big"})
    page = text_of(client.get("/organization/setup/"))
    assert "Your own address is at gmail.com" in page
    refused = client.post("/organization/setup/", {"domain": "gmail.com"})
    assert refused.status_code == 400 and "Anybody can get a mailbox there" in text_of(refused)
    assert "own key" in text_of(client.get("/organization/setup/?later=1"))
    client.post("/settings/activate/", {"then": "protect"})
    assert "Everything is ready" in text_of(client.get("/organization/setup/"))
    assert 'href="/settings/domains/"' in text_of(client.get("/"))


def test_domains_by_page(browse: Browse, world: World, zone: Zone) -> None:
    client = browse("alice")
    assert "contoso.example" in text_of(client.get("/settings/domains/"))
    wrong = client.post("/settings/domains/", {"domain": "no domain"})
    assert wrong.status_code == 400 and "This is not a domain" in text_of(wrong)
    address = client.post("/settings/domains/", {"domain": "second.example"})["Location"]
    claim = DomainClaim.objects.get()
    assert "To be proven" in text_of(client.get(address))
    zone.failing = {"second.example", record_name("second.example")}
    part = client.post(f"{address}check/", headers={"HX-Request": "true", "HX-Target": "domain-record"})
    assert "did not answer" in text_of(part) and "<html" not in text_of(part)
    zone.failing, zone.texts = set(), {"second.example": [record_value(claim.token)]}
    assert "The record was found" in text_of(client.post(f"{address}check/", follow=True))
    assert "0 people have an address" in text_of(client.get(f"{address}remove/"))
    client.post(f"{address}remove/")
    assert client.get(address).status_code == 404
    own = VerifiedDomain.objects.get(domain="contoso.example")
    assert "3 people have an address" in text_of(client.get(f"/settings/domains/{own.id}/remove/"))
    assert browse("bob").get("/settings/domains/").status_code == 403


def test_domains_by_api(world: World, device: Any, zone: Zone) -> None:
    alice = device("alice")
    assert alice.post("/api/v1/domains/", {"domain": "x"}).status_code == 400
    assert alice.post("/api/v1/domains/", {"domain": "gmail.com"}).json()["code"] == "free_mail"
    added = alice.post("/api/v1/domains/", {"domain": "second.example"}).json()
    assert added["state"] == "waiting"
    assert [row["domain"] for row in alice.get("/api/v1/domains/").json()["results"]] == [
        "contoso.example",
        "second.example",
    ]
    path = f"/api/v1/domains/{added['id']}/"
    assert alice.post(f"{path}check/", {}).json()["found"] == "not_found"
    zone.texts[added["record_name"]] = [added["record_value"]]
    assert alice.post(f"{path}check/", {}).json()["domain"]["state"] == "proven"
    assert alice.get(path).json()["state"] == "proven", "under the same id"
    assert device("bob").get("/api/v1/domains/").status_code == 403
    headers = {"Authorization": f"Bearer {alice.token}"}
    assert Client().delete(path, headers=headers).status_code == 204
    assert alice.get(path).status_code == 404


def test_settings_are_changed_by_page_and_api(browse: Browse, world: World, device: Any) -> None:
    client = browse("alice")
    given = {"name": "Contoso Ltd", "default_language": "de", "languages": ["de"], "max_use_license_days": 7}
    assert client.post("/settings/edit/", given)["Location"] == "/settings/"
    world.contoso.refresh_from_db()
    assert (world.contoso.name, world.contoso.max_use_license_days) == ("Contoso Ltd", 7)
    row = AdminEvent.objects.for_tenant(world.contoso.id).latest("id")
    assert row.action == "ChangeOrganization"
    assert row.before is not None and row.before["name"] == "Contoso"
    assert row.after is not None and row.after["name"] == "Contoso Ltd"
    assert client.post("/settings/edit/", {**given, "max_use_license_days": 366}).status_code == 400
    alice = device("alice")
    headers = {"Authorization": f"Bearer {alice.token}"}
    patch = Client().patch(
        "/api/v1/organization/", {"name": "Contoso"}, content_type="application/json", headers=headers
    )
    assert patch.json()["name"] == "Contoso" and patch.json()["status"] == "active"
    rows = AdminEvent.objects.for_tenant(world.contoso.id)
    assert rows.latest("id").after == {"name": "Contoso"}


def test_closed_sign_up_makes_no_organization_anywhere(
    browse: Browse, world: World, device: Any, settings: Any
) -> None:
    settings.SIGN_UP = "closed"
    client = browse("erin")
    assert "None can be started on this installation" in text_of(client.get("/"))
    for response in (client.get("/organization/new/"), client.post("/organization/new/", {"name": "Mine"})):
        assert response.status_code == 403 and "No organization can be started here" in text_of(response)
    answer = device("erin").post("/api/v1/organization/", {"name": "Mine"})
    assert (answer.status_code, answer.json()["code"]) == (409, "sign_up_refused")
    assert Tenant.objects.count() == 2
    assert client.get("/open/").status_code == 200
    with pytest.raises(CommandError, match="closed"):
        call_command("invite_organization", "new@big.example")


def test_by_invitation(browse: Browse, world: World, device: Any, settings: Any) -> None:
    settings.SIGN_UP = "invitation"
    assert browse("erin").get("/organization/new/").status_code == 403
    call_command("invite_organization", "Ada@Big.example")
    with pytest.raises(CommandError):
        call_command("invite_organization", "nobody")
    link = re.search(r"/organization/invitation/\S+/", OutgoingMail.objects.get().text)
    assert link
    page = text_of(Client().get(link.group()))
    assert "ada@big.example" in page and "/accounts/signup/" in page
    assert Client().get("/organization/invitation/wrong/").status_code == 410
    client = signed_up("ada@big.example")
    assert client.get(link.group())["Location"] == "/organization/new/"
    assert client.post("/organization/new/", {"name": "Big"})["Location"] == "/organization/setup/"
    assert OrganizationInvitation.objects.get().tenant == Tenant.objects.get(name="Big")
    assert Client().get(link.group()).status_code == 410, "used once"
    assert device("erin").post("/api/v1/organization/", {"name": "Mine"}).status_code == 409
    invite_organization("erin@individual.example")
    OrganizationInvitation.objects.filter(tenant=None).update(expires_at="2999-01-01T00:00Z")
    assert device("erin").post("/api/v1/organization/", {"name": "Mine"}).status_code == 201


def test_deletion_by_page(browse: Browse, world: World) -> None:
    client = browse("alice")
    assert "Make an export" in text_of(client.get("/settings/removal/"))
    client.post("/settings/removal/export/")
    assert "is being made" in text_of(client.get("/settings/removal/"))
    assert client.get("/settings/removal/export/file/").status_code == 404
    make_due()
    assert "Download" in text_of(client.get("/settings/removal/"))
    file = client.get("/settings/removal/export/file/")
    assert b"".join(file.streaming_content)[:2] == b"PK"  # type: ignore[attr-defined]  # a file response
    assert "3 people lose their accounts" in text_of(client.get("/settings/removal/request/"))
    wrong = client.post("/settings/removal/request/", {"name": "contoso", "reason": "merged"})
    assert wrong.status_code == 400 and pending_of(world.contoso) is None
    client.post("/settings/removal/request/", {"name": "Contoso", "reason": "merged"})
    assert pending_of(world.contoso) is not None
    assert "Cancel the deletion" in text_of(client.get("/documents/")), "on every page"
    member = text_of(browse("bob").get("/"))
    assert "is going to be deleted" in member and "Cancel the deletion" not in member
    assert browse("bob").post("/settings/removal/cancel/").status_code == 403
    client.post("/settings/removal/cancel/")
    assert "is going to be deleted" not in text_of(client.get("/"))
    send_due()
    assert len(mail.outbox) >= 2
