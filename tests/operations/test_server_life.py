"""`script/server` over its life: started, started twice, a part killed, killed with -9, started again, stopped."""

import os
import signal
import sys
import time
import urllib.request

import pytest

from tests.operations.running_server import Server, free_port, refusal

pytestmark = [
    pytest.mark.xdist_group("processes"),
    pytest.mark.skipif(sys.platform != "linux", reason="leftovers are found through /proc"),
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("installation") / "data"


def wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if server.request("GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, "not ready again"
        time.sleep(0.2)


def test_a_life(data_dir, surroundings):
    metrics = free_port()
    server = Server(data_dir, RIGHTSKEEP_METRICS=f"127.0.0.1:{metrics}", **surroundings)
    try:
        assert "alice@contoso.example" in "\n".join(server.said)
        assert len(server.password) >= 10
        assert server.request("GET", "/healthz") == (200, {"status": "ok"})
        ready = {"status": "ok", "database": "ok", "broker": "ok", "keys": "ok"}
        assert server.request("GET", "/readyz") == (200, ready)

        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=20) as answer:
            assert b'rightskeep_ready{part="database"} 1' in answer.read()
        assert server.request("GET", "/metrics")[0] == 404

        secrets = list((data_dir / "secrets").iterdir())
        assert {path.name for path in secrets} == {"secret_key", "kek", "api_pepper"}
        assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}

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
        head = next(pid for pid in server.processes() if os.getpgid(pid) == pid and _runs(pid, "granian"))
        os.kill(head, signal.SIGKILL)
        assert server.gone({head}, within=10)
        wait_until_ready(server)

        before = server.processes()
        server.kill()
        again = Server(data_dir, **surroundings)
        try:
            assert again.processes() & before == set(), "leftovers still run"
            assert not any("password" in line for line in again.said), "the demo was made twice"
            status, me = again.request("GET", "/api/v1/whoami/", token=token)
            assert (status, me["email"]) == (200, "bob@contoso.example")
            running = again.processes()
            assert again.stop() == 0
            assert again.gone(running, within=5)
        finally:
            again.stop()
    finally:
        server.stop()


def test_killed_without_a_successor_nothing_stays(data_dir, surroundings):
    server = Server(data_dir, "--no-demo", **surroundings)
    left = server.processes()
    assert len(left) >= 5
    server.kill()
    assert server.gone(left, within=30)


def _runs(pid: int, program: str) -> bool:
    with open(f"/proc/{pid}/cmdline", "rb") as handle:
        return program.encode() in handle.read()
