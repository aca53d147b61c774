"""`admin templates …` and `templates` against the product's own API."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from policies.models import PolicyTemplate
from rmsclient.cli.main import run
from rmsclient.cli.output import Output
from tests.conftest import World, make_token

Command = Callable[..., tuple[int, Any]]


@pytest.fixture
def command(live_server: LiveServer, world: World, store: Any) -> Command:
    """`command("create", …)`: alice's exit code and what was printed; JSON where --json is asked for."""
    environment = {"RIGHTSKEEP_URL": live_server.url, "RIGHTSKEEP_TOKEN": make_token(world.person("alice"))}

    def admin(*arguments: str) -> tuple[int, Any]:
        stdout, stderr = io.StringIO(), io.StringIO()
        output = Output(as_json="--json" in arguments, stdout=stdout, stderr=stderr)
        words = arguments if arguments[0] == "templates" else ("admin", "templates", *arguments)
        code = int(run(list(words), environment, store, output))
        text = stdout.getvalue() or stderr.getvalue()
        return code, json.loads(text) if "--json" in arguments else text

    return admin


def test_a_template_from_making_to_deleting(command: Command, world: World, tmp_path: Path) -> None:
    code, made = command(
        "create", "--name", "Board", "--name", "de=Vorstand", "--description", "For the board",
        "--grant", "group:Sales=Co-Author", "--grant", "anyone=VIEW,PRINT", "--expires", "30d", "--offline", "never",
        "--offer-to", "Sales", "--json",
    )  # fmt: skip
    assert code == 0 and made["names"][1] == {"language": "de", "name": "Vorstand", "description": ""}
    assert (made["expires_after_days"], made["offline_days"], made["visible_to_all"]) == (30, 0, False)
    assert command("publish", "Board")[0] == 2  # asks first
    assert "Version 1 decides now" in command("publish", "Board", "--yes")[1]
    _code, edited = command(
        "edit", "Board", "--ungrant", "anyone", "--offline", "5", "--offer-to", "all", "--json"
    )
    assert len(edited["draft"]["grants"]) == 1 and edited["draft"]["expires_after_days"] == 30
    assert "Offline days" in command("show", "Board", "--draft")[1]
    command("publish", "Board", "--yes")
    assert "offline_days: 0 → 5" in command("versions", "Board", "2")[1]
    assert [each["number"] for each in command("versions", "Board", "--json")[1]["versions"]] == [2, 1]
    command("restore", "Board", "1")
    assert command("discard", "Board", "--yes")[0] == 0
    command("move", "Board", "1")
    assert "Board" in command("templates")[1].splitlines()[1]
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(command("show", "Board", "--json")[1]))
    assert command("create", "--file", str(rules), "--name", "Twin")[0] == 0
    assert "Copy of Board" in command("copy", "Board")[1]
    code, refused = command("delete", "Board", "--yes", "--json")
    assert code != 0 and refused["error"]["code"] == "still_offered"
    command("archive", "Board")
    command("unarchive", "Board")
    command("archive", "Board")
    assert command("delete", "Board", "--yes")[0] == 0
    names = [row["name"] for row in command("list", "--json")[1]["templates"]]
    assert names == ["Contoso - Confidential View Only", "Contoso - Confidential", "Twin", "Copy of Board"]
    assert PolicyTemplate.objects.filter(tenant=world.contoso).count() == 4


def test_what_cannot_be_is_said_before_and_by_the_server(command: Command) -> None:
    for wrong in (
        ["--expires", "soon"],
        ["--offline", "400"],
        ["--file", "/nothing/here.json"],
        ["--grant", "bob"],
    ):
        assert command("create", "--name", "X", *wrong)[0] == 2, wrong
    code, refused = command("create", "--name", "X", "--grant", "group:Nobody=Viewer", "--json")
    assert code == 2 and "no group" in refused["error"]["message"]
    assert command("show", "No such template")[0] == 2
