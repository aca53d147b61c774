"""`grant`, `withdraw`, `access`, `admin … what-if`, `admin limits` against the product's own API."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from policies.limits import limits_of
from rmsclient.cli.main import run
from rmsclient.cli.output import Output
from tests.conftest import Device, World, make_token

Command = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def command(live_server: LiveServer, world: World, store: Any) -> Command:
    """`command("alice", "access", …)`: exit code, JSON, and the text for people."""

    def as_person(name: str, *arguments: str) -> tuple[int, Any, str]:
        environment = {"RIGHTSKEEP_URL": live_server.url, "RIGHTSKEEP_TOKEN": make_token(world.person(name))}
        spoken = []
        for as_json in (False, True) if arguments[0] not in ("grant", "withdraw") else (True,):
            stdout = io.StringIO()
            output = Output(as_json=as_json, stdout=stdout, stderr=io.StringIO())
            code = run([*arguments, *(["--json"] if as_json else [])], environment, store, output)
            spoken.append(stdout.getvalue())
        return int(code), json.loads(spoken[-1]), spoken[0]

    return as_person


def test_access_is_given_and_taken(command: Command, device: Callable[[str], Device]) -> None:
    document = device("bob").protect_for(("group:Sales", ["VIEW"]))["ContentId"]
    code, answer, _ = command(
        "bob", "grant", document, "erin@individual.example=Encrypt-Only", "--reason", "new"
    )
    assert code == 0 and answer["history"][0]["reason"] == "new"
    assert command("bob", "withdraw", document, "carol@contoso.example")[0] == 2  # asks first
    assert command("bob", "withdraw", document, "carol@contoso.example", "--yes")[0] == 0
    code, answer, text = command("bob", "access", document)
    assert "Encrypt-Only" in text and "nothing" in text
    assert command("alice", "admin", "documents", "what-if", document, "--person", "carol@contoso.example")[
        2
    ] == ("carol@contoso.example has no access.\n- decided afterwards for carol@contoso.example: nothing\n")
    assert command("bob", "access", document, "--undo", answer["history"][0]["id"])[0] == 2  # the second time
    _code, answer, text = command("alice", "admin", "documents", "what-if", document)
    assert answer["count"] == 2 and "Outside: erin@individual.example: Encrypt-Only" in text
    assert command("carol", "grant", document, "carol@contoso.example=Viewer")[0] != 0


def test_templates_and_limits(command: Command, world: World) -> None:
    name = "Contoso - Confidential"
    _code, answer, text = command(
        "alice", "admin", "templates", "what-if", name, "--person", "bob@contoso.example"
    )
    assert answer["outcome"] == "granted" and "belongs to the organization: Co-Author" in text
    code, answer, _ = command(
        "alice", "admin", "limits", "set", "--outsiders", "no", "--anyone", "no", "--default-template", name
    )
    assert code == 0 and answer["default_template"] == str(limits_of(world.contoso).default_template_id)
    assert command("alice", "admin", "limits", "set", "--default-template", "none")[1]["outsiders"] is False
    assert command("alice", "admin", "limits", "show")[1]["default_template"] is None
