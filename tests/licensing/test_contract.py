"""The shapes of protocol.md 1.1 to 1.6, including what crashes existing clients when it is otherwise."""

import base64
import io
import json
import re
from collections.abc import Callable
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.db import DatabaseError, connection
from django.test import Client

from audit.models import ClientLog, UsageEvent
from licensing.gate import MAX_BODY
from tenants.freshness import forget_facts
from tenants.models import Tenant
from tests.conftest import Device, World, make_token

pytestmark = pytest.mark.django_db
GUID = re.compile(r"\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ENDPOINTS = [
    ("get", "servicediscovery?email=bob@contoso.example"),
    ("get", "templates"),
    ("post", "publishinglicenses"),
    ("post", "enduserlicenses"),
    ("post", "clientlogs/debug"),
    ("post", "clientlogs/performance"),
]


def check_error(response: Any, status: int, code: str) -> None:
    assert response.status_code == status, response.content
    body = response.json()
    assert body["Code"] == f"Microsoft.RightsManagement.Exceptions.{code}"
    assert body["Message"]


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_anonymous_call_is_challenged_and_not_logged(
    world: World, version: str, method: str, path: str
) -> None:
    client, url = Client(), f"/my/{version}/{path}"
    headers = {
        "x-ms-rms-slc-key": "AAAA",
        "x-ms-rms-service-url": "https://elsewhere.example/_wmcs/licensing",
    }
    body = {"data": b"x" * 100_000, "content_type": "application/json"} if method == "post" else {}
    response = getattr(client, method)(url, headers=headers, **body)
    assert response.status_code == 401
    challenge = response.headers["WWW-Authenticate"]
    parameters = dict(part.strip().split("=", 1) for part in challenge.removeprefix("Bearer ").split(","))
    authorization = parameters["authorization"].strip('"')
    assert authorization.endswith("/identity/o/authorize")
    assert "=" not in authorization and "," not in authorization
    assert {"realm", "resource"} <= parameters.keys()
    assert UsageEvent.objects.count() == 0


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 5000, "ümlaut"])
def test_wrong_token_is_challenged_again(world: World, token: str) -> None:
    response = Client().get("/my/v2/templates", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer authorization=")


def test_token_without_the_licensing_scope_is_refused(world: World) -> None:
    token = make_token(world.person("bob"), scopes=("openid", "admin"))
    assert Client().get("/my/v2/templates", HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 401


def test_suspended_person_is_refused(world: World, device: Callable[[str], Device]) -> None:
    bob = device("bob")
    type(bob.person).objects.filter(id=bob.person.id).update(is_active=False)
    assert bob.get("/my/v2/templates").status_code == 401


def test_who_runs_the_service_learns_why_a_key_cannot_be_used(
    world: World, device: Callable[[str], Device], settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bob = device("bob")
    published = bob.protect_for(("members", ["VIEW"]))
    content_id = published["ContentId"].strip("{}")
    asked = {"SerializedPublishingLicense": published["SerializedPublishingLicense"]}
    settings.KEY_ENCRYPTION_KEY = "another key-encryption key than before"
    forget_facts()
    seal = {**asked, "Root": "0" * 64, "Length": 1}
    policy = {"UserRights": [{"Users": ["members"], "Rights": ["VIEW"]}]}
    for path, body, status in (
        ("/my/v2/enduserlicenses", asked, 500),
        ("/my/v2/publishinglicenses", {"Policy": policy}, 500),
        (f"/api/v1/documents/{content_id}/seal/", seal, 503),
    ):
        caplog.clear()
        answer = bob.post(path, body)
        assert answer.status_code == status
        assert "right key-encryption key" in caplog.text
        assert "encryption" not in answer.content.decode()


def test_templates_in_the_readers_language(world: World, device: Callable[[str], Device]) -> None:
    english = device("bob").get("/my/v2/templates").json()
    german = device("bob").get("/my/v2/templates", accept_language="de-AT,de;q=0.8").json()
    assert [row["Name"] for row in english] == ["Contoso - Confidential View Only", "Contoso - Confidential"]
    assert [row["Id"] for row in english] == [row["Id"] for row in german]
    for row in english + german:
        assert row.keys() == {"Id", "Name", "Description"}
        assert GUID.fullmatch(row["Id"]) and row["Name"] and row["Description"]


def test_outsiders_see_no_templates_and_cannot_protect(world: World, device: Callable[[str], Device]) -> None:
    erin = device("erin")
    check_error(erin.get("/my/v2/templates"), 400, "NotSignedUpException")
    check_error(erin.post("/my/v2/publishinglicenses", by_role()), 400, "NotSignedUpException")


def by_role(**policy: Any) -> dict[str, Any]:
    return {
        "PreferDeprecatedAlgorithms": False,
        "AllowAuditedExtraction": True,
        "Policy": {
            "UserRoles": [{"Users": ["dave@fabrikam.example"], "Roles": ["REVIEWER"]}],
            "allowOfflineAccess": True,
            **policy,
        },
    }


def with_everything() -> dict[str, Any]:
    """A request that uses what there is."""
    body = by_role(
        Descriptors=[{"Name": "Plan; 2027", "Description": "For Dave", "Language": "C"}],
        IntervalTimeInDays=7,
        LicenseValidUntil="2099-01-01T00:00:00Z",
        EncryptedApplicationData={"a": " b "},
    )
    return {
        **body,
        "ReferralInfo": "mailto:bob@contoso.example",
        "SignedApplicationData": {"k": "v\nw"},
        "Unknown": 1,
    }


def test_publish_reply(world: World, device: Callable[[str], Device]) -> None:
    answer = device("bob").publish(with_everything())
    assert answer.keys() == {
        "SerializedPublishingLicense", "Id", "Name", "Description", "Owner", "Referrer", "ContentId", "Key",
        "SignedApplicationData", "EncryptedApplicationData",
    }  # fmt: skip
    assert GUID.fullmatch(answer["ContentId"]) and GUID.fullmatch(answer["Id"])
    assert answer["Key"]["Algorithm"] == "AES" and answer["Key"]["CipherMode"] == "MICROSOFT.CBC4K"
    assert answer["Key"]["Size"] == 256 and len(base64.b64decode(answer["Key"]["Value"])) == 32
    assert answer["Owner"] == "bob@contoso.example" and answer["Referrer"] == "mailto:bob@contoso.example"
    license = base64.b64decode(answer["SerializedPublishingLicense"], validate=True)
    assert license.startswith(b"\xef\xbb\xbf<?xml")
    assert b"dave" not in license  # the grants are nobody's business but the service's


def test_use_reply(world: World, device: Callable[[str], Device]) -> None:
    answer = device("bob").publish(with_everything())
    granted = device("dave").open(answer["SerializedPublishingLicense"])
    assert granted["AccessStatus"] == "AccessGranted" and granted["FromTemplate"] is False
    assert granted["Rights"] == [
        "VIEW",
        "VIEWRIGHTSDATA",
        "REPLY",
        "REPLYALL",
        "OBJMODEL",
        "EDIT",
        "DOCEDIT",
        "FORWARD",
    ]
    assert granted["Roles"] == [] and granted["IssuedTo"] == "dave@fabrikam.example"
    assert granted["ContentValidUntil"] == "2099-01-01T00:00:00Z" and TIME.fullmatch(
        granted["LicenseValidUntil"]
    )
    assert granted["allowOfflineAccess"] is True
    assert granted["Policy"] == {
        "AllowAuditedExtraction": True,
        "IntervalTimeInDays": 7,
        "UserRights": [{"Users": ["dave@fabrikam.example"], "Rights": granted["Rights"]}],
        "UserRoles": [],
    }
    assert granted["SignedApplicationData"] == {"k": "v\nw"} and granted["EncryptedApplicationData"] == {
        "a": " b "
    }


def test_short_key_when_old_algorithms_are_preferred(world: World, device: Callable[[str], Device]) -> None:
    answer = device("bob").publish({**by_role(), "PreferDeprecatedAlgorithms": True})
    assert answer["Key"]["Size"] == 128
    assert device("dave").open(answer["SerializedPublishingLicense"])["Key"] == answer["Key"]


def test_no_offline_access(world: World, device: Callable[[str], Device]) -> None:
    license = device("bob").publish(by_role(allowOfflineAccess=False))["SerializedPublishingLicense"]
    granted = device("dave").open(license)
    assert granted["allowOfflineAccess"] is False
    assert granted["Policy"]["IntervalTimeInDays"] == 0
    assert device("bob").open(license)["allowOfflineAccess"] is True  # the issuer has no offline limit


POLICY = by_role()["Policy"]
BAD_BODIES: list[Any] = [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b'"x"', b"1" * 5000, {},
    {"TemplateId": "nonsense"},
    {"TemplateId": "{00000000-0000-0000-0000-000000000000}"},
    {"TemplateId": 7},
    {"Policy": []},
    {"Policy": {}},
    {"Policy": {"UserRights": []}},
    {"Policy": {"UserRights": [{}]}},
    {"Policy": {"UserRights": [{"Users": "bob", "Rights": ["VIEW"]}]}},
    {"Policy": {"UserRights": [{"Users": ["nobody"], "Rights": ["VIEW"]}]}},
    {"Policy": {"UserRights": [{"Users": ["group:none"], "Rights": ["VIEW"]}]}},
    {"Policy": {"UserRights": [{"Users": ["tenant:00000000-0000-0000-0000-000000000000"], "Rights": ["VIEW"]}]}},
    {"Policy": {"UserRights": [{"Users": ["@"], "Rights": ["VIEW"]}]}},
    {"Policy": {"UserRights": [{"Users": ["a@b.example"], "Rights": ["\x01"]}]}},
    {"Policy": {"UserRights": [{"Users": ["a@b.example"], "Rights": ["\ud800"]}]}},
    {"Policy": {"UserRoles": [{"Users": ["a@b.example"], "Roles": ["KING"]}]}},
    {"Policy": {**POLICY, "LicenseValidUntil": "tomorrow"}},
    {"Policy": {**POLICY, "IntervalTimeInDays": 10**30}},
    {"Policy": {**POLICY, "Descriptors": [{"Name": "bell \x07"}]}},
    {"Policy": POLICY, "TemplateId": "{00000000-0000-0000-0000-000000000000}"},
    {"Policy": POLICY, "ReferralInfo": "javascript:alert(1)"},
    {"Policy": POLICY, "Owner": "carol@contoso.example"},
    {"Policy": POLICY, "SignedApplicationData": {"x": "\ud800"}},
    {"Policy": POLICY, "SignedApplicationData": {"Encrypted-Rights-Data": "x"}},
    {"Policy": POLICY, "FileName": "nul\x00.txt"},
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: str(body)[:60])
def test_bad_publish_requests(world: World, device: Callable[[str], Device], body: Any) -> None:
    check_error(device("bob").post("/my/v2/publishinglicenses", body), 400, "BadInputException")
    assert UsageEvent.objects.get().result == "BadInputException"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", {}, {"SerializedPublishingLicense": None}, {"SerializedPublishingLicense": 1},
        {"SerializedPublishingLicense": "%%%"}, {"SerializedPublishingLicense": "AAAA"},
        {"SerializedPublishingLicense": "ü"}, {"SerializedPublishingLicense": "A" * 1_500_000},
    ],
    ids=lambda body: str(body)[:60],
)  # fmt: skip
def test_bad_use_license_requests(world: World, device: Callable[[str], Device], body: Any) -> None:
    check_error(device("bob").post("/my/v2/enduserlicenses", body), 400, "BadInputException")
    event = UsageEvent.objects.get()
    assert (event.tenant_id, event.result) == (world.contoso.id, "BadInputException")


def test_altered_license_is_logged_for_the_caller_and_not_for_the_tenant_it_names(
    world: World, device: Callable[[str], Device]
) -> None:
    license = base64.b64decode(device("bob").publish(by_role())["SerializedPublishingLicense"])
    altered = license.replace(b"bob@contoso.example", b"eve@contoso.example")
    assert altered != license
    response = device("dave").post(
        "/my/v2/enduserlicenses", {"SerializedPublishingLicense": base64.b64encode(altered).decode()}
    )
    check_error(response, 400, "BadInputException")
    assert UsageEvent.objects.order_by("-id")[0].tenant_id == world.fabrikam.id


@pytest.mark.parametrize("kind", ["debug", "performance"])
def test_client_logs(world: World, device: Callable[[str], Device], kind: str) -> None:
    response = device("bob").post(f"/my/v1/clientlogs/{kind}", b"line\x00 \xff" + b"x" * 2_000_000)
    assert (response.status_code, response.json()) == (200, {})
    stored = ClientLog.objects.get()
    assert stored.kind == kind and stored.tenant_id == world.contoso.id and len(stored.body) <= 1024 * 1024
    assert UsageEvent.objects.count() == 1


@pytest.mark.parametrize("token", [True, False])
def test_oversized_body_is_read_to_the_end(
    world: World, device: Callable[[str], Device], token: bool
) -> None:
    bob = device("bob" if token else "")
    payload = io.BytesIO(b" " * (MAX_BODY + 1))
    request = bob.client.generic(
        "POST", "/my/v2/publishinglicenses", payload.getvalue(), headers=bob._headers({})
    )
    if token:
        check_error(request, 400, "BadInputException")
    else:
        assert request.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/my/v2/nothing", 404), ("get", "/my/v3/templates", 404), ("get", "/my/", 404), ("get", "/my/v2/templates/", 404),
        ("post", "/my/v2/templates", 400), ("get", "/my/v2/publishinglicenses", 400), ("delete", "/my/v2/enduserlicenses", 400),
        ("options", "/my/v2/templates", 400), ("put", "/my/v2/enduserlicenses", 400),
    ],
)  # fmt: skip
def test_wrong_method_or_path_has_the_envelope(
    world: World, device: Callable[[str], Device], method: str, path: str, status: int
) -> None:
    bob = device("bob")
    response = getattr(bob.client, method)(path, headers=bob._headers({}))
    assert response.status_code == status
    assert response.json().keys() == {"Code", "Message"}


