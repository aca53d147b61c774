"""`script/bench policies`: the pages of templates and the question "what if" for one large organization, on PostgreSQL.

A database of its own (dropped again) with 100,000 people in nested groups and 500 templates of 50 grants each. What is
measured is the time the server takes for a whole request, through all middleware, without network; facts remembered for
five seconds are forgotten before each. The reference is an authenticated page without content of its own.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from script.benchmarks.scratch import database, environment_for

ROOT = Path(__file__).resolve().parents[2]
LIMIT_MS = 200


def main() -> None:
    """Measure, tell what was measured, and end with one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="script/bench policies", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--people", type=int, default=100_000, help="default 100000")
    parser.add_argument("--templates", type=int, default=500, help="default 500")
    parser.add_argument("--grants", type=int, default=50, help="grants of each template (default 50)")
    parser.add_argument("--rounds", type=int, default=15, help="the median of so many counts (default 15)")
    options = parser.parse_args()
    with database() as address, tempfile.TemporaryDirectory(prefix="rightskeep-bench-") as directory:
        target = Path(directory) / "measured"
        sizes = (options.people, options.templates, options.grants, options.rounds)
        subprocess.run(
            [sys.executable, "-m", "script.benchmarks.policies_parts.measure", *map(str, sizes), str(target)],
            cwd=ROOT,
            env=environment_for(address, Path(directory)),
            check=True,
        )
        measured: dict[str, dict[str, float]] = json.loads(target.read_text(encoding="utf-8"))
    empty = measured.pop("empty page")["median_ms"]
    slowest = max(measured, key=lambda name: measured[name]["median_ms"])
    summary = {
        "name": "policies",
        "figure": measured[slowest]["median_ms"],
        "unit": "ms in the server (slowest page, median)",
        "reference": empty,
        "ratio": round(measured[slowest]["median_ms"] / empty, 2),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "reference_is": "an authenticated page without content of its own, in the same run",
        "slowest": slowest,
        "within_limit": measured[slowest]["median_ms"] <= LIMIT_MS,
        "limit_ms": LIMIT_MS,
        "people": options.people,
        "templates": options.templates,
        "grants": options.grants,
        "pages": measured,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
