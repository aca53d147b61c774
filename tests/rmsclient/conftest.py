import io
import json
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from rmsclient.cli.main import run
from rmsclient.cli.output import Output
from rmsclient.credentials import SignInStore
from tests.rmsclient.stub_server import stub_server
from tests.rmsclient.stub_service import StubService


@pytest.fixture
def server():
    with stub_server() as stub:
        yield stub


@pytest.fixture
def other_server():
    with stub_server() as stub:
        yield stub


@pytest.fixture(scope="session")
def private_key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def service(server, private_key):
    return StubService(server, private_key)


@pytest.fixture
def store(tmp_path):
    return SignInStore(tmp_path / "config")


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "work"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"alpha")
    (root / "plan.docx").write_bytes(b"x" * 5000)
    (root / "sub" / "photo.JPG").write_bytes(bytes(range(256)) * 33)
    (root / "sub" / "deep" / "empty").write_bytes(b"")
    return root


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@dataclass
class Outcome:
    code: int
    stdout: str
    stderr: str

    @property
    def json(self):
        return json.loads(self.stdout)


@pytest.fixture
def rightskeep(server, store):
    """Runs a command in this process, signed in at `server` by environment unless told otherwise."""

    def command(*arguments, environment=None):
        stdout, stderr = io.StringIO(), io.StringIO()
        given = {"RIGHTSKEEP_URL": server.url, "RIGHTSKEEP_TOKEN": "secret-token"}
        output = Output(as_json="--json" in arguments, stdout=stdout, stderr=stderr)
        code = run([str(a) for a in arguments], given if environment is None else environment, store, output)
        return Outcome(int(code), stdout.getvalue(), stderr.getvalue())

    return command
