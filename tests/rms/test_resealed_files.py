"""A protected file under a license that was issued anew: what changes, and that nothing else does."""

import io
import random
import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rms.content_key import ContentKey
from rms.errors import FormatError, LicenseError
from rms.integrity import RECORD_SPACE, IntegrityState, SealedRecord, encode_record
from rms.pfile import MAX_FRONT, front_with, read_header
from rms.protection import check_integrity, protect, reseal, unprotect
from tests.rms.licenses import ALICE, CONTENT, issue, make_terms, signing_key

KEY = ContentKey(bytes(range(32)))
PLAINTEXT = bytes(range(256)) * 40
SECTIONS = ("extension", "license", "metadata")


def record(root: bytes, length: int) -> bytes:
    key = signing_key()
    made = SealedRecord(
        CONTENT,
        length,
        root,
        ALICE,
        "a@contoso.example",
        datetime(2026, 1, 1, tzinfo=UTC),
        key.public.fingerprint,
    )
    return encode_record(made, key.sign(made.to_signed_bytes()))


@pytest.fixture(scope="module")
def licenses() -> tuple[bytes, bytes]:
    """Of one document, the second one longer."""
    return issue(make_terms(sealed=True)), issue(
        make_terms(sealed=True, referral="mailto:a@contoso.example" * 9)
    )


@pytest.fixture(scope="module")
def document(licenses) -> bytes:
    target = io.BytesIO()
    protect(io.BytesIO(PLAINTEXT), target, license=licenses[0], key=KEY, extension=".txt", seal=record)
    return target.getvalue()


def resealed(data: bytes, license: bytes, record: bytes | None) -> bytes:
    target = io.BytesIO()
    reseal(io.BytesIO(data), target, license=license, record=record)
    return target.getvalue()


def own_record(data: bytes) -> bytes:
    return read_header(io.BytesIO(data)).metadata


def laid_out(version, order, gaps, parts, *, tail: bytes, clear: bytes, size: int, content: bytes) -> bytes:
    """A file whose sections stand in any order with anything between them, and a header of any permitted length."""
    at = 18 + len(clear) + (24 if version < (2, 1) else 40) + len(tail)
    places, body = dict.fromkeys(SECTIONS, 0), b""
    for name, gap in zip(order, gaps, strict=True):
        body += gap
        places[name] = at + len(body)
        body += parts[name]
    header = struct.pack(
        "<6I", at - 18 - len(clear), places["extension"], len(parts["extension"]),
        places["license"], len(parts["license"]), at + len(body),
    )  # fmt: skip
    if version >= (2, 1):
        header += struct.pack("<QII", size, places["metadata"], len(parts["metadata"]))
    return b".pfile" + struct.pack("<III", *version, len(clear)) + clear + header + tail + body + content


@given(
    version=st.sampled_from([(2, 0), (2, 1), (2, 7), (3, 0), (3, 1)]),
    order=st.permutations(SECTIONS),
    gaps=st.lists(st.binary(max_size=9), min_size=3, max_size=3),
    old=st.binary(min_size=1, max_size=60),
    new=st.binary(min_size=1, max_size=60),
    metadata=st.binary(max_size=20),
    extension=st.sampled_from([b"", b".txt", b".pfile\0"]),
    clear=st.binary(max_size=20),
    tail=st.binary(max_size=12),
    content=st.binary(max_size=40),
)
@settings(max_examples=300, deadline=None)
def test_license_and_record_change_and_nothing_else(
    version, order, gaps, old, new, metadata, extension, clear, tail, content
):
    if version < (2, 1):
        metadata = b""
    parts = {"extension": extension, "license": old, "metadata": metadata}
    written = {"tail": tail, "clear": clear, "size": 7, "content": content}
    before = laid_out(version, order, gaps, parts, **written)
    file = read_header(io.BytesIO(before))
    changed = bytes(byte ^ 1 for byte in metadata)
    front = front_with(io.BytesIO(before), file, license=new, metadata=changed)
    # The very file that its program would have written with these two in it, whatever stands around them.
    assert front + content == laid_out(
        version, order, gaps, {**parts, "license": new, "metadata": changed}, **written
    )


def test_an_empty_section_may_claim_to_be_anywhere():
    parts = {"extension": b"", "license": b"old", "metadata": b""}
    data = laid_out((3, 0), SECTIONS, [b""] * 3, parts, tail=b"", clear=b"", size=0, content=b"content")
    empty = bytearray(data)
    struct.pack_into("<I", empty, 18 + 4, len(data))
    front = front_with(
        io.BytesIO(bytes(empty)), read_header(io.BytesIO(bytes(empty))), license=b"longer", metadata=b""
    )
    read = read_header(io.BytesIO(front + b"content"))
    assert (read.license, read.content_length, read.extension) == (b"longer", 7, "")


def test_more_before_the_content_than_any_program_writes_is_refused():
    parts = {"extension": b"", "license": b"old", "metadata": b""}
    gap = bytes(MAX_FRONT)
    data = laid_out((3, 0), SECTIONS, [b"", gap, b""], parts, tail=b"", clear=b"", size=0, content=b"")
    with pytest.raises(FormatError, match="before its content"):
        front_with(io.BytesIO(data), read_header(io.BytesIO(data)), license=b"new", metadata=b"")


def test_the_file_opens_by_its_new_license_and_is_unaltered(document, licenses):
    new = resealed(document, licenses[1], own_record(document))
    file = read_header(io.BytesIO(new))
    assert (file.license, len(file.metadata), file.extension) == (licenses[1], RECORD_SPACE, ".txt")
    target = io.BytesIO()
    assert unprotect(io.BytesIO(new), target, key=KEY).state is IntegrityState.UNALTERED
    assert target.getvalue() == PLAINTEXT
    assert resealed(new, licenses[0], own_record(new)) == document  # there and back


def test_what_was_altered_is_not_passed_on(document, licenses):
    data = bytearray(document)
    data[-5] ^= 1
    for file, record in (
        (bytes(data), own_record(document)),
        (document, b"rightskeep-seal-v1\0 and nothing"),
    ):
        with pytest.raises(FormatError, match="does not belong"):
            resealed(file, licenses[1], record)


def test_license_and_record_have_to_fit_the_file(document, licenses):
    with pytest.raises(FormatError, match="another document"):
        resealed(document, issue(make_terms()), None)
    with pytest.raises(LicenseError):
        resealed(document, b"no license", own_record(document))
    bare = io.BytesIO()
    plain = issue(make_terms())
    protect(io.BytesIO(PLAINTEXT), bare, license=plain, key=KEY, extension=".txt", seal=None)
    with pytest.raises(FormatError, match="no integrity record"):
        resealed(bare.getvalue(), plain, own_record(document))
    assert resealed(bare.getvalue(), plain, None) == bare.getvalue()
    assert check_integrity(bare).state is IntegrityState.NO_RECORD


def test_progress_and_a_large_file(licenses):
    plaintext = random.Random(7).randbytes(5_000_000)
    source, target = io.BytesIO(), io.BytesIO()
    protect(io.BytesIO(plaintext), source, license=licenses[0], key=KEY, extension="", seal=record)
    data, seen = source.getvalue(), list[int]()
    reseal(source, target, license=licenses[1], record=own_record(data), progress=seen.append)
    assert sum(seen) == read_header(source).content_length and len(seen) > 1
    assert target.getvalue().endswith(data[-4_900_000:])
