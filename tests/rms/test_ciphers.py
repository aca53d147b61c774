import io
import random
from itertools import pairwise
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rms.ciphers import CHUNK_SIZE, BlockCipher, DecryptingReader, Decryptor, Encryptor, ciphertext_length
from rms.content_key import CipherMode, ContentKey
from rms.errors import FormatError
from tests.rms.slow_ciphers import cbc, encrypt

MODES = tuple(CipherMode)
KEY_SIZES = (16, 24, 32)
# Around everything that something in a cipher or in its buffers turns on.
EDGES = (0, 16, 512, 4096, 8192, 3 * 4096, CHUNK_SIZE, CHUNK_SIZE + 4096, 2 * CHUNK_SIZE)


def data_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def fitting(mode: CipherMode, size: int) -> int:
    """The next size that the mode can hold."""
    if mode is CipherMode.CBC4K:
        return size
    return max(-(-size // 16) * 16, 16 if mode is CipherMode.CBC512 else 0)


sizes = st.builds(lambda edge, more: max(edge + more, 0), st.sampled_from(EDGES), st.integers(-17, 17))
keys = st.builds(
    lambda mode, size, seed: ContentKey(random.Random(seed).randbytes(size), mode),
    st.sampled_from(MODES),
    st.sampled_from(KEY_SIZES),
    st.integers(0, 2**32),
)


def in_pieces(stream: Encryptor | Decryptor, data: bytes, cuts: list[int]) -> bytes:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    parts = [stream.update(data[start:end]) for start, end in pairwise(places)]
    return b"".join(parts) + stream.finalize()


@settings(max_examples=120)
@given(
    keys, sizes, st.lists(st.integers(0, 1 << 20), max_size=6), st.lists(st.integers(0, 1 << 20), max_size=6)
)
def test_streams_agree_with_the_plain_reference(key, size, cuts, other_cuts):
    plaintext = data_of(fitting(key.mode, size))
    ciphertext = in_pieces(Encryptor(key), plaintext, cuts)
    assert ciphertext == encrypt(key, plaintext)
    assert len(ciphertext) == ciphertext_length(key.mode, len(plaintext))
    assert in_pieces(Decryptor(key), ciphertext, other_cuts) == plaintext


@settings(max_examples=60)
@given(keys, sizes, st.lists(st.tuples(st.integers(0, 600_000), st.integers(0, 20_000)), max_size=8))
def test_any_part_can_be_read_by_itself(key, size, parts):
    plaintext = data_of(fitting(key.mode, size))
    ciphertext = encrypt(key, plaintext)
    around = io.BytesIO(b"before" + ciphertext + b"behind")
    raw = DecryptingReader(around, key, len(b"before"), len(ciphertext))
    reader = io.BufferedReader(raw)
    assert raw.size == len(plaintext)
    assert reader.seek(0, io.SEEK_END) == len(plaintext)
    for start, count in parts:
        reader.seek(start)
        assert reader.read(count) == plaintext[start : start + count]
    reader.seek(0)
    assert reader.read() == plaintext


def test_reading_a_part_does_not_read_the_whole():
    key = ContentKey.generate()
    plaintext = data_of(2_000_000)
    ciphertext = encrypt(key, plaintext)
    taken = 0

    class Counting(io.BytesIO):
        def read(self, count: int | None = -1, /) -> bytes:
            nonlocal taken
            data = super().read(count)
            taken += len(data)
            return data

    reader = DecryptingReader(Counting(ciphertext), key, 0, len(ciphertext))
    reader.seek(1_000_000)
    assert reader.read(100) == plaintext[1_000_000:1_000_100]
    assert taken <= 3 * 4096


def test_positions_of_the_reader():
    key = ContentKey.generate()
    reader = DecryptingReader(io.BytesIO(encrypt(key, b"0123456789")), key, 0, 16)
    assert reader.seek(-3, io.SEEK_END) == 7
    assert reader.read(2) == b"78"
    assert reader.tell() == 9
    assert reader.seek(-1, io.SEEK_CUR) == 8
    assert reader.seek(100) == 100
    assert reader.read(5) == b""
    with pytest.raises(ValueError):
        reader.seek(-1)


@pytest.mark.parametrize("mode", [CipherMode.CBC512, CipherMode.ECB])
@pytest.mark.parametrize("size", [1, 15, 17, 513])
def test_modes_without_padding_refuse_odd_sizes(mode, size):
    encryptor = Encryptor(ContentKey.generate(mode=mode))
    encryptor.update(bytes(size))
    with pytest.raises(FormatError):
        encryptor.finalize()


def test_cbc512_cannot_be_empty():
    with pytest.raises(FormatError):
        Encryptor(ContentKey.generate(mode=CipherMode.CBC512)).finalize()


@pytest.mark.parametrize(
    ("mode", "length"),
    [(mode, length) for mode in MODES for length in (1, 15, 17, 4095, 4097)]
    + [(CipherMode.CBC4K, 0), (CipherMode.CBC512, 0)],
)
def test_impossible_ciphertext_lengths_are_refused(mode, length):
    key = ContentKey.generate(mode=mode)
    decryptor = Decryptor(key)
    decryptor.update(bytes(length))
    with pytest.raises(FormatError):
        decryptor.finalize()
    with pytest.raises(FormatError):
        DecryptingReader(io.BytesIO(bytes(length)), key, 0, length)


@pytest.mark.parametrize(
    "padding", [bytes(16), b"\x11" * 16, b"\xff" * 16, bytes(14) + b"\x01\x02", b"\x02" * 14 + b"\x03\x03"]
)
def test_padding_that_is_not_well_formed_is_refused(padding):
    key = ContentKey.generate(mode=CipherMode.CBC4K)
    ciphertext = encrypt(ContentKey(key.value, CipherMode.CBC512), padding)
    decryptor = Decryptor(key)
    decryptor.update(ciphertext)
    with pytest.raises(FormatError, match="not its key"):
        decryptor.finalize()
    with pytest.raises(FormatError, match="not its key"):
        DecryptingReader(io.BytesIO(ciphertext), key, 0, 16)


def test_a_file_that_shrinks_while_it_is_read():
    key = ContentKey.generate()
    source = io.BytesIO(encrypt(key, data_of(20_000)))
    reader = DecryptingReader(source, key, 0, 20_016)
    source.truncate(5_000)
    reader.seek(8192)
    with pytest.raises(FormatError, match="truncated"):
        reader.read(10)


def test_sources_may_give_their_bytes_in_pieces():
    key = ContentKey.generate()
    plaintext = data_of(10_000)

    class Trickle(io.BytesIO):
        def read(self, count: int | None = -1, /) -> bytes:
            return super().read(min(count or 0, 1000))

    ciphertext = encrypt(key, plaintext)
    source = cast(BinaryIO, Trickle(ciphertext))
    assert io.BufferedReader(DecryptingReader(source, key, 0, len(ciphertext))).read() == plaintext


def test_more_than_the_block_counter_can_count_is_refused():
    assert ciphertext_length(CipherMode.CBC4K, (4096 << 32) - 1) == 4096 << 32
    with pytest.raises(FormatError):
        ciphertext_length(CipherMode.CBC4K, 4096 << 32)
    with pytest.raises(FormatError):
        DecryptingReader(io.BytesIO(), ContentKey.generate(), 0, (4096 << 32) + 16)


@pytest.mark.parametrize(
    ("mode", "size", "start"), [(CipherMode.CBC512, 512, 5 << 30), (CipherMode.CBC4K, 4096, 9 << 30)]
)
def test_blocks_far_behind_four_gibibytes(mode, size, start):
    key = ContentKey.generate(mode=mode)
    block = data_of(8192)
    number = start // size
    expected = b"".join(
        cbc(key, number + index, block[index * size :][:size]) for index in range(8192 // size)
    )
    result = memoryview(bytearray(8192 + 16))
    BlockCipher(key).encrypt(memoryview(bytearray(block)), result, number)
    assert result[:8192] == expected
    BlockCipher(key).decrypt(memoryview(expected), result, number)
    assert result[:8192] == block
