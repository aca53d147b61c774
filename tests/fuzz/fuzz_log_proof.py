"""Fuzz the reader of proofs of daily logs, and what is checked by them.

In the suite a fixed number of cases with a fixed seed (test_fuzz_files.py); by hand as long as you like:

    python tests/fuzz/fuzz_log_proof.py --cases 1000000 [--seed N] [--target NAME]
"""

import copy
import datetime as dt
import hashlib
import io
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rms.daily_log import DayProof, Part, find_alteration, find_breaks, genesis, link
from tests.fuzz.running import bent, run_by_hand

VALUES = (None, True, 0, -1, 2**53, 10**400, 1.5, float("nan"), "", "x", "0" * 64, "A" * 64, "é" * 64, [], {}, [[]], "9999-99-99")  # fmt: skip
HEADER, ROWS = b"#Software: RMS\n#Fields: date\n", (b"one\ntwo\n", b"three\n", b"four\n")


class Targets:
    """One method per reader; each takes a source of randomness and may raise FormatError only."""

    def __init__(self) -> None:
        parts, chain = [], genesis("installation")
        for number, rows in enumerate(ROWS, 1):
            sha256 = hashlib.sha256(rows).hexdigest()
            chain = link(chain, sha256)
            parts.append(Part(number, rows.count(b"\n"), sha256, chain))
        header = hashlib.sha256(HEADER).hexdigest()
        self.proof = DayProof("https://x", "installation", dt.date(2026, 3, 1), 2, header, tuple(parts))
        self.file = HEADER + b"".join(ROWS)

    def claims(self, rng: random.Random) -> None:
        """Claims of any shape, as whoever holds the key could sign them; what is accepted can be checked."""
        claims: Any = copy.deepcopy(self.proof.to_claims())
        for _ in range(rng.randint(0, 2)):
            place: Any = claims
            while True:
                name = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
                if not (isinstance(place[name], list) and place[name]) or rng.random() < 0.4:
                    break
                place = place[name]
            place[name] = rng.choice(VALUES)
        proof = DayProof.from_claims(claims)
        find_alteration(proof, io.BytesIO(self.file))
        list(find_breaks([proof, self.proof]))

    def files(self, rng: random.Random) -> None:
        """Whatever was done to a file, it is found; nothing is raised."""
        file = bent(self.file, rng)
        assert (find_alteration(self.proof, io.BytesIO(file)) is None) == (file == self.file)


TARGETS: dict[str, Callable[[Targets, random.Random], None]] = {
    "claims": Targets.claims,
    "files": Targets.files,
}

if __name__ == "__main__":
    run_by_hand("Fuzz the reader of proofs of daily logs.", TARGETS, Targets)
