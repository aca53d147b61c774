"""Fuzz the reader and the judge of integrity records.

In the suite a fixed number of cases with a fixed seed (test_fuzz_files.py); by hand as long as you like:

    python tests/fuzz/fuzz_record.py --cases 1000000 [--seed N] [--target NAME]
"""

import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rms.integrity import LABEL, RECORD_SPACE, SealedRecord, decode_record, encode_record, verify_record
from rms.xrml import parse_license
from tests.fuzz.running import bent, run_by_hand
from tests.rms.licenses import ALICE, CONTENT, ISSUED, issue, make_terms, signing_key

ROOT = bytes(range(32))


class Targets:
    """One method per reader; each takes a source of randomness and may raise FormatError only."""

    def __init__(self) -> None:
        key = signing_key("fuzz", 1024)
        self.license = parse_license(issue(make_terms(sealed=True), key=key))
        self.record = SealedRecord(
            CONTENT, 4112, ROOT, ALICE, "alice@contoso.example", ISSUED, key.public.fingerprint
        )
        self.data = encode_record(self.record, key.sign(self.record.to_signed_bytes()))

    def reading(self, rng: random.Random) -> None:
        """A record that can be read is written the same way, and fits its space."""
        if rng.random() < 0.5:
            data = bent(self.data, rng)
        else:
            parts = [
                16,
                8,
                32,
                16,
                rng.choice((0, 1, 254, 1016, 1017)),
                8,
                32,
                rng.choice((0, 1, 128, 1024, 1025)),
            ]
            if rng.random() < 0.5:
                parts[rng.randrange(8)] = rng.choice((0, 1, 7, 9, 31, 33))
            data = LABEL + b"".join(struct.pack("<I", size) + part_of(size, rng) for size in parts)
        record, signature = decode_record(data)
        again = encode_record(record, signature)
        assert len(again) <= RECORD_SPACE
        assert data.rstrip(b"\0") == again.rstrip(b"\0")

    def judging(self, rng: random.Random) -> None:
        """Nothing but the record itself is taken for it, whatever zeros follow."""
        data = bent(self.data, rng)
        integrity = verify_record(data, self.license, ROOT, 4112)
        if integrity.state == "unaltered":
            assert integrity.record == self.record
            assert data[: len(self.data)] == self.data
        else:
            assert integrity.state == "altered"
            assert integrity.record is None


def part_of(size: int, rng: random.Random) -> bytes:
    """Text, zeros or noise, so that addresses and times are sometimes good ones."""
    match rng.randrange(3):
        case 0:
            return b"a" * size
        case 1:
            return bytes([rng.randrange(256)]) + bytes(size - 1) if size else b""
        case _:
            return rng.randbytes(size)


TARGETS: dict[str, Callable[[Targets, random.Random], None]] = {
    "reading": Targets.reading,
    "judging": Targets.judging,
}

if __name__ == "__main__":
    run_by_hand("Fuzz the reader of integrity records.", TARGETS, Targets)
