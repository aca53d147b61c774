"""Fuzz the readers of protected files: header, names, content ciphers and the whole way of opening.

In the suite a fixed number of cases with a fixed seed (test_fuzz_files.py); by hand as long as you like:

    python tests/fuzz/fuzz_pfile.py --cases 1000000 [--seed N] [--target NAME]

A finding is any exception other than FormatError, or a result that cannot be. It is printed with the case that
reproduces it.
"""

import io
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rms.ciphers import DecryptingReader, Decryptor
from rms.content_key import CipherMode, ContentKey
from rms.integrity import SealedRecord, encode_record
from rms.pfile import build_header, original_name, protected_name, read_header
from rms.protection import check_integrity, protect, unprotect
from tests.fuzz.running import bent, run_by_hand
from tests.rms.licenses import ALICE, CONTENT, ISSUED, KEY, issue, make_terms, signing_key

CLEAR = "Protected.\r\n"
# Where the numbers of the header stand, and their sizes: version, length of the text, then behind the text.
FIELDS = (
    [(6, 4), (10, 4), (14, 4)] + [(18 + len(CLEAR) + 4 * n, 4) for n in range(10)] + [(42 + len(CLEAR), 8)]
)


def document() -> bytes:
    """A small protected file with everything in it."""
    key = signing_key("fuzz", 1024)

    def seal(root: bytes, length: int) -> bytes:
        record = SealedRecord(
            CONTENT, length, root, ALICE, "alice@contoso.example", ISSUED, key.public.fingerprint
        )
        return encode_record(record, key.sign(record.to_signed_bytes()))

    target = io.BytesIO()
    license = issue(make_terms(sealed=True), key=key)
    source = io.BytesIO(bytes(range(256)) * 40)
    protect(source, target, license=license, key=KEY, extension=".txt", seal=seal, clear_text=CLEAR)
    return target.getvalue()


class Targets:
    """One method per reader; each takes a source of randomness and may raise FormatError only."""

    def __init__(self) -> None:
        self.document = document()
        self.small = build_header(
            license=b"<XrML/>" * 8, extension=".txt", clear_text=CLEAR, metadata=bytes(40)
        )

    def lying_header(self, rng: random.Random, data: bytes) -> bytes:
        """The file with one to three numbers of its header set to something telling."""
        result = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            at, size = rng.choice(FIELDS)
            (now,) = struct.unpack_from("<I" if size == 4 else "<Q", result, at)
            top = 1 << 8 * size
            near = now + rng.choice((-16, -4, -1, 1, 4, 16))
            values = (
                0,
                1,
                2,
                16,
                24,
                40,
                48,
                near,
                len(result),
                len(result) - 1,
                top // 2,
                top - 1,
                rng.randrange(top),
            )
            result[at : at + size] = (rng.choice(values) % top).to_bytes(size, "little")
        return bytes(result)

    def header(self, rng: random.Random) -> None:
        data = self.small.data + rng.randbytes(rng.choice((0, 1, 16, 48)))
        data = self.lying_header(rng, data) if rng.random() < 0.7 else bent(data, rng)
        file = read_header(io.BytesIO(data))
        # What it says lies within the file, and the content reaches to its end.
        assert file.content_offset + file.content_length == len(data)
        assert 0 < len(file.license) <= len(data)
        assert file.license in data
        assert data[file.metadata_offset :][: len(file.metadata)] == file.metadata

    def opening(self, rng: random.Random) -> None:
        data = self.lying_header(rng, self.document) if rng.random() < 0.5 else bent(self.document, rng)
        source, target = io.BytesIO(data), io.BytesIO()
        try:
            integrity = unprotect(source, target, key=KEY)
        finally:
            assert len(target.getvalue()) <= len(data)
        assert integrity == check_integrity(source)
        # A record vouches for content: whoever is told "unaltered" has the bytes that were protected.
        assert integrity.state != "unaltered" or target.getvalue() == bytes(range(256)) * 40

    def content(self, rng: random.Random) -> None:
        key = ContentKey(rng.randbytes(rng.choice((16, 24, 32))), rng.choice(list(CipherMode)))
        data = rng.randbytes(rng.choice((0, 1, 15, 16, 17, 32, 512, 4096, 4097, 4112, 8192)))
        length = len(data) + rng.choice((0, 0, 0, 16, -16))
        reader = DecryptingReader(io.BytesIO(data), key, 0, max(length, 0))
        reader.seek(rng.randrange(reader.size + 1))
        reader.read(rng.randrange(5000))
        decryptor = Decryptor(key)
        assert len(decryptor.update(data) + decryptor.finalize()) <= len(data)

    def names(self, rng: random.Random) -> None:
        letters = [
            "a",
            "B",
            ".",
            "..",
            "/",
            "\\",
            "\0",
            " ",
            ".pfile",
            ".PTXT",
            ".pjpg",
            ".txt",
            ":",
            "\u202e",
            "é",
            "\ud800",
        ]
        name = "".join(rng.choices(letters, k=rng.randrange(6)))
        result = original_name(name, "".join(rng.choices(letters, k=rng.randrange(3))))
        assert result.strip(". ")
        assert not set(result) & set("/\\\0")
        assert protected_name(name) != name


TARGETS: dict[str, Callable[[Targets, random.Random], None]] = {
    "header": Targets.header,
    "opening": Targets.opening,
    "content": Targets.content,
    "names": Targets.names,
}

if __name__ == "__main__":
    run_by_hand("Fuzz the readers of protected files.", TARGETS, Targets)
