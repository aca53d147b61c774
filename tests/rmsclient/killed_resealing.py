"""Reseals a file and is killed with SIGKILL at every point where it does something to the file system, and in between.

Arguments: the protected file and where a copy of it is kept. Prints one JSON line for each death: which file there is then.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from rmsclient.connection import Connections
from rmsclient.credentials import SignInStore
from rmsclient.files import is_temporary
from rmsclient.resealing import Resealer

# What the interpreter tells of before it is done.
EVENTS = {"open", "os.chmod", "os.chown", "os.remove", "os.rename", "os.setxattr", "os.utime"}


def reseal(path: Path, last: int) -> None:
    """Seals the file anew, and dies at the point with this number; or not, when there are not so many."""
    left = last

    def pass_point() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        about = str(arguments[0]) if arguments else ""
        mine = event != "open" or str(path.parent) in about
        if event in EVENTS and mine:
            pass_point()

    fsync = os.fsync

    def counted_fsync(descriptor: int) -> None:
        pass_point()
        fsync(descriptor)

    with Connections(os.environ, SignInStore(path.parent / "none")) as connections:
        sys.addaudithook(hear)
        os.fsync = counted_fsync  # type: ignore[assignment]  # it is given descriptors only
        Resealer(connections).reseal(path, lambda count: pass_point())


def main() -> None:
    path, copy = map(Path, sys.argv[1:])
    original, last = copy.read_bytes(), 0
    while True:
        shutil.copy2(copy, path)
        child = os.fork()
        if not child:
            reseal(path, last)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        found = path.read_bytes()
        left = [name for name in os.listdir(path.parent) if is_temporary(name)]
        sys.stdout.write(
            json.dumps({"killed": os.WIFSIGNALED(status), "old": found == original, "left": len(left)}) + "\n"
        )
        path.with_name(f"after-{last}.ptxt").write_bytes(found)
        if not os.WIFSIGNALED(status):
            break
        for name in left:
            path.with_name(name).unlink()
        last += 1
    assert os.WEXITSTATUS(status) == 0


if __name__ == "__main__":
    main()
