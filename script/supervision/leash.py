"""`python -m script.supervision.leash PARENT COMMAND…`: become COMMAND, and get SIGTERM when PARENT dies.

A supervisor killed with -9 cannot stop anybody, so its children have to notice by themselves. A tiny program of its
own, because code between fork and exec may not do what Python does.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Elsewhere than on Linux the leash is only the session of its own; `claim.end_leftovers` does not help there."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # died before the line above
        sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
