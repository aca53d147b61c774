"""The schema of the admin API is true: what it says of answers, refusals and pages is what is sent, route by route."""

import datetime as dt
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from administration.devices import create_service
from tenants.models import IdentityProvider, Tenant
from tests.conftest import Device, World, make_token
from tests.isolation.test_matrix import samples
from tracking.models import Document

pytestmark = pytest.mark.django_db
CHANGES = ("post", "put", "patch", "delete")
FORMATS = FormatChecker(["uuid", "date", "email"])
Schema = dict[str, Any]


@FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or dt.datetime.fromisoformat(value).tzinfo is not None


# What operations take, so that something comes of it; a new one without a line here fails, or needs no body.
GOOD = {
    "patch organization/": {"name": "Contoso Ltd."},
    "put organization/second-factor/": {"second_factor": "optional"},
    "post organization/removal/": {"name": "Contoso", "reason": "Moved"},
    "patch organization/limits/": {"anyone": True},
    "post templates/": {"names": [{"language": "en", "name": "Plain"}]},
    "put templates/{template_id}/": {"names": [{"language": "en", "name": "Plain"}]},
    "post templates/{template_id}/move/": {"position": 0},
    "post documents/{content_id}/access/": {
        "changes": [{"who": "dave@fabrikam.example", "rights": "VIEWER"}]
    },
    "post domains/": {"domain": "more.example"},
    "post people/": {"email": "next@contoso.example"},
    "post people/import/": {"csv": "email,name\nkim@contoso.example,Kim\n"},
    "patch people/{person_id}/": {"name": "Robert", "suspended": True},
    "post people/{person_id}/addresses/": {"email": "robert@contoso.example"},
    "delete people/{person_id}/addresses/": {"email": "nowhere@contoso.example"},
    "post people/{person_id}/merge/": {"other": "$CAROL", "dry_run": True},
    "post groups/": {"name": "Legal"},
    "patch groups/{group_id}/": {"name": "Legal"},
    "post groups/{group_id}/members/": {"person": "$BOB"},
    "delete groups/{group_id}/members/": {"person": "$BOB"},
    "post roles/": {"role": "auditor", "person": "bob@contoso.example"},
    "post super-users/": {"person": "bob@contoso.example", "reason": "Audit"},
    "patch super-users/feature/": {"enabled": True},
    "put keys/exports/waiting/": {"hours": 48},
    "post keys/incidents/": {"kind": "weak", "reason": "RSA 2048 is broken"},
    "put keys/place/": {"place": "software"},
    "put onboarding/": {"who": "group", "group": "Sales"},
    "post services/": {"name": "Indexer"},
    "patch identity-provider/": {"use": "optional"},
    "post scim-tokens/": {"name": "Okta"},
}
# Needs a person of no organization, a license, a server of others, a day that is over, an archive, a file, a wrapped key, a
# disabled key, a destruction that was asked for.
NOT_SO_EASILY = (
    "/api/v1/keys/exports/",
    "/api/v1/keys/exports/{export_id}/package/",
    "/api/v1/keys/import-key/",
    "/api/v1/keys/{key_id}/certificate/",
    "/api/v1/keys/{key_id}/destroy/",
    "/api/v1/keys/{key_id}/destroy/approve/",
    "/api/v1/keys/import/",
    "/api/v1/keys/import-package/",
    "/api/v1/keys/{id}/restore/",
    "/api/v1/organization/",
    "/api/v1/documents/{content_id}/reseal/",
    "/api/v1/documents/{content_id}/seal/",
    "/api/v1/identity-provider/",
    "/api/v1/logs/usage/{day}/proof/",
    "/api/v1/templates/import/",
    "/api/v1/organization/export/file/",
)


class Description:
    """What the service says of itself, as strictly as it can be read: members it does not name must not be sent."""

    def __init__(self, document: Schema) -> None:
        self.paths: dict[str, Schema] = document["paths"]
        strict = _strict(document)
        self._registry = Registry().with_resource("urn:api", DRAFT202012.create_resource(strict))

    def operations(self, *methods: str) -> Iterator[tuple[str, str]]:
        for path, methods_of_path in self.paths.items():
            for method in methods:
                if method in methods_of_path and path != "/api/v1/schema/":
                    yield path, method

    def faults(self, path: str, method: str, answer: Any) -> list[str]:
        """What is not as described in an answer."""
        responses = self.paths[path][method]["responses"]
        status = str(answer.status_code) if str(answer.status_code) in responses else "default"
        content = responses[status].get("content")
        if content is None:
            return [] if _body(answer) == b"" else [f"{method} {path}: a body where none is described"]
        kind = answer.headers["Content-Type"].partition(";")[0]
        if kind not in content:
            return [f"{method} {path}: {kind}, described as {', '.join(content)}"]
        if kind != "application/json":
            return []
        pointer = "/".join(
            part.replace("~", "~0").replace("/", "~1")
            for part in (
                "urn:api#", "paths", path, method, "responses", status, "content", kind, "schema",
            )
        )  # fmt: skip
        validator = Draft202012Validator({"$ref": pointer}, registry=self._registry, format_checker=FORMATS)
        found = validator.iter_errors(json.loads(_body(answer)))
        return [
            f"{method} {path} {answer.status_code} {list(one.path)}: {one.message[:200]}" for one in found
        ]


