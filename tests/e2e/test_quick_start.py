"""The five steps against a live server with worker and beat, by the command line, on real kinds of files."""

import base64
import collections
import datetime as dt
import hashlib
import random
import time
import zipfile
from pathlib import Path

import pytest

from audit.w3c import parse_file
from tests.e2e.conftest import Person

pytestmark = pytest.mark.xdist_group("processes")
MIB = 1024 * 1024
BINARY_MIB = 300
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


def test_quick_start(people: dict[str, Person], folder: Path, tmp_path: Path) -> None:
    alice, bob, dave = people["alice"], people["bob"], people["dave"]
    made: collections.Counter[tuple[str, str, str]] = collections.Counter()

    def opening(person: Person, protected: Path, expect: int = 0, result: str = "Success") -> Path:
        copy = tmp_path / "copy"
        with copy.open("wb") as target:
            person.run("open", "--stdout", str(protected), expect=expect, stdout=target)
        made["FECreateEndUserLicenseV1", person.name, result] += 1
        return copy

    assert alice.json("whoami")["organization"]["state"] == "active"
    bob.run("protect", *(str(folder / name) for name in PROTECTED), "--grant", "dave@fabrikam.example=Viewer")
    made["FECreatePublishingLicenseV1", bob.name, "Success"] += len(PROTECTED)
    made["SignDigest", bob.name, "Success"] += len(PROTECTED)

    for name, protected_name in PROTECTED.items():
        protected = folder / protected_name
        assert digest(opening(dave, protected)) == digest(folder / name), name
    # A viewer may not take the protection off; what was refused leaves no file.
    target = tmp_path / "unprotected.pdf"
    dave.run("unprotect", str(folder / "plan.ppdf"), "--out", str(target), expect=3)
    made["FECreateEndUserLicenseV1", dave.name, "Success"] += (
        1  # the license was granted, the right was missing
    )
    assert not target.exists()
    assert (
        opening(people["mallory"], folder / "plan.ppdf", expect=3, result="AccessDenied").read_bytes() == b""
    )
    assert opening(people["erin"], folder / "plan.ppdf", expect=3, result="AccessDenied").read_bytes() == b""

    tracked = bob.json("track", str(folder / "plan.ppdf"))
    assert "dave@fabrikam.example" in str(tracked) and "mallory@fabrikam.example" in str(tracked)

    # Roll the key: old and new both open.
    alice.run("admin", "keys", "roll", "--yes")
    (folder / "later.txt").write_text("after the roll")
    bob.run(
        "protect",
        str(folder / "later.txt"),
        "--grant",
        "dave@fabrikam.example=Viewer",
        "--grant",
        "erin@individual.example=VIEW",
    )
    made["FECreatePublishingLicenseV1", bob.name, "Success"] += 1
    made["SignDigest", bob.name, "Success"] += 1
    assert opening(dave, folder / "plan.ppdf").read_bytes() == PDF
    assert opening(dave, folder / "later.ptxt").read_bytes() == b"after the roll"
    assert opening(people["erin"], folder / "later.ptxt").read_bytes() == b"after the roll"

    # Revoke and restore.
    bob.run("revoke", str(folder / "later.ptxt"), "--yes")
    opening(dave, folder / "later.ptxt", expect=4, result="AccessRevoked")
    bob.run("restore", str(folder / "later.ptxt"))
    opening(dave, folder / "later.ptxt")

    # Deactivate and activate again.
    alice.run("admin", "organization", "deactivate", "--yes")
    opening(dave, folder / "plan.ppdf", expect=6, result="ServiceDisabledException")
    alice.run("admin", "organization", "activate")
    opening(dave, folder / "plan.ppdf")

    assert logged_today(alice, tmp_path / "logs", sum(made.values())) == made


def logged_today(alice: Person, out: Path, expected: int) -> collections.Counter[tuple[str, str, str]]:
    """What Contoso's downloaded daily files say; calls around midnight may stand in two of them."""
    deadline = time.monotonic() + 60
    while True:
        today = dt.datetime.now(dt.UTC).date()
        yesterday = today - dt.timedelta(days=1)
        alice.run(
            "admin",
            "logs",
            "download",
            "--from",
            str(yesterday),
            "--to",
            str(today),
            "--out",
            str(out),
            "--force",
        )
        rows = [
            row
            for file in sorted(out.glob("rmslog-*.log"))
            for row in parse_file(file.read_text(encoding="utf-8").splitlines())
        ]
        if len(rows) >= expected or time.monotonic() > deadline:
            return collections.Counter((row["request-type"], row["user-id"], row["result"]) for row in rows)
        time.sleep(1)
