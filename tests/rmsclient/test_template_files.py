"""`admin templates export` and `import` against the product's own API."""

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
from tenants.models import Group
from tests.conftest import World, make_token
from tests.policies.test_exchange import filed


@pytest.fixture
def admin(live_server: LiveServer, world: World, store: Any) -> Callable[..., tuple[int, Any]]:
    """`admin("mallory", "export", …)`: exit code and JSON of `rightskeep admin templates …`."""

    def command(name: str, *arguments: str) -> tuple[int, Any]:
        environment = {"RIGHTSKEEP_URL": live_server.url, "RIGHTSKEEP_TOKEN": make_token(world.person(name))}
        stdout = io.StringIO()
        output = Output(as_json=True, stdout=stdout, stderr=io.StringIO())
        code = run(["admin", "templates", *arguments, "--json"], environment, store, output)
        return int(code), json.loads(stdout.getvalue())

    return command


def test_by_command(admin: Callable[..., tuple[int, Any]], world: World, tmp_path: Path) -> None:
    group = Group.objects.create(tenant=world.contoso, name="A=B")
    filed(world, "xml", (f"group:{group.id}", "AUTHOR"))
    file = tmp_path / "templates.xml"
    assert admin("alice", "export", "Secret", "--out", str(file)) == (0, {"file": str(file), "format": "xml"})
    assert b"<TemplateId>" in file.read_bytes()
    assert admin("alice", "export", "--out", str(file))[1]["error"]["code"] == "file_exists"
    code, plan = admin("mallory", "import", str(file), "--dry-run")
    assert (code, len(plan["templates"]), len(plan["unknown"])) == (0, 1, 1)
    assert admin("mallory", "import", str(file), "--yes")[1]["error"]["code"] == "unknown_identities"
    options = ("--map", "group:A=B=group:Sales", "--map", "group:A=B=nobody")
    assert admin("mallory", "import", str(file), *options)[1]["error"]["code"] == "not_confirmed"
    code, done = admin("mallory", "import", str(file), *options, "--yes")
    assert (code, done["imported"], done["templates"][0]["state"]) == (0, True, "draft")
    assert PolicyTemplate.objects.for_tenant(world.fabrikam).count() == 3
    file.write_bytes(file.read_bytes().replace(b"</Templates>", b""))
    code, answer = admin("mallory", "import", str(file), "--dry-run")
    assert (code, answer["error"]["code"], "Line " in answer["error"]["message"]) == (2, "bad_file", True)
