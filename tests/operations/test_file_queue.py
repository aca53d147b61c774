"""The broker of the one-command start under contention: several processes take from, and put into, the same folder."""

import subprocess
import sys
from pathlib import Path

from tests.operations.running_server import PATIENCE, ROOT

WORKERS, MESSAGES = 3, 200
# Takes until nothing has come for a second, and prints what it took. Folders and transport are those of the settings.
WORKER = """
import sys
from queue import Empty
from kombu import Connection
from portal import file_queue
file_queue.register()
folder, own, messages = sys.argv[1:]
options = {"data_folder_in": folder + "/messages", "data_folder_out": folder + "/messages",
           "control_folder": folder + "/control", "polling_interval": 0.01}
with Connection("files://localhost", transport_options=options) as connection:
    queue = connection.SimpleQueue("celery")
    if own == "put":
        for number in range(int(messages)):
            queue.put({"number": number})
        sys.exit()
    patience = 4
    while True:
        try:
            message = queue.get(timeout=patience)
        except Empty:
            break
        patience = 1
        message.ack()
        print(message.payload["number"])
"""


def test_each_message_reaches_one_worker_and_no_worker_dies(tmp_path: Path) -> None:
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()

    def run(role: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), role, str(MESSAGES)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    run("put").communicate(timeout=PATIENCE)  # so that all of them find something to contend for at once
    workers = [run(role) for role in ("put", *["take"] * WORKERS)]
    taken: list[int] = []
    for worker in workers:
        out, errors = worker.communicate(timeout=PATIENCE)
        assert worker.returncode == 0, errors
        taken += map(int, out.split())
    assert sorted(taken) == sorted([*range(MESSAGES), *range(MESSAGES)])
    assert list((tmp_path / "messages").iterdir()) == []
