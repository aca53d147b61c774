"""A server with worker and beat, and the `rightskeep` command as people run it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.operations.conftest import surroundings  # noqa: F401  # a fixture
from tests.operations.running_server import PATIENCE, Server


class Person:
    """Somebody at a terminal, signed in with a token of their own."""

    def __init__(self, server: Server, name: str, home: Path) -> None:
        self.server, self.name, self.home = server, name, home
        home.mkdir(exist_ok=True)

    @cached_property
    def environment(self) -> dict[str, str]:
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith("RIGHTSKEEP_")},
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "RIGHTSKEEP_URL": self.server.url,
            "RIGHTSKEEP_TOKEN": self.server.manage("issue_token", self.name).strip(),
        }

    def run(
        self, *arguments: str, expect: int = 0, stdout: Any = subprocess.PIPE
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, "-m", "rmsclient", *arguments],
            env=self.environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == expect, (arguments, done.returncode, done.stderr.decode()[-2000:])
        return done

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run("--json", *arguments).stdout)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, surroundings: dict[str, str]) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("e2e") / "data", **surroundings)
    yield running
    processes = running.processes()
    assert running.stop() == 0
    assert running.gone(processes)


@pytest.fixture(scope="module")
def people(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    homes = tmp_path_factory.mktemp("homes")
    addresses = (
        "alice@contoso.example", "bob@contoso.example", "mallory@fabrikam.example", "dave@fabrikam.example",
        "erin@individual.example",
    )  # fmt: skip
    return {
        address.partition("@")[0]: Person(server, address, homes / address.partition("@")[0])
        for address in addresses
    }
