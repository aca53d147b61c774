"""Worker processes of their own: started from a test, forked by each other, killed with SIGKILL at a counted point.

A process that forks has one thread and no open connection.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection

from keys.backends import pkcs11, software

Say = Callable[[Any], None]


# --- from a test -------------------------------------------------------------------------------------------
def worker(module: str, *arguments: str) -> Any:
    """Run a module of `tests.keys` on the test's database, which is empty and migrated; returns what it found out."""
    database = connection.settings_dict
    if connection.vendor == "postgresql":
        who = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT'] or 5432}"
        url = f"postgres://{who}/{database['NAME']}"
    else:
        url = f"sqlite:///{database['NAME']}"
    connection.close()
    run = subprocess.run(
        [sys.executable, "-m", f"tests.keys.{module}", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, "RIGHTSKEEP_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "portal.settings"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


# --- in the worker -----------------------------------------------------------------------------------------
def kill_everywhere(
    prepare: Callable[[Any], Any],
    act: Callable[[Any], None],
    check: Callable[[Any], None],
    *,
    stride: int = 1,
    done: Callable[[Any], None] | None = None,
) -> tuple[int, Any]:
    """Let workers die at the 1st, (1 + stride)th … point of `act`, until one gets through. Returns how many died, and what
    `prepare` returned last.

    Each begins with `check` of what the one before it left behind. `prepare`, given what it returned for that one, returns
    what `act` works on and `check` is given. `done`, else `check`, is for what the last one left.
    """

    def live(say: Say, left: Any, point: int) -> None:
        if left is not None:
            check(left)
        found = prepare(left)
        say(found)
        with_kill_at(point)
        act(found)

    def look(say: Say, left: Any) -> None:
        (done or check)(left)
        say({})

    left, died = None, 0
    while True:
        left, killed = finish(start(live, left, 1 + died * stride))
        if not killed:
            run(look, left)
            return died, left
        died += 1


def with_kill_at(point: int) -> None:
    """From now on: die at the `point`th commit or use of the key store, counted before and after each.

    What is written outside a transaction is a commit. Inside one, all points before the commit are the same to everybody
    else.
    """
    passed = 0

    def pass_point() -> None:
        nonlocal passed
        passed += 1
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(work: Callable[..., Any]) -> Callable[..., Any]:
        def traced(*args: Any, **options: Any) -> Any:
            pass_point()
            result = work(*args, **options)
            pass_point()
            return result

        return traced

    def statement(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if connection.in_atomic_block or sql.lstrip().upper().startswith("SELECT"):
            return execute(sql, *args)
        return around(execute)(sql, *args)

    connection.execute_wrappers.append(statement)
    connection._commit = around(connection._commit)  # type: ignore[attr-defined]  # where every commit passes
    for place, name in (
        (software, "generate"),
        (software, "load"),
        (software.SoftwareKey, "sign"),
        (software.SoftwareKey, "decrypt"),
        (pkcs11.Token, "run"),
    ):
        setattr(place, name, around(getattr(place, name)))


def run(work: Callable[..., None], *arguments: Any) -> Any:
    """What a forked process says, which does `work` to its end."""
    said, killed = finish(start(work, *arguments))
    assert not killed
    return said


def start(work: Callable[..., None], *arguments: Any) -> tuple[int, int]:
    """Fork a process that does `work`, which says what it has found to the first argument it is given."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    status = 1
    try:
        os.close(reader)
        with os.fdopen(writer, "w", buffering=1) as pipe:
            work(lambda found: pipe.write(json.dumps(found) + "\n"), *arguments)
        status = 0
    except BaseException:  # noqa: BLE001  (nothing may return from a fork)
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def finish(process: tuple[int, int]) -> tuple[Any, bool]:
    """What a process has said, and whether it was killed; it must not have failed."""
    pid, reader = process
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not killed and os.WEXITSTATUS(status) != 0:
        raise SystemExit("a worker failed")
    return json.loads(said), killed


def is_running(process: tuple[int, int]) -> bool:
    with open(f"/proc/{process[0]}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
