"""Closed-loop load: so many connections, each sending its next request when the last is answered.

By wrk when it is installed (apt install wrk), else by processes of our own, which take more of the machine away from
the server and so make every figure smaller; the ratios hold either way.
"""

import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

LUA = Path(__file__).with_name("requests.lua")
CLIENT_PROCESSES = 2


@dataclass(frozen=True)
class Figures:
    """One measured window."""

    per_second: float
    p50_ms: float
    p99_ms: float
    answered: int


def drive(port: int, path: str, requests: Path, *, connections: int, seconds: int) -> Figures:
    """Load one address. `requests` holds a line `token TAB body` for each. Raises `RuntimeError` on any failed request."""
    if shutil.which("wrk"):
        return _wrk(port, path, requests, connections, seconds)
    return _own(port, path, requests, connections, seconds)


def generator() -> str:
    return "wrk" if shutil.which("wrk") else "python"


def _wrk(port: int, path: str, requests: Path, connections: int, seconds: int) -> Figures:
    url = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(LUA), url]
    environment = {**os.environ, "REQUESTS": str(requests)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"wrk said something else: {done.stdout}{done.stderr}")
    answered, duration, p50, p99, failed = (int(group) for group in found.groups())
    if failed:
        raise RuntimeError(f"{failed} requests to {path} failed")
    return Figures(answered / (duration / 1e6), p50 / 1000, p99 / 1000, answered)


def _own(port: int, path: str, requests: Path, connections: int, seconds: int) -> Figures:
    messages = []
    for line in requests.read_text(encoding="ascii").splitlines():
        token, body = line.split("\t")
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        messages.append((head + body).encode("ascii"))
    queue: multiprocessing.Queue[tuple[list[float], int]] = multiprocessing.Queue()
    share = connections // CLIENT_PROCESSES
    processes = [
        multiprocessing.Process(target=_client, args=(port, messages, share, seconds, index * share, queue))
        for index in range(CLIENT_PROCESSES)
    ]
    for process in processes:
        process.start()
    results = [queue.get() for _ in processes]
    for process in processes:
        process.join()
    if failed := sum(failures for _, failures in results):
        raise RuntimeError(f"{failed} requests to {path} failed")
    times = sorted(taken for each, _ in results for taken in each)
    p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
    return Figures(len(times) / seconds, p50, p99, len(times))


def _client(
    port: int,
    messages: list[bytes],
    share: int,
    seconds: int,
    offset: int,
    queue: "multiprocessing.Queue[tuple[list[float], int]]",
) -> None:
    times: list[float] = []
    failures: list[int] = []
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_connection, args=(port, messages, offset + index, until, times, failures))
        for index in range(share)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.put((times, len(failures)))


def _connection(
    port: int, messages: list[bytes], position: int, until: float, times: list[float], failures: list[int]
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < until:
            started = time.monotonic()
            connection.sendall(messages[position % len(messages)])
            position += 1
            if not _is_answered(connection):
                failures.append(1)
            times.append(time.monotonic() - started)


def _is_answered(connection: socket.socket) -> bool:
    """Reads one whole answer with a Content-Length; whether it was a 200."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    missing = int(length.group(1)) - len(body) if length else 0
    while missing > 0:
        missing -= len(connection.recv(65536))
    return head.startswith(b"HTTP/1.1 200")
