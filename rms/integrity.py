"""The signed integrity record of a protected file (protocol.md section 5; byte by byte in docs/formats/pfile.md).

The content ciphers prove nothing, and every reader holds the content key. What proves that a document is as its
protector left it is a signature by the key that signed its license, over a hash of the ciphertext.
"""

import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID

from rms.errors import FormatError

if TYPE_CHECKING:
    from rms.xrml import PublishingLicense

LABEL: Final = b"rightskeep-seal-v1\0"
LEAF_SIZE: Final = 1 << 20
RECORD_SPACE: Final = 2048
"""Bytes of metadata reserved for a record: enough for the longest address and an 8192-bit signature."""
MAX_ADDRESS: Final = 254
MAX_SIGNATURE: Final = 1024

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND: Final = int((datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds())


class TreeHash:
    """RFC 6962 Merkle tree hash with SHA-256 over leaves of 1 MiB, of a stream of any length."""

    def __init__(self) -> None:
        self.length = 0
        self._leaf = hashlib.sha256(b"\0")
        self._room = LEAF_SIZE
        # Roots of complete subtrees, the largest first, with the number of leaves under each.
        self._stack: list[tuple[int, bytes]] = []

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take more of the stream."""
        with memoryview(data) as view:
            position = 0
            while position < len(view):
                part = view[position : position + self._room]
                self._leaf.update(part)
                position += len(part)
                self._room -= len(part)
                if not self._room:
                    self._close_leaf()
            self.length += position

    def _close_leaf(self) -> None:
        leaves, digest = 1, self._leaf.digest()
        while self._stack and self._stack[-1][0] == leaves:
            digest = _node(self._stack.pop()[1], digest)
            leaves *= 2
        self._stack.append((leaves, digest))
        self._leaf = hashlib.sha256(b"\0")
        self._room = LEAF_SIZE

    def root(self) -> bytes:
        """The hash of everything taken so far."""
        digests = [digest for _, digest in self._stack]
        if self._room < LEAF_SIZE:
            digests.append(self._leaf.digest())
        if not digests:
            return hashlib.sha256().digest()
        root = digests.pop()
        while digests:
            root = _node(digests.pop(), root)
        return root


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class SealedRecord:
    """What the service signs about a document's content."""

    content_id: UUID
    content_length: int
    """Bytes of ciphertext."""
    root: bytes
    publisher_id: UUID
    publisher_address: str
    sealed_at: datetime
    """UTC; a fraction of a second is dropped."""
    key_fingerprint: str
    """Hex SHA-256 of the signing key's modulus."""

    def to_signed_bytes(self) -> bytes:
        """The bytes the signature is over. ValueError when a field does not fit its place."""
        address = self.publisher_address.encode()
        if not 0 < len(self.publisher_address) <= MAX_ADDRESS or not self.publisher_address.isprintable():
            raise ValueError(f"The publisher's address has 1 to {MAX_ADDRESS} printable characters.")
        if len(self.root) != 32 or len(self.key_fingerprint) != 64:
            raise ValueError("Tree hash and key fingerprint have 32 bytes.")
        if not 0 <= self.content_length < 1 << 64 or self.sealed_at < _EPOCH:
            raise ValueError("A length has 64 bits, and a time of sealing is not before 1970.")
        items = (
            self.content_id.bytes,
            struct.pack("<Q", self.content_length),
            self.root,
            self.publisher_id.bytes,
            address,
            struct.pack("<Q", (self.sealed_at - _EPOCH) // timedelta(seconds=1)),
            bytes.fromhex(self.key_fingerprint),
        )
        return LABEL + b"".join(_item(item) for item in items)


def _item(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + value


def encode_record(record: SealedRecord, signature: bytes) -> bytes:
    """The record as it stands in the file: the signed bytes, then the signature; at most RECORD_SPACE bytes."""
    if not 0 < len(signature) <= MAX_SIGNATURE:
        raise ValueError(f"A signature has 1 to {MAX_SIGNATURE} bytes.")
    data = record.to_signed_bytes() + _item(signature)
    if len(data) > RECORD_SPACE:
        raise ValueError("The integrity record does not fit the space reserved for it.")
    return data


def decode_record(data: bytes) -> tuple[SealedRecord, bytes]:
    """Record and signature from a metadata section, zero bytes behind them allowed. Verifies nothing.

    FormatError unless `data` is exactly what `encode_record` makes of the result.
    """
    if not data.startswith(LABEL):
        raise FormatError("There is no integrity record.")
    items = _read_items(data, len(LABEL), (16, 8, 32, 16, 4 * MAX_ADDRESS, 8, 32, MAX_SIGNATURE))
    content_id, length, root, publisher_id, address, seconds, fingerprint, signature = items
    (sealed_seconds,) = struct.unpack("<Q", seconds)
    if sealed_seconds > _LAST_SECOND:
        raise _damaged()
    try:
        record = SealedRecord(
            content_id=UUID(bytes=content_id),
            content_length=struct.unpack("<Q", length)[0],
            root=root,
            publisher_id=UUID(bytes=publisher_id),
            publisher_address=address.decode(),
            sealed_at=_EPOCH + timedelta(seconds=sealed_seconds),
            key_fingerprint=fingerprint.hex(),
        )
        encoded = encode_record(record, signature)
    except ValueError as error:
        raise _damaged() from error
    # One record, one spelling: the fields above are exactly the bytes that were signed.
    if encoded != data[: len(encoded)] or data[len(encoded) :].strip(b"\0"):
        raise _damaged()
    return record, signature


def _read_items(data: bytes, position: int, sizes: tuple[int, ...]) -> list[bytes]:
    items = []
    for limit in sizes:
        start = position + 4
        if start > len(data):
            raise _damaged()
        (length,) = struct.unpack_from("<I", data, position)
        position = start + length
        exact = limit in (8, 16, 32)
        if length > limit or (exact and length != limit) or position > len(data):
            raise _damaged()
        items.append(data[start:position])
    return items


def _damaged() -> FormatError:
    return FormatError("The integrity record is damaged.")


class IntegrityState(StrEnum):
    """What can be said about a document's content."""

    UNALTERED = "unaltered"
    ALTERED = "altered"
    NO_RECORD = "no record"


@dataclass(frozen=True)
class Integrity:
    """The outcome of checking a document against its integrity record; `str()` is a sentence part for people."""

    state: IntegrityState
    record: SealedRecord | None = None
    """Only when unaltered: nothing in another record is to be believed."""

    def __str__(self) -> str:
        if self.state is IntegrityState.ALTERED:
            return "altered after protection"
        if self.record is None:
            return "no record"
        when = self.record.sealed_at.strftime("%Y-%m-%d %H:%M UTC")
        return f"unaltered, protected by {self.record.publisher_address} on {when}"


def verify_record(data: bytes, license: "PublishingLicense", root: bytes, length: int) -> Integrity:
    """Judge content of tree hash `root` and `length` bytes by the metadata `data` and the (verified) license.

    A license that says it is sealed needs a valid record. Without that, no record at all is taken for a file made by
    other software; but a record that is there must be right. Says nothing about whose key signed the license: without
    the service or a pinned key, "unaltered" means "as the holder of that key left it".
    """
    altered = Integrity(IntegrityState.ALTERED)
    if not data.startswith(LABEL):
        return altered if license.sealed else Integrity(IntegrityState.NO_RECORD)
    try:
        record, signature = decode_record(data)
    except FormatError:
        return altered
    as_sealed = (
        record.content_id == license.content_id
        and record.root == root
        and record.content_length == length
        and record.key_fingerprint == license.fingerprint
        and license.public_key.verify(record.to_signed_bytes(), signature, "sha256")
    )
    return Integrity(IntegrityState.UNALTERED, record) if as_sealed else altered
