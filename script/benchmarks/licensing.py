"""`script/bench licensing`: use licenses per second on PostgreSQL, beside an empty and a crypto-only view.

For each number of organizations: a database of its own (dropped again), filled by the product's own functions; the
real settings under granian with two processes of one thread; the load on the same machine. The figure is measured on
the smallest number of organizations; `flatness` is the largest number's share of crypto-only divided by the smallest's.

`hot` requests open 64 documents over and over, `spread` requests open 2,000 of all organizations in turn, so that
facts remembered for five seconds help less.
"""

import argparse
import http.client
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from script.benchmarks.licensing_parts.load import Figures, drive, generator
from script.benchmarks.scratch import database, environment_for
from script.supervision.server import web_command

ROOT = Path(__file__).resolve().parents[2]
ENDPOINT = "/my/v2/enduserlicenses"
PATHS = {"empty": "/my/reference/empty", "crypto": "/my/reference/crypto", "use": ENDPOINT}
WARM_UP_SECONDS = 3
START_SECONDS = 60.0


@dataclass(frozen=True)
class Window:
    """One measured window, with the processor time that server and database spent on each request."""

    figures: Figures
    web_cpu_us: float
    database_cpu_us: float


def main() -> None:
    """Measure, tell what was measured, and end with one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="script/bench licensing", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--tenants", type=int, nargs="+", default=[10, 1000], help="default: 10 1000")
    parser.add_argument("--seconds", type=int, default=6, help="length of a measured window (default 6)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="the median of this many windows counts (default 3)"
    )
    parser.add_argument("--connections", type=int, default=16, help="default 16")
    options = parser.parse_args()
    results = {count: _measure(count, options) for count in sorted(options.tenants)}
    print(json.dumps(_summary(results)))


def _summary(results: dict[int, dict[str, dict[str, float]]]) -> dict[str, Any]:
    small, large = results[min(results)], results[max(results)]
    return {
        "name": "licensing",
        "figure": small["use"]["per_second"],
        "unit": "use licenses/s",
        "reference": small["crypto"]["per_second"],
        "ratio": round(_share(small, "use"), 3),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "reference_is": "the same server's view that only parses, verifies and decrypts",
        "ratio_to_empty_view": round(small["use"]["per_second"] / small["empty"]["per_second"], 3),
        "p50_ms": small["use"]["p50_ms"],
        "p99_ms": small["use"]["p99_ms"],
        "flatness": round(_share(large, "use") / _share(small, "use"), 3),
        "flatness_spread": round(_share(large, "use spread") / _share(small, "use spread"), 3),
        "load": generator(),
        "tenants": {str(count): result for count, result in results.items()},
    }


def _share(result: dict[str, dict[str, float]], name: str) -> float:
    """Of the crypto-only view measured in between: a machine that is slower for a while is so for both."""
    return result[name]["per_second"] / result["crypto"]["per_second"]


def _measure(count: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    with database() as address, tempfile.TemporaryDirectory(prefix="rightskeep-bench-") as directory:
        environment = environment_for(address, Path(directory))
        (Path(directory) / "data" / "static").mkdir(parents=True)
        started = time.monotonic()
        _module(
            "script.benchmarks.licensing_parts.population",
            str(count),
            f"{directory}/asked",
            environment=environment,
        )
        print(f"{count} organizations: filled in {time.monotonic() - started:.0f} s", flush=True)
        hot, spread = _requests(Path(directory))
        with _server(environment) as (port, server):
            _check(port, spread)
            windows: dict[str, list[Window]] = {"empty": [], "crypto": [], "use": [], "use spread": []}
            for number in range(-1, options.rounds):
                for name, found in windows.items():
                    asked = spread if "spread" in name else hot
                    seconds = WARM_UP_SECONDS if number < 0 else options.seconds
                    measure = Measure(port, server, address, options.connections, seconds)
                    window = measure.window(name.partition(" ")[0], asked)
                    if number >= 0:
                        found.append(window)
        return {name: _median(count, name, found) for name, found in windows.items()}


@dataclass(frozen=True)
class Measure:
    """Where and how long one window is measured."""

    port: int
    server: int
    database: str
    connections: int
    seconds: int

    def window(self, kind: str, asked: Path) -> Window:
        """Load one address; an answered use license without its usage row is an error."""
        rows, web, database = _log_rows(self.database), self._web_seconds(), self._database_seconds()
        figures = drive(self.port, PATHS[kind], asked, connections=self.connections, seconds=self.seconds)
        web, database = self._web_seconds() - web, self._database_seconds() - database
        if kind == "use" and (written := _log_rows(self.database) - rows) < figures.answered:
            raise RuntimeError(f"{figures.answered} answers, but only {written} usage rows")
        return Window(figures, web * 1e6 / figures.answered, database * 1e6 / figures.answered)

    def _web_seconds(self) -> float:
        return _cpu_seconds([self.server, *_children(self.server)])

    def _database_seconds(self) -> float:
        return _cpu_seconds(_backends(self.database))


def _median(count: int, name: str, windows: list[Window]) -> dict[str, float]:
    rates = [window.figures.per_second for window in windows]
    median = {
        "per_second": round(statistics.median(rates), 1),
        "p50_ms": round(statistics.median(window.figures.p50_ms for window in windows), 1),
        "p99_ms": round(statistics.median(window.figures.p99_ms for window in windows), 1),
        "web_cpu_us": round(statistics.median(window.web_cpu_us for window in windows)),
        "database_cpu_us": round(statistics.median(window.database_cpu_us for window in windows)),
    }
    print(
        f"{count:5} organizations, {name:10}: {median['per_second']:8.1f}/s ({min(rates):.0f} to {max(rates):.0f}), "
        f"p50 {median['p50_ms']:.1f} ms, p99 {median['p99_ms']:.1f} ms, CPU a request: "
        f"web {median['web_cpu_us']} us, database {median['database_cpu_us']} us",
        flush=True,
    )
    return median


def _module(name: str, *arguments: str, environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-m", name, *arguments], cwd=ROOT, env=environment, check=True)


def _requests(directory: Path) -> tuple[Path, Path]:
    """Two files of `token TAB body` for the load generator: the hot ones, and all of them shuffled."""
    asked = [json.loads(line) for line in (directory / "asked").read_text(encoding="ascii").splitlines()]
    random.Random(1).shuffle(asked)
    hot, spread = directory / "hot", directory / "spread"
    hot.write_text(
        "".join(f"{each['token']}\t{each['body']}\n" for each in asked if each["hot"]), encoding="ascii"
    )
    spread.write_text("".join(f"{each['token']}\t{each['body']}\n" for each in asked), encoding="ascii")
    return hot, spread


@contextmanager
def _server(environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    application = "script.benchmarks.licensing_parts.reference_wsgi:application"
    process = subprocess.Popen(web_command("127.0.0.1", port, 2, application), cwd=ROOT, env=environment)
    try:
        _wait(process, port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if _post(port, PATHS["empty"], "", "{}")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def _check(port: int, requests: Path) -> None:
    """A benchmark of refusals would be worthless: some of what will be asked is asked once and looked at."""
    for line in requests.read_text(encoding="ascii").splitlines()[:100]:
        token, body = line.split("\t")
        status, answer = _post(port, ENDPOINT, token, body)
        if status != 200 or answer.get("AccessStatus") != "AccessGranted":
            raise RuntimeError(f"not granted: {status} {answer}")
        _, reference = _post(port, PATHS["crypto"], token, body)
        if reference["Key"] != answer["Key"]:
            raise RuntimeError("the crypto-only view found another content key")


def _post(port: int, path: str, token: str, body: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(
            "POST", path, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def _log_rows(address: str) -> int:
    with psycopg.connect(address) as connection:
        row = connection.execute("SELECT last_value FROM audit_usageevent_id_seq").fetchone()
        return int(row[0]) if row else 0


def _backends(address: str) -> list[int]:
    with psycopg.connect(address) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [row[0] for row in found]


def _children(parent: int) -> list[int]:
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{parent}/task").iterdir():
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def _cpu_seconds(pids: list[int]) -> float:
    """What these processes have used so far; 0 where there is no `/proc`."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # utime, stime
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
