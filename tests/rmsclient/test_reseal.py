"""`rightskeep reseal`: files in place under the active key, against a stub and against the product's own server."""

import io
import json
import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pytest_django.live_server_helper import LiveServer

from audit.models import UsageEvent
from keys.models import KeyVersion
from rms.integrity import IntegrityState
from rms.protection import check_integrity, inspect
from rmsclient.cli.main import run
from rmsclient.cli.output import Output
from rmsclient.files import TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from tests.conftest import World, make_token
from tests.licensing.test_resealing import lose_private_half, roll
from tests.rmsclient.stub_server import refuse, reply_json
from tests.rmsclient.test_opening import alter, as_process, cut_record_out
from tracking.models import SealedCopy
from tracking.resealing import continue_resealings, request_resealing

NAMES = {"a.txt": "a.ptxt", "b.jpg": "b.pjpg", "c.docx": "c.docx.pfile", "d.pdf": "d.ppdf", "e": "e.pfile"}


@pytest.fixture(scope="module")
def next_key():
    return rsa.generate_private_key(65537, 3072)


@pytest.fixture
def share(service, rightskeep, tmp_path, next_key):
    """A folder of protected files whose key was rolled since, with other things in it."""
    folder = tmp_path / "share"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        source = folder / "sub" / name
        source.write_bytes(name.encode() * 5000)
        assert rightskeep("protect", source, "--template", "Contoso - Confidential", "--in-place").code == 0
        os.utime(folder / "sub" / NAMES[name], ns=(10**18, 10**18 + number))
    (folder / "readme.txt").write_text("not protected")
    (folder / "link.ptxt").symlink_to(folder / "sub" / "a.ptxt")
    service.roll(next_key)
    return folder


def protected(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "sub").iterdir())}


def key_of(path: Path) -> str:
    with path.open("rb") as stream:
        assert check_integrity(stream).state is IntegrityState.UNALTERED
        return inspect(stream).license.fingerprint


def test_a_share_is_sealed_in_place_and_only_once(server, service, rightskeep, share):
    first = share / "sub" / "a.ptxt"
    first.chmod(0o640)
    before = {path: path.stat() for path in (share / "sub").iterdir()}
    abandoned = share / f"{TEMPORARY_PREFIX}x{TEMPORARY_SUFFIX}"
    abandoned.write_bytes(b"of a run that was killed")
    outcome = rightskeep("reseal", share, "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["summary"] == {
        "resealed": 5, "already_done": 0, "skipped": 1, "failed": 0, "not_tried": 0,
    }  # fmt: skip
    assert not abandoned.exists()
    for path, earlier in before.items():
        now = path.stat()
        assert key_of(path) == service.public_key.fingerprint
        assert (now.st_mtime_ns, now.st_mode, now.st_uid) == (
            earlier.st_mtime_ns,
            earlier.st_mode,
            earlier.st_uid,
        )
    assert as_process(server, "open", first, "--stdout").stdout == b"a.txt" * 5000

    asked, files = len(server.requests), protected(share)
    again = rightskeep("reseal", share, "--json")
    assert (again.code, again.json["summary"]["already_done"], protected(share)) == (0, 5, files)
    assert len(server.requests) == asked + 1, "the others are under a key that is known to be active"


@pytest.mark.parametrize("tamper", [alter, cut_record_out])
def test_an_altered_file_is_left_as_it_is(server, rightskeep, share, tamper):
    path = share / "sub" / "b.pjpg"
    tamper(path)
    before, asked = path.read_bytes(), len(server.requests)
    outcome = rightskeep("reseal", path, "--json")
    assert (outcome.code, outcome.json["error"]["code"]) == (5, "altered")
    assert path.read_bytes() == before and len(server.requests) == asked
    assert rightskeep("reseal", share, "--json").json["summary"]["resealed"] == 4


@pytest.mark.parametrize(
    ("code", "exit_code", "tried"),
    [
        ("ResealRefusedException", 3, 5),
        ("AccessRevokedException", 4, 5),
        ("ContentExpiredException", 4, 5),
        ("FileAlteredException", 5, 5),
        ("BadInputException", 5, 5),
        ("KeyDisabledException", 3, 5),
        ("KeyDestroyedException", 3, 5),
        ("LicensesUsedUpException", 2, 5),
        ("KeyHeldException", 6, 1),
        ("ServiceDisabledException", 6, 1),
    ],
)
def test_refusals(server, rightskeep, share, code, exit_code, tried):
    files = protected(share)
    for key in [key for key in server.routes if key.endswith("/reseal/")]:
        server.routes[key] = refuse(code, "No.")
    outcome = rightskeep("reseal", share / "sub", "--json")
    assert (outcome.code, outcome.json["summary"]["failed"], protected(share)) == (exit_code, tried, files)


@pytest.mark.parametrize(
    "changes", [{"Record": None}, {"Record": "AAAA"}, {"SerializedPublishingLicense": "AAAA"}]
)
def test_an_answer_that_does_not_fit_changes_nothing(server, service, rightskeep, share, changes):
    files = protected(share)

    def answer(request):
        return reply_json({**json.loads(service.reissue(request).body), **changes})

    for key in [key for key in server.routes if key.endswith("/reseal/")]:
        server.routes[key] = answer
    assert rightskeep("reseal", share).code in (5, 6)
    assert protected(share) == files


