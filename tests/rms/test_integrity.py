import hashlib
import random
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rms.errors import FormatError
from rms.integrity import (
    LABEL,
    LEAF_SIZE,
    RECORD_SPACE,
    Integrity,
    IntegrityState,
    SealedRecord,
    TreeHash,
    decode_record,
    encode_record,
    verify_record,
)
from rms.xrml import parse_license
from tests.rms.licenses import ALICE, CONTENT, SigningKey, issue, make_terms, signing_key

MIB = 1 << 20
ROOT = hashlib.sha256(b"content").digest()
RECORD = SealedRecord(
    content_id=CONTENT,
    content_length=4112,
    root=ROOT,
    publisher_id=ALICE,
    publisher_address="alice@contoso.example",
    sealed_at=datetime(2025, 1, 31, 9, 15, 30, tzinfo=UTC),
    key_fingerprint=signing_key().public.fingerprint,
)


def merkle(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 section 2.1: split at the largest power of two below the number of leaves."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + merkle(leaves[:half]) + merkle(leaves[half:])).digest()


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, *(n * MIB for n in range(2, 9)), 5 * MIB + 17])
def test_tree_hash_is_that_of_rfc_6962(size):
    data = random.Random(size).randbytes(size)
    tree = TreeHash()
    rng = random.Random(1)
    position = 0
    while position < size:
        step = rng.choice((1, 1000, 65_536, 262_144, 1_500_000))
        tree.update(data[position : position + step])
        position += step
    assert tree.length == size
    assert tree.root() == merkle([data[start : start + LEAF_SIZE] for start in range(0, size, LEAF_SIZE)])


def test_a_root_may_be_asked_for_on_the_way():
    tree = TreeHash()
    tree.update(b"abc")
    assert tree.root() == tree.root() == hashlib.sha256(b"\0abc").digest()
    tree.update(memoryview(b"def"))
    assert tree.root() == hashlib.sha256(b"\0abcdef").digest()


addresses = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=254).filter(
    str.isprintable
)
records = st.builds(
    SealedRecord,
    content_id=st.uuids(),
    content_length=st.integers(0, 2**64 - 1),
    root=st.binary(min_size=32, max_size=32),
    publisher_id=st.uuids(),
    publisher_address=addresses,
    sealed_at=st.integers(0, 253_402_300_799).map(
        lambda s: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=s)
    ),
    key_fingerprint=st.binary(min_size=32, max_size=32).map(bytes.hex),
)


@settings(max_examples=100)
@given(records, st.binary(min_size=1, max_size=512), st.integers(0, 64))
def test_records_round_trip(record, signature, zeros):
    data = encode_record(record, signature)
    assert len(data) <= RECORD_SPACE
    assert data.startswith(record.to_signed_bytes())
    assert decode_record(data + bytes(zeros)) == (record, signature)


def test_signed_bytes_differ_whenever_a_field_differs():
    changes = (
        {"content_id": UUID(int=1)},
        {"content_length": 4113},
        {"root": bytes(32)},
        {"publisher_id": UUID(int=1)},
        {"publisher_address": "bob@contoso.example"},
        {"sealed_at": RECORD.sealed_at + timedelta(seconds=1)},
        {"key_fingerprint": "00" * 32},
    )
    assert (
        len({RECORD.to_signed_bytes(), *(replace(RECORD, **change).to_signed_bytes() for change in changes)})
        == 8
    )


def test_times_are_compared_in_utc_and_to_the_second():
    elsewhere = RECORD.sealed_at.astimezone(timezone(timedelta(hours=5))) + timedelta(microseconds=999_999)
    assert replace(RECORD, sealed_at=elsewhere).to_signed_bytes() == RECORD.to_signed_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"publisher_address": ""},
        {"publisher_address": "a" * 255},
        {"publisher_address": "alice@contoso.example\x1b[2J"},
        {"publisher_address": "\u202eelpmaxe.osotnoc@ecila"},
        {"root": bytes(31)},
        {"key_fingerprint": "00"},
        {"key_fingerprint": "zz" * 32},
        {"content_length": -1},
        {"content_length": 2**64},
        {"sealed_at": datetime(1969, 12, 31, tzinfo=UTC)},
    ],
)
def test_records_that_cannot_be_written(change):
    with pytest.raises(ValueError):
        encode_record(replace(RECORD, **change), b"signature")


@pytest.mark.parametrize("signature", [b"", bytes(1025)])
def test_signatures_that_cannot_be_written(signature):
    with pytest.raises(ValueError):
        encode_record(RECORD, signature)


def test_a_record_that_would_not_fit_its_space_is_refused():
    with pytest.raises(ValueError, match="space"):
        encode_record(replace(RECORD, publisher_address="\U00020000" * 254), bytes(1024))


