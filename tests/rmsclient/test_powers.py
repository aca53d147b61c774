"""`admin roles`, `super-users`, `onboarding`, `services`, `devices` against the product's own API."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from rmsclient.cli.main import run
from rmsclient.cli.output import Output
from tenants.models import RoleAssignment, ServicePrincipal
from tests.conftest import World, make_token
from tests.rmsclient.stub_server import reply_json

Command = Callable[..., tuple[int, Any]]


@pytest.fixture
def admin(live_server: LiveServer, world: World, store: Any) -> Command:
    """`admin("roles", "list")` as alice: exit code and JSON."""
    token = make_token(world.person("alice"))
    environment = {"RIGHTSKEEP_URL": live_server.url, "RIGHTSKEEP_TOKEN": token}

    def command(*arguments: str) -> tuple[int, Any]:
        stdout = io.StringIO()
        output = Output(as_json=True, stdout=stdout, stderr=io.StringIO())
        code = run(["admin", *arguments, "--json"], environment, store, output)
        return int(code), json.loads(stdout.getvalue())

    return command


def test_roles(admin: Command, world: World) -> None:
    assert admin("roles", "give", "auditor", "--person", "bob@contoso.example")[0] == 0
    assert [row["role"] for row in admin("roles", "list")[1]["roles"]] == ["global_admin", "auditor"]
    assert admin("roles", "take", "auditor", "--person", "BOB@contoso.example")[0] == 0
    code, answer = admin("roles", "take", "global_admin", "--person", "alice@contoso.example")
    assert (code, answer["error"]["code"]) == (2, "last_administrator")
    assert admin("roles", "take", "auditor", "--group", "Sales")[1]["error"]["code"] == "no_such_role"
    assert RoleAssignment.objects.for_tenant(world.contoso).count() == 1


def test_super_users(admin: Command) -> None:
    assert admin("super-users", "enable")[1]["error"]["code"] == "not_confirmed"
    assert admin("super-users", "enable", "--yes")[1]["enabled"] is True
    assert admin("super-users", "approval", "on")[1]["needs_approval"] is True
    who = ("--group", "Sales", "--reason", "Discovery", "--yes")
    made = admin("super-users", "appoint", *who)[1]
    assert made["since"] > made["asked_at"], "nobody else is there to approve"
    assert admin("super-users", "approve", made["id"])[1]["error"]["code"] == "same_person"
    assert admin("super-users", "list")[1]["super_users"] == [made]
    assert admin("super-users", "end", made["id"])[0] == 0
    assert admin("super-users", "end", made["id"])[0] == 2
    assert admin("super-users", "disable")[1]["enabled"] is False


def test_onboarding(admin: Command) -> None:
    code, answer = admin("onboarding", "set", "group", "--group", "Sales")
    assert (code, "2 people" in answer["error"]["message"]) == (2, True)
    assert admin("onboarding", "set", "group", "--group", "Sales", "--yes")[0] == 0
    assert admin("onboarding", "show")[1] == {"who": "group", "group": "Sales", "people": 1}
    assert admin("onboarding", "set", "everyone")[0] == 0


def test_services(admin: Command) -> None:
    made = admin("services", "create", "Gateway", "--protect-for-others")[1]
    assert made["client_secret"]
    assert admin("services", "create", "Gateway")[0] == 2
    listed = admin("services", "list")[1]["services"]
    assert listed[0]["scopes"] == ["licensing", "protect-for-others"]
    assert admin("services", "rotate", "Gateway", "--yes")[1]["client_secret"] != made["client_secret"]
    assert admin("services", "delete", "Gateway", "--yes")[0] == 0
    assert not ServicePrincipal.objects.exists()


def test_devices(admin: Command, world: World) -> None:
    make_token(world.person("bob"))
    listed = admin("devices", "list", "--person", "bob@contoso.example")[1]["devices"]
    assert [row["id"] for row in listed] == ["rightskeep-cli"]
    assert admin("devices", "revoke", "rightskeep-cli", "--person", "bob@contoso.example")[0] == 0
    assert admin("devices", "list", "--person", "bob@contoso.example")[1]["devices"] == []


def test_what_is_created_may_be_sent_again(server: Any, rightskeep: Any) -> None:
    """The connection breaks once and the first attempt is still running once; every attempt carries the same key."""
    made = {"id": "3f0d1f0a-0000-4000-8000-0000000000aa", "client_id": "c", "client_secret": "s"}
    running = reply_json({"code": "request_running", "message": "Wait."}, 409, **{"Retry-After": "0"})
    answers = iter([reply_json({}, 503), running, reply_json(made, 201)])
    server.routes["POST /api/v1/services/"] = lambda request: next(answers)
    assert rightskeep("admin", "services", "create", "Gateway").code == 0
    keys = {request.headers["idempotency-key"] for request in server.sent("POST /api/v1/services/")}
    assert len(server.sent("POST /api/v1/services/")) == 3 and len(keys) == 1
