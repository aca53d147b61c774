"""The children of `script/server`: started on a leash, restarted when they die, stopped together."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence

STOP_SECONDS = 25.0
# More deaths than this within the window mean that restarting does not help.
MANY_DEATHS = 5
WINDOW_SECONDS = 120.0
LONGEST_PAUSE_SECONDS = 15.0


class Child:
    """A process that has to run as long as the server does."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths: deque[float] = deque(maxlen=MANY_DEATHS)
        self._not_before = 0.0

    def start(self) -> None:
        """In a session of its own, so that Ctrl-C reaches the supervisor alone and helpers can be swept by group."""
        leash = [sys.executable, "-m", "script.supervision.leash", str(os.getpid())]
        self._process = subprocess.Popen(
            [*leash, *self._command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            start_new_session=True,
        )

    def check(self) -> str | None:
        """Restart the process when it has died and its pause is over. Returns a remark about a death, once."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._not_before:
                self.start()
            return None
        code = self._process.poll()
        if code is None:
            return None
        self._sweep()
        self._process = None
        self._deaths.append(now)
        pause = min(2.0 ** (len(self._deaths) - 1), LONGEST_PAUSE_SECONDS)
        self._not_before = now + pause
        return f"The {self.name} process ended ({_how(code)}); starting it again in {pause:.0f} s."

    @property
    def is_hopeless(self) -> bool:
        """Whether it keeps dying however often it is started."""
        return len(self._deaths) == MANY_DEATHS and self._deaths[-1] - self._deaths[0] < WINDOW_SECONDS

    @property
    def has_died(self) -> bool:
        return bool(self._deaths)

    def terminate(self) -> None:
        """Ask it to finish what it is doing and end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait until it has ended; at the deadline (monotonic seconds) kill it. Nothing of its group survives."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        self._sweep()
        self._process.wait()

    def _sweep(self) -> None:
        """Kill helpers that outlived their head: a killed granian leaves workers that still hold the port."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def stop(children: Sequence[Child]) -> None:
    """End all, at once and in good order; whoever does not, is killed."""
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        child.terminate()
    for child in children:
        child.wait(deadline)


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
