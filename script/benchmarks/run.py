"""`script/bench NAME [options]`: run one benchmark; without a name, list them.

A benchmark is a module here whose first line begins with its command. Its last line on stdout is one JSON object.
"""

import ast
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Become the benchmark that was named."""
    known = _benchmarks()
    name = sys.argv[1] if sys.argv[1:] else ""
    if name in ("", "--help", "-h"):
        for each, line in sorted(known.items()):
            print(f"{each:12} {line}")
        return
    if name not in known:
        sys.exit(f"There is no benchmark {name!r}; there are: {', '.join(sorted(known))}.")
    os.execv(sys.executable, [sys.executable, "-m", f"script.benchmarks.{name}", *sys.argv[2:]])


def _benchmarks() -> dict[str, str]:
    found = {}
    for path in HERE.glob("*.py"):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        command, _, line = text.splitlines()[0].partition(": ") if text else ("", "", "")
        if command == f"`script/bench {path.stem}`":
            found[path.stem] = line
    return found


if __name__ == "__main__":
    main()
