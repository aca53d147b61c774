"""The README's quick start, and its five steps at length on real kinds of files: by the command line, against a live
server with worker and beat."""

import base64
import collections
import datetime as dt
import hashlib
import random
import re
import subprocess
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from audit.w3c import parse_file
from tests.e2e.conftest import Person
from tests.operations.running_server import PATIENCE, ROOT, Server
from tests.operations.test_readme import RUN

Calls = collections.Counter[tuple[str, str, str]]
DOCUMENTED_URL = "http://127.0.0.1:8000"
MIB = 1024 * 1024
BINARY_MIB = 100
JPEG = (
    "/9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5"
    "PTgyPC4zNDL/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q=="
)
PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""
PROTECTED = {
    "plan.pdf": "plan.ppdf", "letter.docx": "letter.docx.pfile", "photo.jpg": "photo.pjpg", "notes.txt": "notes.ptxt",
    "disk.bin": "disk.bin.pfile",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "plan.pdf").write_bytes(PDF)
    (folder / "photo.jpg").write_bytes(base64.b64decode(JPEG))
    (folder / "notes.txt").write_text("Grüße\n" * 1000, encoding="utf-8")
    with zipfile.ZipFile(folder / "letter.docx", "w") as archive:
        archive.writestr("[Content_Types].xml", '<?xml version="1.0"?><Types/>')
        archive.writestr("word/document.xml", "<w:document>Dear Dave</w:document>" * 500)
    block = random.Random(7).randbytes(MIB)
    with (folder / "disk.bin").open("wb") as target:
        for number in range(BINARY_MIB):
            target.write(number.to_bytes(4, "big") + block[4:])
    return folder


def digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


class Story:
    """What people do one after the other, and how often the log has to tell of it: request, person, result."""

    def __init__(self, people: dict[str, Person], folder: Path, tmp_path: Path) -> None:
        self.people, self.folder, self.tmp_path = people, folder, tmp_path
        self.made: Calls = collections.Counter()

    def protect(self, *names: str, grants: Sequence[str]) -> None:
        bob = self.people["bob"]
        options = [word for grant in grants for word in ("--grant", grant)]
        bob.run("protect", *(str(self.folder / name) for name in names), *options)
        self.made["FECreatePublishingLicenseV1", bob.name, "Success"] += len(names)
        self.made["SignDigest", bob.name, "Success"] += len(names)

    def open(self, name: str, protected: str, *, expect: int = 0, result: str = "Success") -> Path:
        """Somebody opens a file; returns what was read."""
        copy, person = self.tmp_path / "copy", self.people[name]
        with copy.open("wb") as target:
            person.run("open", "--stdout", str(self.folder / protected), expect=expect, stdout=target)
        self.made["FECreateEndUserLicenseV1", person.name, result] += 1
        return copy

    def is_refused(self, name: str, protected: str, *, expect: int, result: str) -> None:
        assert self.open(name, protected, expect=expect, result=result).read_bytes() == b""


def test_quick_start(people: dict[str, Person], folder: Path, tmp_path: Path) -> None:
    alice, bob, dave = people["alice"], people["bob"], people["dave"]
    before = logged(alice, tmp_path / "before", 0)
    story = Story(people, folder, tmp_path)
    assert alice.json("whoami")["organization"]["state"] == "active"
    story.protect(*PROTECTED, grants=["dave@fabrikam.example=Viewer"])
    for name, protected in PROTECTED.items():
        assert digest(story.open("dave", protected)) == digest(folder / name), name
    # A viewer may not take the protection off; what was refused leaves no file.
    target = tmp_path / "unprotected.pdf"
    dave.run("unprotect", str(folder / "plan.ppdf"), "--out", str(target), expect=3)
    story.made["FECreateEndUserLicenseV1", dave.name, "Success"] += 1  # a license, without this right
    assert not target.exists()
    for stranger in ("mallory", "erin"):
        story.is_refused(stranger, "plan.ppdf", expect=3, result="AccessDenied")
    tracked = bob.json("track", str(folder / "plan.ppdf"))
    assert "dave@fabrikam.example" in str(tracked) and "mallory@fabrikam.example" in str(tracked)

    # Roll the key: old and new both open.
    alice.run("admin", "keys", "roll", "--yes")
    (folder / "later.txt").write_text("after the roll")
    story.protect("later.txt", grants=["dave@fabrikam.example=Viewer", "erin@individual.example=VIEW"])
    assert story.open("dave", "plan.ppdf").read_bytes() == PDF
    assert story.open("dave", "later.ptxt").read_bytes() == b"after the roll"
    assert story.open("erin", "later.ptxt").read_bytes() == b"after the roll"

    # Revoke and restore.
    bob.run("revoke", str(folder / "later.ptxt"), "--yes")
    story.is_refused("dave", "later.ptxt", expect=4, result="AccessRevoked")
    bob.run("restore", str(folder / "later.ptxt"))
    story.open("dave", "later.ptxt")

    # Deactivate and activate again.
    alice.run("admin", "organization", "deactivate", "--yes")
    story.is_refused("dave", "plan.ppdf", expect=6, result="ServiceDisabledException")
    alice.run("admin", "organization", "activate")
    story.open("dave", "plan.ppdf")

    assert logged(alice, tmp_path / "logs", sum((before + story.made).values())) - before == story.made


def logged(alice: Person, out: Path, expected: int) -> Calls:
    """What Contoso's downloaded daily files say; calls around midnight may stand in two of them."""
    deadline = time.monotonic() + PATIENCE
    while True:
        today = dt.datetime.now(dt.UTC).date()
        days = ("--from", str(today - dt.timedelta(days=1)), "--to", str(today))
        alice.run("admin", "logs", "download", *days, "--out", str(out), "--force")
        rows = [
            row
            for file in sorted(out.glob("rmslog-*.log"))
            for row in parse_file(file.read_text(encoding="utf-8").splitlines())
        ]
        if len(rows) >= expected or time.monotonic() > deadline:
            return collections.Counter((row["request-type"], row["user-id"], row["result"]) for row in rows)
        time.sleep(1)


@pytest.mark.parametrize(("name", "commands"), RUN, ids=[name for name, _ in RUN])
def test_the_readme(server: Server, tmp_path: Path, name: str, commands: str) -> None:
    """Any command that fails ends the block, as a person would stop there."""
    assert name == "quick start" and DOCUMENTED_URL in commands
    done = subprocess.run(
        ["bash", "-c", "set -eu\n" + commands.replace(DOCUMENTED_URL, server.url)],
        cwd=ROOT,
        env={**server.environment, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for sign in (
        "Contoso - Confidential",
        "the same, byte for byte",
        "refused, as it should be (3)",
        "revoked (4)",
    ):
        assert sign in done.stdout
    found = set(re.findall(r"\S+@\S+\.example", done.stdout))
    assert {"dave@fabrikam.example", "mallory@fabrikam.example"} <= found
