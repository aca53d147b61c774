"""One server on a data directory at a time, and nothing left over from one that was killed."""

import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import IO

MARK = "RIGHTSKEEP_SUPERVISED"
LEFTOVERS_GET_SECONDS = 10.0


class RefusalError(Exception):
    """A reason not to start: one sentence for the operator."""


def claim(data_dir: Path) -> IO[str]:
    """Make the data directory and lock it for this process. The lock lives as long as the returned file is open,
    so a killed server leaves none behind. Raises `RefusalError`."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = (data_dir / "server.lock").open("a+", encoding="ascii")
    except OSError as error:
        raise RefusalError(f"The data directory {data_dir} cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise RefusalError(
            f"Rightskeep is already running on the data directory {data_dir} (process {holder})."
        ) from None
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


def end_leftovers(data_dir: Path) -> int:
    """End what a killed server left running on this data directory; call it with the claim in hand.

    They are found by a mark in their environment, so no process id can be mistaken for another's. Returns how many
    there were. Without `/proc` (macOS) none is found, and a port still held is reported by `check_port`.
    """
    found = _marked(data_dir)
    deadline = time.monotonic() + LEFTOVERS_GET_SECONDS
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(pid) == pid:  # a head ends its helpers itself, after they have finished their task
                os.kill(pid, signal.SIGTERM)
    while (remaining := _marked(data_dir)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in remaining:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while _marked(data_dir) and time.monotonic() < deadline + LEFTOVERS_GET_SECONDS:
        time.sleep(0.05)
    return len(found)


def check_port(address: str, port: int) -> None:
    """Raises `RefusalError` when nothing can listen there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen()
        except OSError as error:
            raise RefusalError(
                f"Port {port} on {address} cannot be used ({error.strerror}); choose another with --port."
            ) from error


def _marked(data_dir: Path) -> list[int]:
    if sys.platform != "linux":
        return []
    mark = f"{MARK}={data_dir}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found
