"""The README's commands work as they stand there: each block of commands is run here, or says why not."""

import os
import re
import subprocess

import pytest

from tests.operations.running_server import ROOT, Server

BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+) -->\n)?^```sh\n(?P<commands>.*?)^```$", re.MULTILINE | re.DOTALL
)
DOCUMENTED_URL = "http://127.0.0.1:8000"


def blocks() -> list[tuple[str, str]]:
    """Every block of commands with the comment above it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [(found["mark"] or "", found["commands"]) for found in BLOCK.finditer(text)]


RUN = [(mark.removeprefix("run: "), commands) for mark, commands in blocks() if mark.startswith("run: ")]


def test_every_block_is_run_or_excused():
    assert [mark for mark, _ in blocks() if not re.match(r"(run|not run): \S", mark)] == []
    assert RUN


@pytest.fixture(scope="module")
def server(tmp_path_factory, surroundings):
    running = Server(tmp_path_factory.mktemp("readme") / "data", **surroundings)
    yield running
    running.stop()


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize(("name", "commands"), RUN, ids=[name for name, _ in RUN])
def test_block(server, tmp_path, name, commands):
    """Any command that fails ends the block, as a person would stop there."""
    environment = {**server.environment, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    assert DOCUMENTED_URL in commands
    script = "set -eu\n" + commands.replace(DOCUMENTED_URL, server.url)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if name == "quick start":
        for sign in (
            "Contoso - Confidential",
            "the same, byte for byte",
            "refused, as it should be (3)",
            "revoked (4)",
        ):
            assert sign in done.stdout
        assert {"dave@fabrikam.example", "mallory@fabrikam.example"} <= set(
            re.findall(r"\S+@\S+\.example", done.stdout)
        )


def test_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([^)#:]+)\)", text))
    assert {target for target in linked if not os.path.exists(ROOT / target)} == set()