def test_what_cannot_be_sealed(rightskeep, share, tmp_path):
    codes = {
        "link.ptxt": "symbolic_link", "readme.txt": "not_protected", "missing.ptxt": "local_file",
    }  # fmt: skip
    for name, code in codes.items():
        assert rightskeep("reseal", share / name, "--json").json["error"]["code"] == code
    assert (share / "link.ptxt").is_symlink()
    assert rightskeep("reseal", tmp_path / "share" / "sub" / "..", "--json").json["summary"]["resealed"] == 5


def test_a_file_of_another_installation_does_not_hold_up_the_others(
    server, other_server, service, rightskeep, share, tmp_path
):
    moved = share / "sub" / "0.ptxt"
    with (share / "sub" / "a.ptxt").open("rb") as stream:
        content_id = inspect(stream).license.content_id
    raw = service.license(content_id, service.keys[content_id], sealed=False, url=other_server.url)
    header = struct.pack("<6I", 24, 42, 0, 42, len(raw), 42 + len(raw))
    moved.write_bytes(b".pfile" + struct.pack("<III", 2, 0, 0) + header + raw + bytes(16))
    outcome = rightskeep("reseal", share / "sub", "--json")
    assert (outcome.code, outcome.json["error"]["code"]) == (6, "other_installation")
    assert outcome.json["summary"]["resealed"] == 5 and not other_server.requests


def test_killed_anywhere_it_is_the_old_file_or_the_new_one(server, service, share, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    path, copy = work / "a.ptxt", tmp_path / "copy"
    shutil.copy2(share / "sub" / "a.ptxt", copy)
    done = subprocess.run(
        [sys.executable, "-m", "tests.rmsclient.killed_resealing", path, copy],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "RIGHTSKEEP_URL": server.url, "RIGHTSKEEP_TOKEN": "secret-token"},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    deaths = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(deaths) > 8 and {death["old"] for death in deaths if death["killed"]} == {True, False}
    for number in range(len(deaths)):
        after = work / f"after-{number}.ptxt"
        new = not deaths[number]["old"]
        assert (key_of(after) == service.public_key.fingerprint) is new
    assert [deaths[-1][name] for name in ("killed", "old", "left")] == [False, False, 0]
    assert any(death["left"] for death in deaths), "no temporary file was ever there to be left"


@pytest.mark.django_db(transaction=True)
def test_with_the_server_and_without_the_old_key(
    world: World, live_server: LiveServer, settings, store, tmp_path
):
    settings.PUBLIC_URL = live_server.url

    def rightskeep(name: str, *arguments: object) -> tuple[int, str]:
        environment = {"RIGHTSKEEP_URL": live_server.url, "RIGHTSKEEP_TOKEN": tokens[name]}
        with (tmp_path / "stdout").open("w+", encoding="utf-8") as stdout:
            output = Output(as_json="--json" in arguments, stdout=stdout, stderr=io.StringIO())
            code = run([str(argument) for argument in arguments], environment, store, output)
            stdout.seek(0)
            return int(code), stdout.read()

    tokens = {name: make_token(world.person(name)) for name in ("bob", "dave")}
    share = tmp_path / "share"
    share.mkdir()
    for name in NAMES:
        (share / name).write_text(name * 3000)
        assert (
            rightskeep("bob", "protect", share / name, "--grant=dave@fabrikam.example=Viewer", "--in-place")[
                0
            ]
            == 0
        )
    lost, kept = tmp_path / "lost.ptxt", tmp_path / "kept.ppdf"
    shutil.copy(share / "a.ptxt", lost)
    shutil.copy(share / "d.ppdf", kept)
    old = roll(world)
    assert rightskeep("dave", "reseal", share)[0] == 3  # may only view
    # What was sealed to the new key by the register needs the old one no more; of the other copy nothing is kept.
    SealedCopy.objects.filter(document__file_name="a.txt").update(unreadable=True)
    request_resealing(world.contoso, old, actor=world.person("alice"))
    assert continue_resealings() == len(NAMES) - 1
    code, text = rightskeep("bob", "reseal", share, "--json")
    assert (code, json.loads(text)["summary"]["resealed"]) == (0, len(NAMES)), text
    assert UsageEvent.objects.filter(request_type="SignDigest", result="Success").count() == 2 * len(NAMES)
    lose_private_half(old, state="destroyed")
    for name, protected_name in NAMES.items():
        assert rightskeep("dave", "open", share / protected_name, "--stdout") == (0, name * 3000)
        active = KeyVersion.objects.for_tenant(world.contoso).get(state="active").fingerprint
        assert key_of(share / protected_name) == active
    assert rightskeep("dave", "open", kept, "--stdout") == (0, "d.pdf" * 3000)
    assert rightskeep("dave", "open", lost, "--stdout")[0] == 3
    assert rightskeep("bob", "reseal", lost)[0] == 3
    code, text = rightskeep("bob", "reseal", share, kept, "--json")
    summary = json.loads(text)["summary"]
    assert (code, summary["already_done"], summary["resealed"]) == (0, len(NAMES), 1)
    assert stat.S_IMODE(kept.stat().st_mode) == stat.S_IMODE((share / "d.ppdf").stat().st_mode)
