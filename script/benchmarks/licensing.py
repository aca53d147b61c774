"""`script/bench licensing`: use licenses per second on PostgreSQL, beside an empty and a crypto-only view.

For each number of organizations: a database of its own (dropped again), filled by the product's own functions; the
real settings under granian with two processes of one thread; the load on the same machine. The figure is measured on
the smallest number of organizations.

All numbers are measured by turns, each kind of request on all of them within seconds, so that what else the machine does
meets all alike. `flatness` is the rate on the largest number divided by that on the smallest in the same round, the median
of all rounds; `flatness_range` shows how far single rounds lie apart, and so whether the machine was quiet enough.
`flatness_cpu` compares the processor time of server and database for a request instead, which depends less on who else
wants the processor.

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
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from script.benchmarks.licensing_parts.load import Figures, drive, generator
from script.benchmarks.scratch import database, environment_for
from script.supervision.server import web_command

ROOT = Path(__file__).resolve().parents[2]
ENDPOINT = "/my/v2/enduserlicenses"
KINDS = ("empty", "crypto", "use", "use spread")
PATHS = {"empty": "/my/reference/empty", "crypto": "/my/reference/crypto", "use": ENDPOINT}
WARM_UP_SECONDS = 3
START_SECONDS = 60.0


@dataclass(frozen=True)
class Window:
    """One measured window, with the processor time that server and database spent on each request."""

    figures: Figures
    web_cpu_us: float
    database_cpu_us: float

    @property
    def cpu_us(self) -> float:
        return self.web_cpu_us + self.database_cpu_us


# By kind, the windows in their order.
Windows = dict[str, list[Window]]


def main() -> None:
    """Measure, tell what was measured, and end with one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="script/bench licensing", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--tenants", type=int, nargs="+", default=[10, 1000], help="default: 10 1000")
    parser.add_argument("--seconds", type=int, default=4, help="length of a measured window (default 4)")
    parser.add_argument(
        "--rounds", type=int, default=8, help="the median of this many windows counts (default 8)"
    )
    parser.add_argument("--connections", type=int, default=16, help="default 16")
    options = parser.parse_args()
    with ExitStack() as stack:
        sizes = [stack.enter_context(_size(count, options)) for count in sorted(options.tenants)]
        measured = _by_turns(sizes, options)
    print(json.dumps(_summary(measured)))


def _summary(measured: dict[int, Windows]) -> dict[str, Any]:
    results = {
        count: {name: _median(count, name, windows) for name, windows in found.items()}
        for count, found in measured.items()
    }
    small = results[min(results)]
    few, many = measured[min(measured)], measured[max(measured)]
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
        **_flatness("flatness", few["use"], many["use"]),
        **_flatness("flatness_spread", few["use spread"], many["use spread"]),
        "load": generator(),
        "tenants": {str(count): result for count, result in results.items()},
    }


def _share(result: dict[str, dict[str, float]], name: str) -> float:
    """Of the crypto-only view measured in between: a machine that is slower for a while is so for both."""
    return result[name]["per_second"] / result["crypto"]["per_second"]


def _flatness(label: str, few: list[Window], many: list[Window]) -> dict[str, Any]:
    """How the windows of the most organizations compare with those of the fewest, round by round."""
    pairs = list(zip(few, many, strict=True))
    rates = [more.figures.per_second / less.figures.per_second for less, more in pairs]
    cpu = [less.cpu_us / more.cpu_us for less, more in pairs if more.cpu_us]
    return {
        label: round(statistics.median(rates), 3),
        f"{label}_range": [round(min(rates), 3), round(max(rates), 3)],
        f"{label}_cpu": round(statistics.median(cpu), 3) if cpu else None,
    }


def _by_turns(sizes: "list[Size]", options: argparse.Namespace) -> dict[int, Windows]:
    """The windows of each size. Who comes first changes from round to round, so that a drift meets both."""
    measured: dict[int, Windows] = {size.count: {kind: [] for kind in KINDS} for size in sizes}
    for number in range(-1, options.rounds):
        for kind in KINDS:
            for size in sizes if number % 2 else reversed(sizes):
                window = size.window(kind, seconds=WARM_UP_SECONDS if number < 0 else options.seconds)
                if number >= 0:
                    measured[size.count][kind].append(window)
    return measured


@contextmanager
def _size(count: int, options: argparse.Namespace) -> Iterator["Size"]:
    """A filled database with its server, as long as it is measured."""
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
            yield Size(count, port, server, address, options.connections, hot, spread)


@dataclass(frozen=True)
class Size:
    """A number of organizations, and where they are measured: a server (port and process) and its database."""

    count: int
    port: int
    server: int
    database: str
    connections: int
    hot: Path
    spread: Path

    def window(self, name: str, *, seconds: int) -> Window:
        """Load one address; an answered use license without its usage row is an error."""
        kind, asked = name.partition(" ")[0], self.spread if "spread" in name else self.hot
        rows, web, database = _log_rows(self.database), self._web_seconds(), self._database_seconds()
        figures = drive(self.port, PATHS[kind], asked, connections=self.connections, seconds=seconds)
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
