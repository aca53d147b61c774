"""`rightskeep protect` as a process of its own, stopped while the service is asked to seal."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rmsclient.files import TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from tests.rmsclient.conftest import names
from tests.rmsclient.stub_service import TEMPLATE

# A hang ends the test, a busy machine does not.
WAIT = 120


@pytest.fixture
def stopped(server, service, folder, tmp_path):
    reached, go_on = threading.Event(), threading.Event()

    def hold():
        reached.set()
        go_on.wait(WAIT)

    def stop(number):
        service.before_seal = hold
        process = subprocess.Popen(
            [sys.executable, "-m", "rmsclient", "protect", folder, *TEMPLATE],
            cwd=Path(__file__).parents[2],
            env={
                **os.environ,
                "RIGHTSKEEP_URL": server.url,
                "RIGHTSKEEP_TOKEN": "secret-token",
                "XDG_CONFIG_HOME": str(tmp_path),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert reached.wait(WAIT)
        process.send_signal(number)
        process.communicate(timeout=WAIT)
        go_on.set()
        service.before_seal = lambda: None
        return process.returncode

    # A suite that runs in the background is told to ignore Ctrl-C, and so would be what it starts.
    outer = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield stop
    signal.signal(signal.SIGINT, outer)
    go_on.set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_half_written_stays(stopped, folder, number):
    before = names(folder)
    assert stopped(number) == 130
    assert names(folder) == before


def test_the_next_run_clears_up_after_a_kill(stopped, rightskeep, folder):
    assert stopped(signal.SIGKILL) == -signal.SIGKILL
    left = [name for name in names(folder) if Path(name).name.startswith(TEMPORARY_PREFIX)]
    assert len(left) == 1
    assert rightskeep("protect", folder, *TEMPLATE).code == 0
    assert "a.ptxt" in names(folder)
    assert not [name for name in names(folder) if name.endswith(TEMPORARY_SUFFIX)]
