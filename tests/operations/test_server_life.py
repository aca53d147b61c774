"""`script/server` over its life: started, started twice, a part killed, killed with -9, started again, killed again,
started with the wrong key-encryption key. How it is stopped in peace: the end of `tests/e2e/test_quick_start.py`."""

import contextlib
import os
import signal
import sys
import time
import urllib.request

import pytest

from tests.operations.running_server import PATIENCE, Server, free_port, one_sentence, refusal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="leftovers are found through /proc")


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def answer_of(url: str) -> bytes:
    """What is said there with 200, as soon as it is."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return bytes(answer.read())
        except OSError:  # nobody listens yet, or is ready yet
            assert time.monotonic() < deadline, f"{url} does not answer"
        time.sleep(0.1)


def web_head(server: Server, *, after: int = 0) -> int:
    """The web server's first process, as soon as there is one; `after`: the one before it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        for pid in server.processes() - {after}:
            with contextlib.suppress(OSError):  # ended meanwhile
                if os.getpgid(pid) == pid and runs(pid, "granian"):
                    return pid
        assert time.monotonic() < deadline, "no web server"
        time.sleep(0.1)


def runs(pid: int, program: str) -> bool:
    with open(f"/proc/{pid}/cmdline", "rb") as handle:
        return program.encode() in handle.read()


def look_around(server: Server, metrics: int) -> None:
    """What a first start says, serves and leaves in its data directory."""
    assert "alice@contoso.example" in "\n".join(server.said)
    assert len(server.password) >= 10
    assert server.request("GET", "/healthz") == (200, {"status": "ok"})
    ready = {"status": "ok", "database": "ok", "broker": "ok", "keys": "ok"}
    assert server.request("GET", "/readyz") == (200, ready)

    assert b'rightskeep_ready{part="database"} 1' in answer_of(f"http://127.0.0.1:{metrics}/metrics")
    assert server.request("GET", "/metrics")[0] == 404

    secrets = list((server.data_dir / "secrets").iterdir())
    assert {path.name for path in secrets} == {"secret_key", "kek", "api_pepper"}
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}


def test_a_life(data_dir, surroundings):
    metrics = free_port()
    server = Server(data_dir, RIGHTSKEEP_METRICS=f"127.0.0.1:{metrics}", **surroundings)
    try:
        look_around(server, metrics)
        second = refusal(data_dir, "--port", str(server.port + 1))
        assert second.returncode != 0
        assert second.stderr.strip().startswith(
            f"Rightskeep is already running on the data directory {data_dir}"
        )

        # manage.py finds everything by itself beside the server, and the token is good for the API.
        token = server.manage("issue_token", "bob@contoso.example").strip()
        status, me = server.request("GET", "/api/v1/whoami/", token=token)
        assert (status, me["email"]) == (200, "bob@contoso.example")

        # The web server's head is killed: it comes back, and its orphaned workers do not hold the port.
        head = web_head(server)
        os.kill(head, signal.SIGKILL)
        assert server.gone({head})
        assert web_head(server, after=head) != head
        answer_of(f"{server.url}/readyz")

        before = server.processes()
        server.kill()
        again = Server(data_dir, **surroundings)
        try:
            assert again.processes() & before == set(), "leftovers still run"
            assert not any("password" in line for line in again.said), "the demo was made twice"
            status, me = again.request("GET", "/api/v1/whoami/", token=token)
            assert (status, me["email"]) == (200, "bob@contoso.example")
            left = again.processes()
            assert len(left) >= 5
            again.kill()
            assert again.gone(left), "without a successor something stays"
        finally:
            again.stop()
    finally:
        server.stop()

    # Keys that were sealed under another key-encryption key are noticed before the first person is.
    wrong = refusal(data_dir, "--port", str(free_port()), RIGHTSKEEP_KEK="another" * 8, **surroundings)
    assert "is this the right key-encryption key?" in one_sentence(wrong)
