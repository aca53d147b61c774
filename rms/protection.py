"""Whole files: protect and open them as streams, in constant memory, with their integrity record."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from rms.ciphers import CHUNK_SIZE, Decryptor, Encryptor, check_ciphertext_length, read_exactly
from rms.content_key import ContentKey
from rms.errors import AlteredError, FormatError
from rms.integrity import LABEL, RECORD_SPACE, Integrity, IntegrityState, TreeHash, verify_record
from rms.pfile import DEFAULT_CLEAR_TEXT, Pfile, build_header, front_with, read_header
from rms.xrml import PublishingLicense, parse_license

Progress = Callable[[int], None]
"""Called with the number of bytes of the source that were dealt with since the last call."""

Seal = Callable[[bytes, int], bytes]
"""Called with tree hash and length of the ciphertext; gives the signed record (`integrity.encode_record`)."""

_OTHER_RECORD = "The service's integrity record does not belong to this document."


@dataclass(frozen=True)
class Protected:
    """What came out of protecting a file."""

    original_size: int
    content_length: int
    root: bytes


@dataclass(frozen=True)
class Inspection:
    """What a protected file says without its content key. The license verifies by the key in it, nothing more."""

    file: Pfile
    license: PublishingLicense


def protect(
    source: BinaryIO,
    target: BinaryIO,
    *,
    license: bytes,
    key: ContentKey,
    extension: str,
    seal: Seal | None,
    original_size: int | None = None,
    clear_text: str = DEFAULT_CLEAR_TEXT,
    progress: Progress | None = None,
) -> Protected:
    """Write `source`, to its end, as a protected file into `target` (empty and seekable).

    Without `seal` the file has no integrity record, which a license that promises one does not allow. FormatError
    when the license cannot be read, the cipher mode cannot hold content of this length, the source is not of the
    `original_size` it was said to be (it changed meanwhile), or the record made by `seal` does not verify.
    """
    parsed = parse_license(license)
    if seal is None and parsed.sealed:
        raise ValueError("The license promises an integrity record, so one has to be made.")
    header = build_header(
        license=license,
        extension=extension,
        clear_text=clear_text,
        metadata=bytes(RECORD_SPACE) if seal else b"",
    )
    target.write(header.data)
    size, tree = _encrypt(source, target, key, progress)
    if original_size not in (None, size):
        raise FormatError("The file changed while it was being protected.")
    root = tree.root()
    if seal:
        record = seal(root, tree.length)
        if len(record) > RECORD_SPACE or (
            verify_record(record, parsed, root, tree.length).state is not IntegrityState.UNALTERED
        ):
            raise FormatError(_OTHER_RECORD)
        target.seek(header.metadata_offset)
        target.write(record)
    target.seek(header.original_size_offset)
    target.write(size.to_bytes(8, "little"))
    target.seek(len(header.data) + tree.length)
    return Protected(size, tree.length, root)


def _encrypt(
    source: BinaryIO, target: BinaryIO, key: ContentKey, progress: Progress | None
) -> tuple[int, TreeHash]:
    encryptor, tree, size = Encryptor(key), TreeHash(), 0
    while data := source.read(CHUNK_SIZE):
        for ciphertext in encryptor.chunks(data):
            tree.update(ciphertext)
            target.write(ciphertext)
        size += len(data)
        if progress:
            progress(len(data))
    last = encryptor.finalize()
    tree.update(last)
    target.write(last)
    return size, tree


def unprotect(
    source: BinaryIO, target: BinaryIO, *, key: ContentKey, progress: Progress | None = None
) -> Integrity:
    """Decrypt the protected file `source` (seekable) into `target`, and say whether it is as it was sealed.

    The answer comes after the last byte: a caller writes to a temporary place and lets nobody have it before looking
    at the result (or calls `check_integrity` first, at the price of reading twice). AlteredError when content that
    was altered does not even decrypt, FormatError for everything else that cannot be read.
    """
    inspection = inspect(source)
    file = inspection.file
    mode_key = file.content_key(key)
    check_ciphertext_length(mode_key.mode, file.content_length)
    decryptor, tree = Decryptor(mode_key), TreeHash()
    for ciphertext in _content(source, file, progress):
        tree.update(ciphertext)
        for plaintext in decryptor.chunks(ciphertext):
            target.write(plaintext)
    integrity = _judge(inspection, tree)
    try:
        target.write(decryptor.finalize())
    except FormatError as error:
        if integrity.state is IntegrityState.ALTERED:
            raise AlteredError(
                "The content was altered after protection, and can no longer be read."
            ) from error
        raise
    return integrity


def reseal(
    source: BinaryIO,
    target: BinaryIO,
    *,
    license: bytes,
    record: bytes | None,
    progress: Progress | None = None,
) -> None:
    """Write the protected file `source` (seekable) into `target` with a license that was issued anew for its content.

    `record` takes the place of its integrity record; none where it has none. Everything else, the content above all, is
    copied as it is. FormatError when license or record belong to another document or other content: then nobody may have
    the target.
    """
    old = inspect(source)
    new = parse_license(license)
    if (new.content_id, new.sealed) != (old.license.content_id, old.license.sealed):
        raise FormatError("The new license belongs to another document.")
    metadata = old.file.metadata
    if record is not None:
        if not metadata.startswith(LABEL):
            raise FormatError("The file has no integrity record that could be signed anew.")
        metadata = record.ljust(len(metadata), b"\0")
    target.write(front_with(source, old.file, license=license, metadata=metadata))
    tree = TreeHash()
    for ciphertext in _content(source, old.file, progress):
        tree.update(ciphertext)
        target.write(ciphertext)
    if verify_record(metadata, new, tree.root(), tree.length).state is IntegrityState.ALTERED:
        raise FormatError(_OTHER_RECORD)


def inspect(source: BinaryIO) -> Inspection:
    """Header and license of the protected file `source` (seekable); reads no content."""
    file = read_header(source)
    return Inspection(file, parse_license(file.license))


def check_integrity(source: BinaryIO, progress: Progress | None = None) -> Integrity:
    """Whether the protected file `source` (seekable) is as it was sealed; needs no content key."""
    inspection = inspect(source)
    tree = TreeHash()
    for ciphertext in _content(source, inspection.file, progress):
        tree.update(ciphertext)
    return _judge(inspection, tree)


def _content(source: BinaryIO, file: Pfile, progress: Progress | None) -> Iterator[bytes]:
    source.seek(file.content_offset)
    left = file.content_length
    while left:
        data = read_exactly(source, min(left, CHUNK_SIZE))
        left -= len(data)
        yield data
        if progress:
            progress(len(data))


def _judge(inspection: Inspection, tree: TreeHash) -> Integrity:
    return verify_record(inspection.file.metadata, inspection.license, tree.root(), tree.length)
