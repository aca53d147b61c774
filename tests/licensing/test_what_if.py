"""What would happen, and why: the same answers as the licensing endpoint gives, for one person and for all at once."""

from dataclasses import replace
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from licensing.access import change_access
from licensing.what_if import Answer, ask, case_of_document
from policies.content import content_of
from policies.editing import save_draft
from policies.evaluation import Grant, Policy
from policies.models import PolicyTemplate
from policies.reach import Case, difference, openers, outside
from tenants.changes import Actor, ChangeRefusedError
from tenants.freshness import forget_facts
from tenants.models import Group, GroupMember, GroupNesting, SuperUserAppointment, Tenant
from tests.conftest import World
from tests.licensing.test_rules import DeviceFor
from tracking.models import Document
from tracking.revocation import revoke

pytestmark = pytest.mark.django_db
ADDRESSES = {
    name: f"{name}@{domain}"
    for domain, names in {
        "contoso.example": ("alice", "bob", "carol"),
        "fabrikam.example": ("mallory", "dave"),
        "individual.example": ("erin",),
    }.items()
    for name in names
}
OUTCOMES = {"granted": "AccessGranted", "expired": "ContentExpired"}


def the_document() -> Document:
    return Document.objects.select_related("tenant").get()


def answer(who: str) -> Answer:
    forget_facts()
    return ask(case_of_document(the_document()), who, names_groups=True)


WHO = (
    "members", "@fabrikam.example", "@contoso.example", "anyone", "owner", "group:Region", "c@alias.example",
    "carol@contoso.example", "tenant:{contoso}", "d@alias.example",
)  # fmt: skip


@pytest.mark.parametrize("state", ["", "revoked", "expired", "overridden"])
def test_says_what_the_endpoint_does(world: World, device: DeviceFor, state: str) -> None:
    sales = Group.objects.get(name="Sales")
    region = Group.objects.create(tenant=world.contoso, name="Region")
    GroupNesting.objects.create(parent=region, child=sales)
    GroupNesting.objects.create(parent=sales, child=region)
    EmailAddress.objects.create(user=world.person("carol"), email="c@alias.example", verified=True)
    EmailAddress.objects.create(user=world.person("alice"), email="d@alias.example", verified=False)
    Tenant.objects.update(super_users_enabled=True)
    if state == "revoked":
        SuperUserAppointment.objects.create(
            tenant=world.contoso, user=world.person("alice"), reason="audit", appointed_by="x"
        )
    more = {"LicenseValidUntil": "2020-01-01T00:00:00Z"} if state == "expired" else {}
    bob, devices = device("bob"), {name: device(name) for name in ADDRESSES}
    for who in WHO:
        Document.objects.all().delete()
        grant = (who.format(contoso=world.contoso.id), ["VIEW", "PRINT"])
        license = bob.protect_for(grant, **more)["SerializedPublishingLicense"]
        if state == "revoked":
            revoke(the_document(), actor=world.person("bob"), reason="")
        if state == "overridden":
            wanted = [("carol@contoso.example", ""), ("group:Region", "VIEW"), (ADDRESSES["dave"], "Viewer")]
            change_access(the_document(), wanted, actor=world.person("bob"))
        able = {name for name, address in ADDRESSES.items() if agrees(devices[name], license, address)}
        mine = {user.email.partition("@")[0] for user in openers(case_of_document(the_document()))}
        assert mine == able & {"alice", "bob", "carol"}, who


def agrees(device: Any, license: str, address: str) -> bool:
    """Compares what the endpoint and the question say about one person; whether they get in."""
    told, found = device.open(license), answer(address)
    granted = told["AccessStatus"] == "AccessGranted"
    assert told["AccessStatus"] == OUTCOMES.get(found.outcome, "AccessDenied"), (address, found)
    assert not granted or list(found.rights) == told["Rights"]
    lets_in = [reason for reason in found.reasons if reason.grant is None or reason.grant.rights]
    assert bool(lets_in) is bool(found.rights)
    return granted


