"""Access changed after a document was sent, the limits on what people grant, special policies: as devices meet them."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress

from audit.models import AdminEvent
from licensing.access import change_access
from licensing.errors import BadInputError
from policies.limits import Limits, set_limits
from policies.models import PolicyTemplate
from rms.rights import ALL_RIGHTS, DO_NOT_FORWARD, ENCRYPT_ONLY
from tenants.changes import Actor, ChangeRefusedError
from tests.conftest import Device, World
from tests.licensing.test_rules import DeviceFor, opens
from tracking.models import AccessChange, Document
from tracking.overrides import history_of, undo

pytestmark = pytest.mark.django_db
DAVE = "dave@fabrikam.example"
VIEWER = ["VIEW", "VIEWRIGHTSDATA", "REPLY", "REPLYALL", "OBJMODEL"]


@pytest.fixture
def change(world: World) -> Callable[..., None]:
    """`change((who, rights), …)`: bob changes access to the one document there is."""

    def run(*wanted: tuple[str, str], by: str = "bob") -> None:
        change_access(
            Document.objects.select_related("tenant").get(), wanted, actor=world.person(by), reason="asked"
        )

    return run


def test_grant_change_withdraw_and_undo(world: World, device: DeviceFor, change: Callable[..., None]) -> None:
    license = device("bob").protect_for((DAVE, ["VIEW"]), ("group:Sales", ["VIEW", "PRINT"]))[
        "SerializedPublishingLicense"
    ]
    erin, dave, carol = device("erin"), device("dave"), device("carol")
    change(("erin@individual.example", "VIEW"), (DAVE, "Viewer"))
    assert (opens(erin, license), opens(dave, license)) == (["VIEW"], VIEWER)
    # For an address the decision is about its holder, whatever group they are in; for a group it replaces that grant.
    change(("carol@contoso.example", "VIEW"))
    assert opens(carol, license) == ["VIEW"]
    change(("carol@contoso.example", ""), (DAVE, ""))
    assert (opens(carol, license), opens(dave, license)) == ([], [])
    document = Document.objects.get()
    last = [each for each in history_of(document) if each.principal == "carol@contoso.example"]
    assert [(each.before, each.after, each.reason) for each in last] == [
        (["VIEW"], [], "asked"),
        (None, ["VIEW"], "asked"),
    ]
    undo(document, last[0].id, actor=world.person("bob"))
    assert opens(carol, license) == ["VIEW"]
    with pytest.raises(ChangeRefusedError):
        undo(document, last[0].id, actor=world.person("bob"))
    change(("group:Sales", "VIEW,EXTRACT"))
    undo(document, last[1].id, actor=world.person("bob"))
    assert opens(carol, license) == ["VIEW", "EXTRACT"]
    change(("Group:sales", ""))
    assert opens(carol, license) == []
    assert AdminEvent.objects.filter(action="ChangeAccess").count() == AccessChange.objects.count() == 9


def test_an_alias_is_no_way_around(world: World, device: DeviceFor, change: Callable[..., None]) -> None:
    license = device("bob").protect_for(("d@alias.example", ["VIEW"]), ("anyone", ["VIEW"]))[
        "SerializedPublishingLicense"
    ]
    dave = device("dave")
    EmailAddress.objects.create(user=dave.person, email="d@alias.example", verified=True)
    change((DAVE, ""))
    assert opens(dave, license) == []
    assert opens(device("erin"), license) == ["VIEW"]


def test_issuer_and_owner_keep_full_control(
    world: World, device: DeviceFor, change: Callable[..., None]
) -> None:
    license = device("alice").protect_for(("members", ["VIEW"]), Owner="carol@contoso.example")[
        "SerializedPublishingLicense"
    ]
    for who in ("alice@contoso.example", "carol@contoso.example", "owner"):
        with pytest.raises(ChangeRefusedError):
            change((who, ""))
    change(("members", ""))
    assert opens(device("bob"), license) == []
    assert opens(device("alice"), license) == opens(device("carol"), license) == list(ALL_RIGHTS)


def test_a_template_decides_for_itself(world: World, device: DeviceFor, change: Callable[..., None]) -> None:
    bob = device("bob")
    bob.publish({"TemplateId": bob.get("/my/v2/templates").json()[0]["Id"]})
    with pytest.raises(ChangeRefusedError):
        change((DAVE, "Viewer"))


def test_over_the_api(world: World, device: DeviceFor) -> None:
    bob = device("bob")
    published = bob.protect_for((DAVE, ["VIEW"]))
    path = f"/api/v1/documents/{published['ContentId'].strip('{}')}/access/"
    body = {
        "changes": [{"who": "erin@individual.example", "rights": "Do Not Forward"}],
        "reason": "asked for it",
    }
    answer = bob.post(path, body).json()
    assert answer["decided"] == [{"principal": "erin@individual.example", "rights": list(DO_NOT_FORWARD)}]
    assert opens(device("erin"), published["SerializedPublishingLicense"]) == list(DO_NOT_FORWARD)
    (change,) = answer["history"]
    assert bob.post(path, {"changes": [{"who": "nobody", "rights": "Viewer"}]}).status_code == 400
    for stranger in ("carol", "mallory", "erin"):
        for address, sent in ((path, body), (f"{path}{change['id']}/undo/", {})):
            assert device(stranger).post(address, sent).status_code in (403, 404)
    undone = bob.post(f"{path}{change['id']}/undo/", {}).json()
    assert (undone["decided"], len(undone["history"])) == ([], 2)
    assert bob.post(f"{path}{uuid.uuid4()}/undo/", {}).status_code == 404


@pytest.mark.parametrize(
    ("limits", "refused", "allowed"),
    [
        (Limits(own_permissions=False), [DAVE, "members"], []),
        (
            Limits(outsiders=False, anyone=False),
            [DAVE, "@fabrikam.example", "anyone", "tenant:{fabrikam}"],
            ["members", "group:Sales", "new@contoso.example", "@contoso.example", "c@alias.example", "tenant:{contoso}"],
        ),
        (Limits(anyone=False), ["anyone"], [DAVE, "members"]),
    ],
)  # fmt: skip
def test_limits(
    world: World, device: DeviceFor, limits: Limits, refused: list[str], allowed: list[str]
) -> None:
    bob = device("bob")
    EmailAddress.objects.create(user=world.person("carol"), email="c@alias.example", verified=True)
    license = bob.protect_for((DAVE, ["VIEW"]))["SerializedPublishingLicense"]
    document = Document.objects.select_related("tenant").get()
    set_limits(world.contoso, limits, actor=Actor.of(world.person("alice")))
    ids = {"contoso": world.contoso.id, "fabrikam": world.fabrikam.id}
    for who in (each.format(**ids) for each in refused):
        answer = ask_for(bob, who)
        assert answer.status_code == 400 and "Contoso" in answer.json()["Message"]
        with pytest.raises((ChangeRefusedError, BadInputError)):
            change_access(document, [(who, "Viewer")], actor=world.person("bob"))
    for who in (each.format(**ids) for each in allowed):
        assert ask_for(bob, who).status_code == 200, who
    assert opens(device("dave"), license) == ["VIEW"]  # what is protected keeps opening
    change_access(document, [(DAVE, "")], actor=world.person("bob"))  # taking away is never limited
    assert ask_for(device("dave"), "anyone").status_code == 200  # another organization has its own limits


def ask_for(device: Device, who: str) -> Any:
    policy = {"UserRights": [{"Users": [who], "Rights": ["VIEW"]}], "allowOfflineAccess": True}
    return device.post("/my/v2/publishinglicenses", {"Policy": policy})


def test_limits_over_the_api(world: World, device: DeviceFor) -> None:
    alice, path = device("alice"), "/api/v1/organization/limits/"
    patch = lambda who, body: who.client.patch(  # noqa: E731
        path, body, content_type="application/json", headers={"Authorization": f"Bearer {who.token}"}
    )
    assert patch(alice, {"outsiders": False}).status_code == 409  # anybody is an outsider
    assert patch(alice, {"outsiders": False, "anyone": False}).json()["outsiders"] is False
    assert patch(device("bob"), {"outsiders": True}).status_code == 403
    theirs = PolicyTemplate.objects.for_tenant(world.fabrikam).first()
    assert theirs and patch(alice, {"default_template": str(theirs.id)}).status_code == 409
    assert AdminEvent.objects.filter(action="ChangeProtectionLimits").count() == 1


def test_default_template_comes_first_and_is_used_by_who_names_none(world: World, device: DeviceFor) -> None:
    bob = device("bob")
    assert bob.post("/my/v2/publishinglicenses", {}).status_code == 400
    second = bob.get("/my/v2/templates").json()[1]
    wanted = Limits(default_template_id=uuid.UUID(second["Id"]))
    set_limits(world.contoso, wanted, actor=Actor.of(world.person("alice")))
    assert bob.get("/my/v2/templates").json()[0] == second
    assert bob.publish({"FileName": "a.txt"})["Id"] == second["Id"]
    PolicyTemplate.objects.filter(id=uuid.UUID(second["Id"])).update(state="archived")
    assert bob.post("/my/v2/publishinglicenses", {}).status_code == 400


@pytest.mark.parametrize(
    ("role", "rights", "names"),
    [
        ("DONOTFORWARD", DO_NOT_FORWARD, ("Do Not Forward", "Nicht weiterleiten")),
        ("EncryptOnly", ENCRYPT_ONLY, ("Encrypt-Only", "Nur verschlüsseln")),
    ],
)
def test_special_policies(
    world: World, device: DeviceFor, role: str, rights: tuple[str, ...], names: tuple[str, str]
) -> None:
    roles = [{"Users": [DAVE, "erin@individual.example"], "Roles": [role]}]
    body = {"Policy": {"UserRoles": roles, "allowOfflineAccess": True}}
    published = device("bob").publish(body)
    assert published["Name"] == Document.objects.get().name == names[0]
    dave = device("dave")
    assert opens(dave, published["SerializedPublishingLicense"]) == list(rights)
    answer = dave.post(
        "/my/v2/enduserlicenses",
        {"SerializedPublishingLicense": published["SerializedPublishingLicense"]},
        Accept_Language="de",
    )
    assert answer.json()["Name"] == names[1]
