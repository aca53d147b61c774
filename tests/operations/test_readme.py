"""The README's blocks of commands are run, by `tests/e2e/test_quick_start.py`, or say why not; its links lead somewhere."""

import os
import re

from tests.operations.running_server import ROOT

BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+) -->\n)?^```sh\n(?P<commands>.*?)^```$", re.MULTILINE | re.DOTALL
)


def blocks() -> list[tuple[str, str]]:
    """Every block of commands with the comment above it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [(found["mark"] or "", found["commands"]) for found in BLOCK.finditer(text)]


RUN = [(mark.removeprefix("run: "), commands) for mark, commands in blocks() if mark.startswith("run: ")]


def test_every_block_is_run_or_excused():
    assert [mark for mark, _ in blocks() if not re.match(r"(run|not run): \S", mark)] == []
    assert RUN


def test_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([^)#:]+)\)", text))
    assert {target for target in linked if not os.path.exists(ROOT / target)} == set()
