"""What the fuzz programs of binary formats share: injuring bytes, and running cases that can be repeated."""

import argparse
import random
import sys
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from rms.errors import FormatError

T = TypeVar("T")


def bent(data: bytes, rng: random.Random) -> bytes:
    """One to four small injuries: bits turned, pieces lost, doubled, zeroed or replaced, the end cut off or grown."""
    result = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(result) + 1)
        length = min(rng.choice((1, 2, 4, 16, 64, 400)), len(result) - at)
        match rng.randrange(7):
            case 0 if at < len(result):
                result[at] ^= 1 << rng.randrange(8)
            case 1:
                del result[at : at + length]
            case 2:
                result[at:at] = result[at : at + length]
            case 3:
                result[at : at + length] = bytes(length)
            case 4:
                result[at : at + length] = rng.randbytes(length)
            case 5:
                del result[at:]
            case _:
                result += bytes(length) if rng.random() < 0.5 else rng.randbytes(length)
    return bytes(result)


def run(
    targets: Mapping[str, Callable[[T, random.Random], None]],
    make: Callable[[], T],
    name: str,
    cases: int,
    seed: int,
) -> int:
    """Run the cases of one target; the number of those refused with a FormatError. Anything else is raised."""
    subject, refused = make(), 0
    for case in range(cases):
        try:
            targets[name](subject, random.Random(f"{seed}/{name}/{case}"))
        except FormatError:
            refused += 1
        except BaseException as error:
            error.add_note(f"found by fuzz target {name!r}, seed {seed}, case {case}")
            raise
    return refused


def run_by_hand(
    description: str, targets: Mapping[str, Callable[[T, random.Random], None]], make: Callable[[], T]
) -> None:
    """The command line of a fuzz program."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cases", type=int, default=100_000, help="cases per target")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--target", choices=targets, action="append")
    options = parser.parse_args()
    for name in options.target or targets:
        started = time.monotonic()
        refused = run(targets, make, name, options.cases, options.seed)
        elapsed = time.monotonic() - started
        sys.stdout.write(
            f"{name}: {options.cases} cases, {refused} refused, nothing found, {elapsed:.1f} s (seed {options.seed})\n"
        )
