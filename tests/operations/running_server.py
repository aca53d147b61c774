"""`script/server` as an operator runs it: a real process with a data directory of its own."""

import contextlib
import http.client
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
# A hang ends a test, a busy machine does not.
PATIENCE = 240.0
_PORTS_OF_THE_SYSTEM = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port that is free now, and that nobody is given by chance: it lies below those from which the system serves
    whoever asks for any, be it to listen or to connect."""
    try:
        end = int(_PORTS_OF_THE_SYSTEM.read_text().split()[0])
    except OSError:
        end = 32768
    room = end - 10_000
    for _ in range(100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", 10_000 + secrets.randbelow(room) if room > 0 else 0))
            port: int = probe.getsockname()[1]
            return port
    raise AssertionError("there is no free port")


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """The surroundings without any setting of an outer installation or test run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RIGHTSKEEP_")}
    kept.pop("DJANGO_SETTINGS_MODULE", None)
    return {**kept, "RIGHTSKEEP_DATA_DIR": str(data_dir), **more}


def refusal(data_dir: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected not to start."""
    command = [sys.executable, str(ROOT / "script" / "server"), *arguments]
    return subprocess.run(
        command,
        env=environment(data_dir, **more),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What the refused start said, which is nothing else."""
    assert done.returncode != 0
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


class Server:
    """A server that has been started and answers."""

    def __init__(self, data_dir: Path, *arguments: str, **more: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir
        self.environment = environment(data_dir, **more)
        self.log = data_dir.with_name(f"{data_dir.name}.{self.port}.log")
        command = [sys.executable, str(ROOT / "script" / "server"), "--port", str(self.port), *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        self.said: list[str] = []
        self._ready = threading.Event()
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()
        if not self._ready.wait(PATIENCE) or self.process.poll() is not None:
            self.stop()
            raise AssertionError(f"the server did not start:\n{self.log.read_text(errors='replace')[-4000:]}")

    def _listen(self, stdout: IO[str]) -> None:
        for line in stdout:
            self.said.append(line.rstrip("\n"))
            if "Rightskeep is ready" in line:
                self._ready.set()
        self._ready.set()  # the end of the output, too, ends the waiting

    @property
    def password(self) -> str:
        """The demo password, which is told once, at the first start."""
        found = re.search(r"password (\S+)", "\n".join(self.said))
        assert found, self.said
        return found.group(1)

    def manage(self, *arguments: str) -> str:
        """`manage.py` beside the running server, with the same environment."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def request(self, method: str, path: str, *, token: str = "", body: Any = None) -> tuple[int, Any]:
        """Status and decoded JSON (or text) of one call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            is_json = "json" in (answer.getheader("Content-Type") or "")
            return answer.status, json.loads(text) if is_json else text
        finally:
            connection.close()

    def processes(self) -> set[int]:
        """Every process that belongs to this server, found by what its environment says (Linux)."""
        mark = f"RIGHTSKEEP_SUPERVISED={self.data_dir}".encode()
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found.add(int(entry.name))
                except OSError:
                    continue  # ended meanwhile
        return found

    def kill(self) -> None:
        """As `kill -9` does: nobody is told, nothing is tidied up."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """As SIGTERM does. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def gone(self, pids: set[int]) -> bool:
        """Whether these processes end."""
        deadline = time.monotonic() + PATIENCE
        while self.processes() & pids:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True
