"""`/metrics` for Prometheus: a listener of its own, off unless RIGHTSKEEP_METRICS names where.

Never on the public port: it is a process beside web, worker and beat, which answers nothing else. Labels never carry an
organization's name, or anything that people wrote.
"""

import logging
import os
import platform
import resource
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from django.db import DatabaseError, close_old_connections, connection

from administration import figures
from portal.health import readiness

log = logging.getLogger(__name__)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# A scraper that does not finish its request keeps the next one waiting no longer.
PATIENCE_SECONDS: Final = 10
_STARTED: Final = time.time()


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name, `gauge` or `counter`, what it means, and its values by labels."""

    name: str
    kind: str
    meaning: str
    values: Mapping[tuple[tuple[str, str], ...], float]

    def __str__(self) -> str:
        lines = [f"# HELP {self.name} {self.meaning}", f"# TYPE {self.name} {self.kind}"]
        for labels, value in self.values.items():
            text = ",".join(f'{name}="{_escaped(content)}"' for name, content in labels)
            lines.append(f"{self.name}{{{text}}} {value:.17g}" if text else f"{self.name} {value:.17g}")
        return "\n".join(lines) + "\n"


class Exposition:
    """All metrics, each time they are asked for."""

    def __init__(self) -> None:
        self._calls = figures.DeviceCalls()

    def text(self) -> str:
        """In Prometheus' text format. A database that is down leaves the readiness and the process to be told."""
        close_old_connections()
        ready = readiness()
        families = [_gauge("rightskeep_ready", "Whether a part of the service answers.", "part", ready)]
        try:
            families += self._figures()
        except DatabaseError as error:
            log.warning("figures cannot be read", extra={"reason": type(error).__name__})
        finally:
            close_old_connections()
        return "".join(map(str, [*families, *_process()]))

    def _figures(self) -> Iterator[Family]:
        waiting = figures.jobs_waiting()
        yield _gauge("rightskeep_jobs_waiting", "Jobs that are due and not done.", "job", waiting)
        lag = figures.log_lag()
        name = "rightskeep_usage_rows_waiting"
        yield _single(name, "Rows of the usage log that are in no daily file yet.", lag.rows)
        name = "rightskeep_usage_oldest_waiting_seconds"
        yield _single(name, "Age of the oldest of these rows.", lag.oldest_seconds)
        if lag.since_sealed_seconds is not None:
            name = "rightskeep_aggregation_age_seconds"
            yield _single(name, "Time since rows were last put into a file.", lag.since_sealed_seconds)
        states = figures.organizations()
        yield _gauge("rightskeep_organizations", "Organizations of the installation.", "state", states)
        meaning = "Documents registered; of many, on PostgreSQL, about."
        yield _single("rightskeep_documents", meaning, figures.documents())
        self._calls.look()
        yield Family(
            "rightskeep_device_calls_total",
            "counter",
            "Authenticated calls of devices and pages in the usage log since this listener started.",
            {
                (("request", request), ("result", result)): count
                for (request, result), count in self._calls.counts.items()
            },
        )


def _gauge(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Family:
    return Family(name, "gauge", meaning, {((label, key),): value for key, value in values.items()})


def _single(name: str, meaning: str, value: float, kind: str = "gauge") -> Family:
    return Family(name, kind, meaning, {(): value})


def _process() -> Iterator[Family]:
    """This listener, under the names every Prometheus client uses, and what the installation runs on."""
    about = {
        "version": version("rightskeep"),
        "python": platform.python_version(),
        "database": connection.vendor,
    }
    yield Family("rightskeep_info", "gauge", "What runs here.", {tuple(about.items()): 1})
    yield _single("process_start_time_seconds", "When this listener started.", _STARTED)
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield _single("process_cpu_seconds_total", "CPU time used.", used.ru_utime + used.ru_stime, "counter")
    statm, descriptors = Path("/proc/self/statm"), Path("/proc/self/fd")
    if statm.exists():  # Linux
        pages = int(statm.read_text().split()[1])
        size = pages * os.sysconf("SC_PAGE_SIZE")
        yield _single("process_resident_memory_bytes", "Memory in use.", size)
        yield _single("process_open_fds", "Open files.", len(list(descriptors.iterdir())))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def make_server(host: str, port: int) -> HTTPServer:
    """A listener bound to that address; `serve_forever` answers one scrape at a time. Raises OSError."""
    exposition = Exposition()

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_SECONDS

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            body = exposition.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Scrapes are not news."""

    class Server(HTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    return Server((host, port), Handler)