def test_refusals_of_the_framework_have_the_envelope(world: World, device: Callable[[str], Device]) -> None:
    bob = device("bob")
    response = bob.get("/my/v2/templates", host="evil.example")
    check_error(response, 400, "BadInputException")


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_database_down(world: World, device: Callable[[str], Device], method: str, path: str) -> None:
    bob = device("bob")
    bob.get("/my/v2/templates")  # the token is known now
    UsageEvent.objects.all()._raw_delete(connection.alias)

    def broken(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("connection refused")

    with mock.patch("django.db.backends.utils.CursorWrapper.execute", broken):
        response = bob.get(f"/my/v2/{path}") if method == "get" else bob.post(f"/my/v2/{path}", by_role())
    check_error(response, 500 if "enduser" not in path else response.status_code, "ServerFaultException")
    assert "connection refused" not in response.content.decode()


def test_request_id_and_platform_are_recorded(world: World, device: Callable[[str], Device]) -> None:
    scenario, correlation = UUID(int=1), UUID(int=2)
    device("bob").get(
        "/my/v2/templates",
        x_ms_rms_request_id=f"{{{scenario}}};{{{correlation}}}",
        x_ms_rms_platform_id="AppName=rmsviewer;AppVersion=1.0;DevicePlatform=Linux;SDKVersion=4.2;",
    )
    event = UsageEvent.objects.get()
    assert event.correlation_id == str(correlation)
    assert event.c_info.startswith("AppName=rmsviewer")
    assert event.c_ip == "127.0.0.1"


def test_inactive_organization(world: World, device: Callable[[str], Device]) -> None:
    license = device("bob").publish(by_role())["SerializedPublishingLicense"]
    Tenant.objects.filter(id=world.contoso.id).update(state="inactive")
    check_error(device("bob").get("/my/v2/templates"), 400, "ServiceDisabledException")
    check_error(device("bob").post("/my/v2/publishinglicenses", by_role()), 400, "ServiceDisabledException")
    for name in ("bob", "dave", "mallory"):
        response = device(name).post("/my/v2/enduserlicenses", {"SerializedPublishingLicense": license})
        check_error(response, 400, "ServiceDisabledException")
        last = UsageEvent.objects.order_by("-id")[0]
        assert (last.tenant_id, last.result) == (world.contoso.id, "ServiceDisabledException")


def test_json_is_ascii_safe_and_typed(world: World, device: Callable[[str], Device]) -> None:
    response = device("bob").get("/my/v2/templates")
    assert response.headers["Content-Type"].startswith("application/json")
    assert json.loads(response.content)