def test_reasons(world: World, device: DeviceFor) -> None:
    sales = Group.objects.get(name="Sales")
    emea = Group.objects.create(tenant=world.contoso, name="EMEA")
    GroupMember.objects.filter(group=sales).update(group=emea)
    GroupNesting.objects.create(parent=sales, child=emea)
    device("bob").protect_for(
        ("group:Sales", ["VIEW"]), ("@contoso.example", ["PRINT"]), (f"tenant:{world.fabrikam.id}", ["VIEW"])
    )
    reasons = {reason.kind: reason.way for reason in answer("carol@contoso.example").reasons}
    assert reasons == {"group": ("Sales", "EMEA"), "domain": ("carol@contoso.example",)}
    assert [reason.kind for reason in answer("bob@contoso.example").reasons] == ["issuer", "owner", "domain"]
    # Of people outside nothing is found out: not whether they exist, nor where they belong.
    for outsider in ("dave@fabrikam.example", "nobody@fabrikam.example"):
        found = answer(outsider)
        assert (found.outcome, found.name, found.may_belong, found.is_member) == ("denied", "", True, False)
    with pytest.raises(ChangeRefusedError):
        answer("carol")
    Tenant.objects.filter(id=world.contoso.id).update(state="inactive")
    assert answer("carol@contoso.example").outcome == "inactive"


def test_gain_and_lose(world: World) -> None:
    def case(*principals: str) -> Any:
        policy = Policy(tuple(Grant(each, ("VIEW",)) for each in principals), None, None)
        return Case(world.contoso, policy, timezone.now())

    sales = Group.objects.get(name="Sales")
    gaining, losing = difference(case("members"), case(f"group:{sales.id}", "dave@fabrikam.example"))
    assert ({p.email for p in gaining}, {p.email for p in losing}) == (
        set(),
        {"alice@contoso.example", "bob@contoso.example"},
    )
    gaining, losing = difference(case("alice@contoso.example"), case("bob@contoso.example"))
    assert [p.email for p in gaining] == ["bob@contoso.example"]
    assert [p.email for p in losing] == ["alice@contoso.example"]
    policy = case("alice@contoso.example", "dave@fabrikam.example", "@partner.example", "members").policy
    assert [g.principal for g in outside(policy, world.contoso)] == [
        "dave@fabrikam.example",
        "@partner.example",
    ]


def test_over_the_api(world: World, device: DeviceFor) -> None:
    bob, alice, carol = device("bob"), device("alice"), device("carol")
    published = bob.protect_for(("group:Sales", ["VIEW"]), ("dave@fabrikam.example", ["VIEW"]))
    path = f"/api/v1/documents/{published['ContentId'].strip('{}')}/what-if/"
    listed = alice.get(path).json()
    assert (listed["count"], [row["person"] for row in listed["results"]]) == (
        2,
        ["bob@contoso.example", "carol@contoso.example"],
    )
    assert [each["principal"] for each in listed["outside"]] == ["dave@fabrikam.example"]
    # Whoever protected it may ask, but learns neither the list of people nor who is in which group.
    own = bob.get(path).json()
    assert (own["count"], own["results"]) == (2, [])
    asked = bob.get(f"{path}?person=carol@contoso.example").json()
    assert (asked["outcome"], asked["rights"], asked["reasons"][0]["way"]) == ("granted", ["VIEW"], [])
    assert alice.get(f"{path}?person=carol@contoso.example").json()["reasons"][0]["way"] == ["Sales"]
    assert carol.get(path).status_code == 404
    template = PolicyTemplate.objects.for_tenant(world.contoso).first()
    assert template
    path = f"/api/v1/templates/{template.id}/what-if/"
    assert alice.get(path).json()["count"] == 3
    assert alice.get(f"{path}?person=dave@fabrikam.example").json()["outcome"] == "denied"
    assert (bob.get(path).status_code, device("mallory").get(path).status_code) == (403, 404)
    assert alice.get(f"{path}?of=draft").status_code == 409  # there is none
    content = content_of(template)
    assert content is not None
    grants = (Grant("carol@contoso.example", ("VIEW",)),)
    save_draft(template, replace(content, grants=grants), actor=Actor.of(world.person("alice")))
    draft = alice.get(f"{path}?of=draft&list=losing").json()
    assert (draft["count"], draft["gaining"], draft["losing"]) == (1, 0, 2)
    assert [row["person"] for row in draft["results"]] == ["alice@contoso.example", "bob@contoso.example"]
    assert alice.get(f"{path}?of=draft&person=bob@contoso.example").json()["outcome"] == "denied"
    assert alice.get(f"{path}?person=bob@contoso.example").json()["outcome"] == "granted"
