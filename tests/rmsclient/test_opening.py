"""`open`, `unprotect`, `inspect`: rights honored, alterations found, nothing sent where it does not belong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rms.integrity import LABEL
from rms.protection import inspect
from tests.rmsclient.stub_server import Reply, refuse, reply_json
from tests.rmsclient.stub_service import StubService

USE = "POST /my/v2/enduserlicenses"
CONTENT = b"Quarterly figures\n" * 3000


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def protected(service, rightskeep, tmp_path, runtime):
    original = tmp_path / "figures.txt"
    original.write_bytes(CONTENT)
    assert rightskeep("protect", original, "--grant=dave@fabrikam.example=Viewer").code == 0
    original.unlink()
    return tmp_path / "figures.ptxt"


def alter(path):
    data = bytearray(path.read_bytes())
    data[-3000] ^= 1
    path.write_bytes(data)


def cut_record_out(path):
    with path.open("rb") as stream:
        file = inspect(stream).file
    assert file.metadata.startswith(LABEL)
    data = bytearray(path.read_bytes())
    data[file.metadata_offset : file.metadata_offset + len(file.metadata)] = bytes(len(file.metadata))
    path.write_bytes(data)


def as_process(server, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "rmsclient", *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "RIGHTSKEEP_URL": server.url, "RIGHTSKEEP_TOKEN": "secret-token"},
        capture_output=True,
        check=False,
        timeout=240,
    )


def test_a_view_is_private_and_named_like_the_original(protected, rightskeep, runtime):
    outcome = rightskeep("open", protected)
    view = Path(outcome.stdout.strip())
    assert (outcome.code, view.name, view.read_bytes()) == (0, "figures.txt", CONTENT)
    assert view.stat().st_mode & 0o777 == 0o600
    assert view.parent.stat().st_mode & 0o777 == 0o700
    assert runtime in view.parents
    assert "Unaltered, protected by alice@contoso.example on " in outcome.stderr
    assert not protected.with_name("figures.txt").exists()


def test_old_views_are_removed_new_ones_stay(protected, rightskeep):
    old, recent = (Path(rightskeep("open", protected).stdout.strip()) for _ in range(2))
    os.utime(old.parent, (0, 0))
    rightskeep("open", protected)
    assert (old.exists(), recent.exists()) == (False, True)


def test_a_folder_others_prepared_is_not_used(protected, rightskeep, runtime):
    trap = runtime / f"rightskeep-{os.getuid()}"
    trap.mkdir(mode=0o777)
    trap.chmod(0o777)
    outcome = rightskeep("open", protected)
    assert (outcome.code, list(trap.iterdir())) == (2, [])


def test_stdout(server, protected):
    done = as_process(server, "open", protected, "--stdout")
    assert (done.returncode, done.stdout) == (0, CONTENT)
    assert b"Unaltered" in done.stderr


def test_stdout_with_json_on_stderr(server, protected):
    done = as_process(server, "--json", "open", protected, "--stdout")
    assert done.stdout == CONTENT
    remark, _, value = done.stderr.decode().partition("{")
    assert remark.startswith("Unaltered")
    assert json.loads("{" + value)["rights"] == ["VIEW"]


def test_without_view_nothing_is_shown(service, protected, rightskeep, runtime):
    service.rights = ["VIEWRIGHTSDATA"]
    outcome = rightskeep("open", protected)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert [path for path in runtime.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("tamper", [alter, cut_record_out])
def test_an_altered_file_is_refused_unless_forced(server, protected, rightskeep, runtime, tamper):
    tamper(protected)
    outcome = rightskeep("open", protected)
    assert (outcome.code, outcome.stdout) == (5, "")
    assert "altered after protection" in outcome.stderr
    assert [path for path in runtime.rglob("*") if path.is_file()] == []
    to_pipe = as_process(server, "open", protected, "--stdout")
    assert (to_pipe.returncode, to_pipe.stdout) == (5, b"")
    forced = rightskeep("open", protected, "--force", "--json")
    assert (forced.code, forced.json["integrity"], forced.json["publisher"]) == (0, "altered", None)
    assert "Warning" in forced.stderr


def test_the_registered_root_has_the_last_word(service, protected, rightskeep):
    """A record that verifies is not enough: the service has signed another content for this id."""
    for content_id in service.roots:
        service.roots[content_id] = bytes(32)
    assert rightskeep("open", protected).code == 5


@pytest.mark.parametrize(
    ("denial", "code", "word"),
    [
        ({"AccessStatus": "AccessDenied"}, 3, "no access"),
        ({"AccessStatus": "AccessDenied", "Reason": "not granted"}, 3, "no access"),
        ({"AccessStatus": "AccessDenied", "Reason": "revoked"}, 4, "revoked"),
        ({"AccessStatus": "ContentExpired"}, 4, "expired"),
        ({"AccessStatus": "AccessDenied", "Reason": "inactive"}, 6, "switched off"),
        ({"AccessStatus": "Sure"}, 6, "not what was expected"),
    ],
)
def test_refusals_have_their_own_exit_codes(service, protected, rightskeep, denial, code, word):
    service.denial = denial
    outcome = rightskeep("open", protected)
    assert (outcome.code, outcome.stdout) == (code, "")
    assert word in outcome.stderr


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"[]"),
        reply_json({}),
        reply_json({"AccessStatus": "AccessGranted"}),
        reply_json({"AccessStatus": "AccessGranted", "Rights": None, "Key": {}}),
        reply_json({"AccessStatus": "AccessGranted", "Rights": ["VIEW"], "Key": {"Value": 3}}),
        Reply(400, b""),
        Reply(404),
    ],
)
def test_answers_of_the_wrong_shape(server, protected, rightskeep, reply):
    server.routes[USE] = reply
    outcome = rightskeep("open", protected)
    assert (outcome.code, outcome.stdout) == (6, "")


def test_a_license_the_service_does_not_take(server, protected, rightskeep):
    server.routes[USE] = refuse("BadInputException", "The license was altered.")
    outcome = rightskeep("open", protected)
    assert (outcome.code, "The license was altered." in outcome.stderr) == (5, True)


def test_nothing_is_sent_to_a_server_that_a_file_names(
    other_server, private_key, rightskeep, service, protected, tmp_path
):
    """The file comes from a stranger and names a server of theirs."""
    stranger = StubService(other_server, private_key)
    trap = tmp_path / "trap.txt"
    trap.write_bytes(b"bait")
    environment = {"RIGHTSKEEP_URL": other_server.url, "RIGHTSKEEP_TOKEN": "of-the-stranger"}
    assert rightskeep("protect", trap, "--grant=anyone=Viewer", environment=environment).code == 0
    other_server.requests.clear()
    for command in ("open", "unprotect", "track", "restore"):
        outcome = rightskeep(command, tmp_path / "trap.ptxt")
        assert outcome.code == 6
        assert f"rightskeep login {other_server.url}" in outcome.stderr
    assert other_server.requests == []
    assert stranger.roots


class TestUnprotect:
    def test_needs_export(self, protected, rightskeep):
        outcome = rightskeep("unprotect", protected)
        assert (outcome.code, "EXPORT" in outcome.stderr) == (3, True)
        assert not protected.with_name("figures.txt").exists()

    @pytest.mark.parametrize("rights", [["VIEW", "EXPORT"], ["OWNER"]])
    def test_writes_the_original_beside(self, service, protected, rightskeep, rights):
        service.rights = rights
        outcome = rightskeep("unprotect", protected)
        assert outcome.code == 0
        assert protected.with_name("figures.txt").read_bytes() == CONTENT
        assert protected.exists()

    def test_overwrites_only_when_forced(self, service, protected, rightskeep):
        service.rights = ["OWNER"]
        target = protected.with_name("figures.txt")
        target.write_bytes(b"mine")
        assert rightskeep("unprotect", protected).code == 2
        assert target.read_bytes() == b"mine"
        assert rightskeep("unprotect", protected, "--force").code == 0
        assert target.read_bytes() == CONTENT

    def test_never_onto_itself(self, service, protected, rightskeep):
        service.rights = ["OWNER"]
        before = protected.read_bytes()
        assert rightskeep("unprotect", protected, "--out", protected, "--force").code == 2
        assert protected.read_bytes() == before

    def test_into_a_folder_or_to_a_name(self, service, protected, rightskeep, tmp_path):
        service.rights = ["OWNER"]
        (tmp_path / "out").mkdir()
        assert rightskeep("unprotect", protected, "--out", tmp_path / "out").code == 0
        assert (tmp_path / "out" / "figures.txt").read_bytes() == CONTENT
        assert rightskeep("unprotect", protected, "--out", tmp_path / "other.txt").code == 0

    def test_an_altered_file_leaves_nothing(self, service, protected, rightskeep):
        service.rights = ["OWNER"]
        alter(protected)
        before = sorted(protected.parent.iterdir())
        assert rightskeep("unprotect", protected).code == 5
        assert sorted(protected.parent.iterdir()) == before


class TestInspect:
    def test_needs_no_server(self, server, protected, rightskeep):
        server.requests.clear()
        found = rightskeep("inspect", protected, "--json", environment={}).json
        assert server.requests == []
        assert found["publisher"] == found["owner"] == "alice@contoso.example"
        assert found["organization"] == "Contoso"
        assert found["server"].startswith(server.url)
        assert found["names"][0]["name"] == "Contoso - Confidential"
        assert (found["integrity"], found["original_size"], found["extension"]) == (
            "unaltered",
            len(CONTENT),
            ".txt",
        )

    def test_for_people(self, protected, rightskeep):
        text = rightskeep("inspect", protected, environment={}).stdout
        assert "Unaltered, protected by alice@contoso.example on " in text
        assert "Contoso - Confidential" in text

    def test_altered_shows_no_publisher(self, protected, rightskeep):
        alter(protected)
        outcome = rightskeep("inspect", protected, "--json", environment={})
        assert (outcome.code, outcome.json["integrity"], outcome.json["publisher"]) == (5, "altered", None)


@pytest.mark.parametrize("content", [b"", b"hello", b".pfile", b".pfile" + bytes(100)])
@pytest.mark.parametrize("command", ["open", "inspect", "unprotect", "track"])
def test_not_a_protected_file(rightskeep, tmp_path, content, command):
    path = tmp_path / "x.ptxt"
    path.write_bytes(content)
    outcome = rightskeep(command, path, "--json")
    assert outcome.code == outcome.json["error"]["exit"] == 5


def test_a_truncated_file(protected, rightskeep):
    os.truncate(protected, protected.stat().st_size // 2)
    assert rightskeep("open", protected).code == 5


def test_a_file_that_is_not_there(rightskeep, tmp_path):
    outcome = rightskeep("open", tmp_path / "nothing.ptxt", "--json")
    assert (outcome.code, outcome.json["error"]["code"]) == (2, "local_file")
