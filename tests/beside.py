"""Work beside a test on PostgreSQL, on a database connection of its own, and whether it waits for a lock of ours."""

import threading
from collections.abc import Callable

from django.db import connection


class Beside:
    """Work in a thread, and what came of it: `result` is what it returned or the exception it ended with."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.result: object = None
        self.pid: int | None = None
        self._started = threading.Event()
        self._work = work
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self._started.wait(120)

    def _run(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (self.pid,) = cursor.fetchone()
            self._started.set()
            self.result = self._work()
        except Exception as error:  # noqa: BLE001  (the test looks at it)
            self.result = error
        finally:
            connection.close()

    def wait_until_blocked(self) -> None:
        """Returns when it waits for another connection. Raises `AssertionError` when it ends without having waited."""
        with connection.cursor() as cursor:
            while self.thread.is_alive():
                cursor.execute("SELECT cardinality(pg_blocking_pids(%s))", [self.pid])
                if cursor.fetchone() != (0,):
                    return
        raise AssertionError("it did not wait")
