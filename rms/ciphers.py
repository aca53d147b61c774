"""The three content ciphers of protected files: streaming, and with random access (protocol.md section 4).

None of the modes proves anything about the content: whoever holds the key can change it. `rms.integrity` adds the proof.
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from rms.content_key import CipherMode, ContentKey
from rms.errors import FormatError

AES_BLOCK: Final = 16
CHUNK_SIZE: Final = 256 * 1024
"""Bytes worked on at a time: a multiple of every block size, small enough for a processor's cache."""

_BLOCK_SIZES: Final = {CipherMode.CBC4K: 4096, CipherMode.CBC512: 512, CipherMode.ECB: 4096}
_MAX_CBC4K_LENGTH: Final = 4096 << 32
_WORD: Final = 8

Buffer = bytes | bytearray | memoryview


def block_size(mode: CipherMode) -> int:
    """Bytes after which the cipher starts anew, so that reading may start there (ECB: any multiple of 16 would do)."""
    return _BLOCK_SIZES[mode]


def ciphertext_length(mode: CipherMode, size: int) -> int:
    """Bytes that `size` bytes of plaintext become; FormatError when the mode cannot hold that many."""
    if mode is CipherMode.CBC4K:
        _check_counter(size)
        return (size // AES_BLOCK + 1) * AES_BLOCK
    if size % AES_BLOCK or (mode is CipherMode.CBC512 and size == 0):
        raise FormatError(f"Content of {size} bytes cannot be encrypted in the mode {mode}.")
    return size


def check_ciphertext_length(mode: CipherMode, length: int) -> None:
    """FormatError unless `length` bytes can be the whole ciphertext of a document in this mode."""
    if length % AES_BLOCK or (mode is not CipherMode.ECB and length == 0):
        raise FormatError("The encrypted content is damaged: it has a length that its cipher cannot produce.")
    if mode is CipherMode.CBC4K:
        _check_counter(length - 1)


def _check_counter(size: int) -> None:
    # The block number is 32 bits wide; starting over at 0 would use every IV twice.
    if size >= _MAX_CBC4K_LENGTH:
        raise FormatError("Content of 16 TiB or more cannot be encrypted in the mode MICROSOFT.CBC4K.")


class BlockCipher:
    """Encrypts and decrypts runs of blocks at any block number; knows nothing about padding.

    Every run but the last of a document must be a multiple of `size`; the last must be a multiple of 16.
    """

    def __init__(self, key: ContentKey) -> None:
        self.mode = key.mode
        self.size = block_size(key.mode)
        self._aes = AES(key.value)
        # ECB keeps no state between whole blocks, so one object serves for all IVs.
        self._ecb = Cipher(self._aes, ECB()).encryptor()

    def _ivs(self, first: int, count: int) -> bytes:
        # CBC4K: LE32(block number) and twelve zeros; CBC512: LE64(byte offset) and eight zeros. As block numbers of
        # CBC4K stay below 2**32, both are one little-endian 64-bit number and eight zeros.
        step = 1 if self.mode is CipherMode.CBC4K else self.size
        numbers = range(first * step, (first + count) * step, step)
        return self._ecb.update(struct.pack("<" + "Q8x" * count, *numbers))

    def encrypt(self, work: memoryview, result: memoryview, first: int) -> None:
        """Encrypt the bytes of `work`, which are lost by it, into `result`, which needs 16 bytes more room.

        The first byte is the first of block number `first`.
        """
        if self.mode is CipherMode.ECB:
            self._ecb.update_into(work, result)
        elif work:
            self._encrypt_cbc(work, result, first)

    def _encrypt_cbc(self, work: memoryview, result: memoryview, first: int) -> None:
        # One running CBC over all blocks, which saves a cipher object per block. It chains block n to the ciphertext
        # before it; XORing that, and the IV the format wants, into the plaintext beforehand undoes the chaining.
        ivs = self._ivs(first, -(-len(work) // self.size))
        update_into = Cipher(self._aes, CBC(ivs[:AES_BLOCK])).encryptor().update_into
        update_into(work[: self.size], result)
        plain_words, cipher_words, iv_words = work.cast("Q"), result.cast("Q"), memoryview(ivs).cast("Q")
        word, iv_word = self.size // _WORD, 2
        for start in range(self.size, len(work), self.size):
            plain_words[word] ^= iv_words[iv_word] ^ cipher_words[word - 2]
            plain_words[word + 1] ^= iv_words[iv_word + 1] ^ cipher_words[word - 1]
            end = start + self.size
            update_into(work[start:end], result[start : end + AES_BLOCK])
            word += self.size // _WORD
            iv_word += 2

    def decrypt(self, ciphertext: memoryview, result: memoryview, first: int) -> None:
        """Decrypt `ciphertext`, which stays, into `result`, which needs 16 bytes more room; padding is kept.

        The first byte is the first of block number `first`.
        """
        if self.mode is CipherMode.ECB:
            Cipher(self._aes, ECB()).decryptor().update_into(ciphertext, result)
        elif ciphertext:
            ivs = self._ivs(first, -(-len(ciphertext) // self.size))
            Cipher(self._aes, CBC(ivs[:AES_BLOCK])).decryptor().update_into(ciphertext, result)
            self._unchain(ciphertext, result[: len(ciphertext)], ivs)

    def _unchain(self, ciphertext: memoryview, result: memoryview, ivs: bytes) -> None:
        # A running CBC has XORed the ciphertext before each block into the block's first 16 bytes, where its IV
        # belongs: exchange them, all blocks at once, in two strided halves of 8 bytes.
        stride = self.size // _WORD
        cipher_words, plain_words, iv_words = (
            ciphertext.cast("Q"),
            result.cast("Q"),
            memoryview(ivs).cast("Q"),
        )
        for half in (0, 1):
            mine = plain_words[stride + half :: stride]
            before = cipher_words[stride - 2 + half :: stride][: len(mine)]
            wanted = iv_words[2 + half :: 2]
            fixed = _xor(mine.tobytes(), before.tobytes(), wanted.tobytes())
            mine[:] = memoryview(fixed).cast("Q")


def _xor(a: bytes, b: bytes, c: bytes) -> bytes:
    number = int.from_bytes(a, "little") ^ int.from_bytes(b, "little") ^ int.from_bytes(c, "little")
    return number.to_bytes(len(a), "little")


def _unpad(tail: memoryview) -> memoryview:
    """`tail` without its PKCS#7 padding; FormatError when that is not well-formed."""
    count = tail[-1]
    if not 1 <= count <= AES_BLOCK or tail[-count:] != bytes([count]) * count:
        raise FormatError("The content cannot be decrypted: it is damaged, or this is not its key.")
    return tail[:-count]


class _Stream:
    """Collects input into chunks of whole blocks, in buffers that are allocated once.

    New buffers for every chunk cost more than the cipher: the allocator hands them back to the system each time.
    """

    def __init__(self, key: ContentKey) -> None:
        self._cipher = BlockCipher(key)
        # Room for the padding, and in the result for the spare block that the cipher wants.
        self._work = memoryview(bytearray(CHUNK_SIZE + AES_BLOCK))
        self._result = memoryview(bytearray(CHUNK_SIZE + 2 * AES_BLOCK))
        self._filled = 0
        self._done = 0

    def chunks(self, data: Buffer) -> Iterator[memoryview]:
        """Take more input; give what is settled by it in pieces, each valid until the next is asked for.

        Nothing is taken beyond the piece that was given last: iterate to the end.
        """
        source = memoryview(data)
        while source:
            # A full chunk waits until there is more: the last one of a document is not like the others.
            if self._filled == CHUNK_SIZE:
                yield self._run(CHUNK_SIZE)
                self._filled = 0
            count = min(CHUNK_SIZE - self._filled, len(source))
            self._work[self._filled : self._filled + count] = source[:count]
            self._filled += count
            source = source[count:]

    def update(self, data: Buffer) -> bytes:
        """Take more input, give the output that is settled by it (may be empty)."""
        return b"".join([bytes(chunk) for chunk in self.chunks(data)])

    def _run(self, length: int) -> memoryview:
        if self._cipher.mode is CipherMode.CBC4K:
            _check_counter(self._done + length - 1)
        self._transform(self._work[:length], self._result, self._done // self._cipher.size)
        self._done += length
        return self._result[:length]

    def _transform(self, work: memoryview, result: memoryview, first: int) -> None:
        raise NotImplementedError


class Encryptor(_Stream):
    """Encrypts a stream of unknown length; memory does not grow with it."""

    def _transform(self, work: memoryview, result: memoryview, first: int) -> None:
        self._cipher.encrypt(work, result, first)

    def finalize(self) -> bytes:
        """The end of the ciphertext; FormatError when the mode cannot hold content of this length."""
        total = self._done + self._filled
        missing = ciphertext_length(self._cipher.mode, total) - total
        # PKCS#7: as many bytes as are missing, each saying how many.
        self._work[self._filled : self._filled + missing] = bytes([missing]) * missing
        return bytes(self._run(self._filled + missing))


class Decryptor(_Stream):
    """Decrypts a stream of unknown length; memory does not grow with it."""

    def _transform(self, work: memoryview, result: memoryview, first: int) -> None:
        self._cipher.decrypt(work, result, first)

    def finalize(self) -> bytes:
        """The end of the plaintext; FormatError when length or padding show damage or a wrong key."""
        mode = self._cipher.mode
        check_ciphertext_length(mode, self._done + self._filled)
        tail = self._run(self._filled)
        return bytes(_unpad(tail) if mode is CipherMode.CBC4K else tail)


class DecryptingReader(io.RawIOBase):
    """The plaintext of an encrypted section of a file, seekable: only the blocks that are asked for are decrypted.

    Does not close `source`, whose position it moves. Wrap it in `io.BufferedReader` for many small reads.
    """

    def __init__(self, source: BinaryIO, key: ContentKey, offset: int, length: int) -> None:
        """`offset` and `length` of the section in bytes. FormatError when its end cannot be decrypted by this key."""
        super().__init__()
        check_ciphertext_length(key.mode, length)
        self._source = source
        self._cipher = BlockCipher(key)
        self._offset = offset
        self._length = length
        self._position = 0
        self._tail = b""
        self._tail_start = length
        if key.mode is CipherMode.CBC4K:
            self._tail_start = (length - 1) // self._cipher.size * self._cipher.size
            self._tail = bytes(_unpad(self._decrypt(self._tail_start, length)))
        self.size = self._tail_start + len(self._tail)

    def _decrypt(self, start: int, end: int) -> memoryview:
        self._source.seek(self._offset + start)
        ciphertext = read_exactly(self._source, end - start)
        result = memoryview(bytearray(len(ciphertext) + AES_BLOCK))
        self._cipher.decrypt(memoryview(ciphertext), result, start // self._cipher.size)
        return result[: len(ciphertext)]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise ValueError("A position in a file cannot be negative.")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: memoryview | bytearray, /) -> int:  # type: ignore[override]  # Buffer is 3.12's
        wanted = min(len(buffer), self.size - self._position)
        if wanted <= 0:
            return 0
        if self._position >= self._tail_start:
            start, plaintext = self._tail_start, memoryview(self._tail)
        else:
            start, plaintext = self._read_blocks(wanted)
        skip = self._position - start
        part = plaintext[skip : skip + wanted]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def _read_blocks(self, wanted: int) -> tuple[int, memoryview]:
        # Whole blocks around the position, as many as are wanted but not more than CHUNK_SIZE.
        size = self._cipher.size
        start = self._position // size * size
        end = -(-(self._position + wanted) // size) * size
        end = min(end, start + CHUNK_SIZE, self._tail_start)
        return start, self._decrypt(start, end)


def read_exactly(source: BinaryIO, count: int) -> bytes:
    """`count` bytes from `source`, which may give them in pieces; FormatError when it ends before."""
    data = source.read(count) or b""
    if len(data) == count:
        return data
    pieces = [data]
    missing = count - len(data)
    while missing and pieces[-1]:
        pieces.append(source.read(missing) or b"")
        missing -= len(pieces[-1])
    if missing:
        raise FormatError("The file ends in the middle: it is truncated.")
    return b"".join(pieces)