def _strict(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` as JSON Schema has it, and objects closed to members that are not named."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _strict(value) for name, value in schema.items() if name != "nullable"}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") is True else made


def _named(body: str, world: World) -> str:
    for name in ("bob", "carol"):
        body = body.replace(f"${name.upper()}", str(world.person(name).id))
    return body


def _body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


@pytest.fixture
def description(world: World) -> Description:
    answer = Client().get("/api/v1/schema/?format=json")
    return Description(answer.json())


@pytest.fixture
def fill(world: World, device: Callable[[str], Device]) -> Callable[[str], str]:
    """An organization in which every list holds something; `fill(path)` names one of its objects."""
    license = device("bob").protect_for(("dave@fabrikam.example", ["VIEW"]), FileName="plan.pdf")
    device("dave").open(license["SerializedPublishingLicense"])
    device("erin").open(license["SerializedPublishingLicense"])
    IdentityProvider.objects.create(tenant=world.contoso, kind="saml", name="Login", settings=SAML)
    values = {name: make("") for name, make in samples(world, Document.objects.get()).items()}
    values |= {"program": "rightskeep-cli", "id": values["pk"]}
    create_service(world.contoso, "Backup", {"licensing", "protect-for-others"}, actor="operator")

    def path(template: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda name: str(values[name[1]]), template)

    return path


SAML = {
    "entity_id": "https://login.example/", "sso_url": "https://login.example/sso", "metadata_url": "",
    "certificates": [
        {"base64": "", "subject": "CN=login", "fingerprint": "0" * 64, "not_after": "2030-01-01T00:00:00+00:00"}
    ],
}  # fmt: skip


def call(world: World, name: str, method: str, path: str, body: str = "{}") -> Any:
    headers = {"Authorization": f"Bearer {make_token(world.person(name))}"} if name else {}
    sent = {} if method == "get" else {"data": body, "content_type": "application/json"}
    return getattr(Client(raise_request_exception=False), method)(path, headers=headers, **sent)


def test_what_is_read_is_as_described(
    world: World, description: Description, fill: Callable[[str], str]
) -> None:
    faults = []
    for path, method in description.operations("get"):
        for name in ("alice", "bob", "erin", ""):
            answer = call(world, name, method, fill(path))
            faults += description.faults(path, method, answer)
            if name == "alice" and path not in NOT_SO_EASILY:
                assert answer.status_code == 200, f"{path}: {_body(answer)!r}"
                rows = answer.json() if answer.headers["Content-Type"] == "application/json" else "text"
                assert rows.get("results", "one") if isinstance(rows, dict) else rows, f"{path} is empty"
        unknown = re.sub(r"\{\w+\}", str(uuid.uuid4()), path)
        faults += description.faults(path, method, call(world, "alice", method, unknown))
        faults += description.faults(
            path, method, call(world, "alice", method, f"{fill(path)}?cursor=x&from=x&state=x")
        )
        if "what-if" in path:
            answer = call(world, "alice", method, f"{fill(path)}?person=dave@fabrikam.example")
            faults += description.faults(path, method, answer)
    assert not faults, "\n".join(faults)


def test_nothing_of_it_is_guessed() -> None:
    """The generator warns where it cannot tell a shape or a name, and then makes one up."""
    call_command("spectacular", "--fail-on-warn", "--validate", "--file", os.devnull)


def test_pages_follow_each_other_as_described(
    world: World, description: Description, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rest_framework.pagination.CursorPagination.page_size", 1)
    first = call(world, "alice", "get", "/api/v1/people/")
    second = call(world, "alice", "get", first.json()["next"])
    assert [len(page.json()["results"]) for page in (first, second)] == [1, 1]
    for page in (first, second):
        assert description.faults("/api/v1/people/", "get", page) == []


def test_what_changes_something_answers_as_described(
    world: World, description: Description, fill: Callable[[str], str]
) -> None:
    """Every operation with what it wants, with nothing, and with rubbish: never otherwise than described."""
    faults = []

    def ask(name: str, method: str, path: str, body: str) -> int:
        with transaction.atomic():
            answer = call(world, name, method, fill(path), body)
            transaction.set_rollback(True)
        faults.extend(description.faults(path, method, answer))
        assert answer.status_code < 500, f"{method} {path}: {_body(answer)!r}"
        return int(answer.status_code)

    for path, method in description.operations(*CHANGES):
        for name, body in (("alice", "[]"), ("alice", "{"), ("bob", "{}"), ("", "{}")):
            ask(name, method, path, body)
        good = GOOD.get(f"{method} {path.removeprefix('/api/v1/')}", {})
        status = ask("alice", method, path, _named(json.dumps(good), world))
        assert good or status != 400 or path in NOT_SO_EASILY, f"{method} {path}"
        assert not good or status < 300, f"{method} {path} {status}"
    assert not faults, "\n".join(faults)
    assert Tenant.objects.get(id=world.contoso.id).is_active