def items(*values: bytes) -> bytes:
    return LABEL + b"".join(struct.pack("<I", len(value)) + value for value in values)


PARTS = (
    CONTENT.bytes,
    struct.pack("<Q", 4112),
    ROOT,
    ALICE.bytes,
    b"a@b",
    struct.pack("<Q", 1),
    bytes(32),
    b"signature",
)


def test_the_parts_as_they_stand_make_a_record():
    assert decode_record(items(*PARTS))[1] == b"signature"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(RECORD_SPACE),
        LABEL[:-1] + b"1" + items(*PARTS)[len(LABEL) :],
        LABEL,
        items(*PARTS[:-1]),
        items(*PARTS, b"more"),
        items(*PARTS) + b"\0x",
        items(CONTENT.bytes[:-1], *PARTS[1:]),
        items(*PARTS[:1], bytes(9), *PARTS[2:]),
        items(*PARTS[:2], bytes(33), *PARTS[3:]),
        items(*PARTS[:4], b"", *PARTS[5:]),
        items(*PARTS[:4], b"\xff\xfe", *PARTS[5:]),
        items(*PARTS[:4], b"a@b\n", *PARTS[5:]),
        items(*PARTS[:4], b"a" * 5000, *PARTS[5:]),
        items(*PARTS[:5], b"\xff" * 8, *PARTS[6:]),
        items(*PARTS[:-1], b""),
        items(*PARTS[:-1], bytes(1025)),
        items(*PARTS)[:-1],
        LABEL + b"\xff\xff\xff\xff" + bytes(100),
    ],
)
def test_hostile_records_are_refused(data):
    with pytest.raises(FormatError):
        decode_record(data)


@pytest.fixture(scope="module")
def sealed():
    return parse_license(issue(make_terms(sealed=True)))


@pytest.fixture(scope="module")
def unsealed():
    return parse_license(issue(make_terms()))


def signed(record: SealedRecord = RECORD, key: SigningKey | None = None) -> bytes:
    return encode_record(record, (key or signing_key()).sign(record.to_signed_bytes()))


def state(data, license, root=ROOT, length=4112):
    return verify_record(data, license, root, length).state


@pytest.mark.parametrize("metadata", [signed(), signed() + bytes(100)])
def test_content_as_it_was_sealed(metadata, sealed, unsealed):
    assert verify_record(metadata, sealed, ROOT, 4112) == Integrity(IntegrityState.UNALTERED, RECORD)
    # A record that is there counts, whether the license promised one or not.
    assert state(metadata, unsealed) is IntegrityState.UNALTERED


def test_other_content_is_altered(sealed, unsealed):
    for license in (sealed, unsealed):
        assert state(signed(), license, root=bytes(32)) is IntegrityState.ALTERED
        assert state(signed(), license, length=4128) is IntegrityState.ALTERED


def test_a_missing_record_is_judged_by_the_license(sealed, unsealed):
    for nothing in (b"", bytes(1024), b"other software's"):
        assert state(nothing, sealed) is IntegrityState.ALTERED
        assert state(nothing, unsealed) is IntegrityState.NO_RECORD


def test_a_damaged_record_is_altered_even_when_none_was_promised(sealed, unsealed):
    for license in (sealed, unsealed):
        assert state(signed()[:-1], license) is IntegrityState.ALTERED
        assert state(LABEL, license) is IntegrityState.ALTERED


def test_every_bit_of_the_record_counts(sealed):
    data = signed()
    for position in range(0, len(data), 7):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        assert state(bytes(changed), sealed) is IntegrityState.ALTERED, position


def test_a_record_for_other_content_does_not_fit(sealed):
    assert state(signed(replace(RECORD, content_id=UUID(int=5))), sealed) is IntegrityState.ALTERED


def test_a_record_by_another_key_does_not_fit(sealed):
    mallory = signing_key("mallory")
    assert state(signed(key=mallory), sealed) is IntegrityState.ALTERED
    own = replace(RECORD, key_fingerprint=mallory.public.fingerprint)
    assert state(signed(own, mallory), sealed) is IntegrityState.ALTERED


def test_a_license_body_signature_is_no_record_signature(sealed):
    """The same key signs licenses; what it signs as one must never pass for the other."""
    body = sealed.documents[0].body.encode("utf-16-le")
    assert not body.startswith(LABEL)
    assert state(encode_record(RECORD, signing_key().sign(body)), sealed) is IntegrityState.ALTERED


def test_sentences_for_people():
    assert str(Integrity(IntegrityState.UNALTERED, RECORD)) == (
        "unaltered, protected by alice@contoso.example on 2025-01-31 09:15 UTC"
    )
    assert str(Integrity(IntegrityState.ALTERED)) == "altered after protection"
    assert str(Integrity(IntegrityState.NO_RECORD)) == "no record"
