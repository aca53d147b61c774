"""`script/bench directory`: lists, search, group evaluation and SCIM of 100,000 people and 10,000 groups, beside 1,000 people.

For each number of people: a database of its own (dropped again) with a tenth as many groups, nested four deep, five
memberships a person, and every person and group kept by directory sync. Each case is a whole request through Django's
test client, or (`license facts`) the statement by which a use license learns who asks; a person is asked for once, so that
nothing remembered helps. The figure is the median of the slowest case among the many, `ratio` how many times the median of
the few it takes at worst. Both are asked by turns.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from script.benchmarks.scratch import database, environment_for

ROOT = Path(__file__).resolve().parents[2]
FEW = 1000
WARM_UP = 3


def main() -> None:
    """Measure, tell what was measured, and end with one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="script/bench directory", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--people", type=int, default=100_000, help="default 100000; compared with 1000")
    parser.add_argument("--rounds", type=int, default=40, help="requests of each kind (default 40)")
    parser.add_argument(
        "--plans", action="store_true", help="print the slow statements of the many, with plans"
    )
    options = parser.parse_args()
    with _worker(FEW, plans=False) as few, _worker(options.people, plans=options.plans) as many:
        taken = {name: _alternate(name, (few, many), options.rounds) for name in few.cases}
    for name, (less, more) in taken.items():
        print(f"{name:24}: {less:8.2f} ms, {more:8.2f} ms, {more / less:5.2f} times", flush=True)
    print(json.dumps(_summary(taken, options.people)))


@dataclass(frozen=True)
class Worker:
    """A process with its own database, and the cases it can be asked for."""

    process: "subprocess.Popen[str]"
    cases: list[str]

    def ask(self, name: str, number: int) -> float:
        """The milliseconds one request took."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name}\t{number}\n")
        self.process.stdin.flush()
        return float(self.read())

    def read(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a worker ended early")
        return line.strip()


@contextmanager
def _worker(people: int, *, plans: bool) -> Iterator[Worker]:
    with database() as address, tempfile.TemporaryDirectory(prefix="rightskeep-bench-") as directory:
        environment = environment_for(address, Path(directory))
        (Path(directory) / "data" / "static").mkdir(parents=True)
        command = [sys.executable, "-m", "script.benchmarks.directory_parts.measuring", str(people)]
        command += ["plans"] if plans else []
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            worker = Worker(process, [])
            worker.cases.extend(json.loads(worker.read()))
            yield worker
        finally:
            process.terminate()
            process.wait(30)


def _alternate(name: str, workers: tuple[Worker, ...], rounds: int) -> tuple[float, ...]:
    """The median of each; by turns, so that a machine that is slow for a while is so for both."""
    taken: list[list[float]] = [[] for _ in workers]
    for number in range(-WARM_UP, rounds):
        for worker, times in zip(workers, taken, strict=True):
            milliseconds = worker.ask(name, number)
            if number >= 0:
                times.append(milliseconds)
    return tuple(round(statistics.median(times), 2) for times in taken)


def _summary(taken: dict[str, tuple[float, ...]], people: int) -> dict[str, Any]:
    ratios = {name: round(more / less, 2) for name, (less, more) in taken.items()}
    slowest = max(taken, key=lambda name: taken[name][1])
    return {
        "name": "directory",
        "figure": taken[slowest][1],
        "unit": "ms",
        "reference": taken[slowest][0],
        "ratio": max(ratios.values()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "figure_is": slowest,
        "ratio_is": max(ratios, key=lambda name: ratios[name]),
        "people": people,
        "groups": people // 10,
        "compared_with": FEW,
        "ratios": ratios,
        "ms": {name: more for name, (_less, more) in taken.items()},
    }


if __name__ == "__main__":
    main()
