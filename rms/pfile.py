"""The protected file container ("pfile"): header, license, metadata, content (protocol.md section 5).

Every offset and length in a header comes from a stranger: each is checked against the file's size and a fixed limit
before anything is read or allocated by it.
"""

import io
import re
import struct
from dataclasses import dataclass, field
from itertools import pairwise
from os.path import splitext
from typing import BinaryIO, Final

from rms.ciphers import read_exactly
from rms.content_key import CipherMode, ContentKey
from rms.errors import FormatError, NotProtectedError, UnsupportedVersionError

PREAMBLE: Final = b".pfile"
MAX_LICENSE: Final = 1 << 20
MAX_METADATA: Final = 1 << 20
MAX_CLEAR_TEXT: Final = 64 * 1024
MAX_EXTENSION: Final = 1024
MAX_FRONT: Final = 4 << 20
DEFAULT_CLEAR_TEXT: Final = (
    "\r\n\r\nThis file is protected. Open it with an application that supports protected files,\r\n"
    "for example with the address that its sender gave you, or with the command rightskeep.\r\n"
    "Do not change this file in any way: that would make it unreadable.\r\n\r\n"
)

_FIXED: Final = struct.Struct("<6I")  # headerSize, extension, license, content offset: version 2.0
_EXTRA: Final = struct.Struct("<QII")  # original size, metadata: since version 2.1
_UNKNOWN_SIZES: Final = (0, 0xFFFF_FFFF_FFFF_FFFF)
_MAX_HEADER: Final = 4096

_NATIVE: Final = frozenset(
    {".txt", ".xml", ".pdf", ".jpg", ".jpeg", ".jpe", ".jfif", ".jt", ".png", ".tif", ".tiff", ".bmp", ".gif"}
)
_GENERIC: Final = ".pfile"
_TYPED: Final = re.compile(r"[^.]\.[A-Za-z]\w{0,9}$")
_SAFE_EXTENSION: Final = re.compile(r"\.[\w+~#$!@&-]{1,32}")


@dataclass(frozen=True)
class Pfile:
    """What the header of a protected file says. Nothing in it is proven but what the license's signature covers."""

    version: tuple[int, int]
    clear_text: str = field(repr=False)
    extension: str
    """Of the original name, with its dot; "" when unknown or unfit for a file name."""
    license: bytes = field(repr=False)
    metadata_offset: int
    metadata: bytes = field(repr=False)
    content_offset: int
    content_length: int
    original_size: int | None
    """As claimed by the writer, for display only; None = unknown."""

    def content_key(self, key: ContentKey) -> ContentKey:
        """The key in the mode this file's content is in: up to version 2.x, what is called ECB is CBC4K."""
        if key.mode is CipherMode.ECB and self.version[0] <= 2:
            return ContentKey(key.value, CipherMode.CBC4K)
        return key


def read_header(source: BinaryIO) -> Pfile:
    """Read the header of a seekable file from its beginning.

    Raises NotProtectedError, UnsupportedVersionError, or FormatError when anything in it contradicts the file.
    """
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    if source.read(len(PREAMBLE)) != PREAMBLE:
        raise NotProtectedError("This is not a protected file.")
    version = _read_version(source)
    (clear_length,) = struct.unpack("<I", read_exactly(source, 4))
    if clear_length > MAX_CLEAR_TEXT:
        raise FormatError("The file is damaged: its introductory text is longer than any program writes.")
    clear_text = read_exactly(source, clear_length)
    start = source.tell()
    header_size, *sections = _FIXED.unpack(read_exactly(source, _FIXED.size))
    extension_offset, extension_length, license_offset, license_length, content_offset = sections
    original_size, metadata_offset, metadata_length = 0, 0, 0
    needed = _FIXED.size
    if version >= (2, 1):
        needed += _EXTRA.size
        original_size, metadata_offset, metadata_length = _EXTRA.unpack(read_exactly(source, _EXTRA.size))
    if not needed <= header_size <= _MAX_HEADER:
        raise FormatError("The file is damaged: its header has a size that does not fit its version.")
    _check_sections(
        size,
        ("header", 0, start + header_size, start + _MAX_HEADER),
        ("extension", extension_offset, extension_length, MAX_EXTENSION),
        ("license", license_offset, license_length, MAX_LICENSE),
        ("metadata", metadata_offset, metadata_length, MAX_METADATA),
        ("content", content_offset, max(size - content_offset, 0), size),
    )
    if not license_length:
        raise FormatError("The file is damaged: it holds no license.")
    return Pfile(
        version=version,
        clear_text=clear_text.decode("utf-8", "replace"),
        extension=_read_extension(_read_section(source, extension_offset, extension_length)),
        license=_read_section(source, license_offset, license_length),
        metadata_offset=metadata_offset,
        metadata=_read_section(source, metadata_offset, metadata_length),
        content_offset=content_offset,
        content_length=size - content_offset,
        original_size=None if original_size in _UNKNOWN_SIZES else original_size,
    )


def _read_version(source: BinaryIO) -> tuple[int, int]:
    major, minor = struct.unpack("<II", read_exactly(source, 8))
    if major not in (2, 3):
        raise UnsupportedVersionError(
            f"This protected file is of version {major}.{minor}; only versions 2.0 to 3.x can be read."
        )
    return major, minor


def _check_sections(size: int, *sections: tuple[str, int, int, int]) -> None:
    for name, offset, length, limit in sections:
        if offset + length > size:
            raise FormatError(f"The file is truncated or damaged: its {name} would lie beyond its end.")
        if length > limit:
            raise FormatError(f"The file is damaged: its {name} is longer than any program writes.")
    # The content reaches to the end of the file, so it takes part even when empty: nothing may follow it.
    taken = sorted(
        (offset, offset + length, name) for name, offset, length, _ in sections if length or name == "content"
    )
    for (_, end, name), (offset, _, next_name) in pairwise(taken):
        if offset < end:
            raise FormatError(f"The file is damaged: its {name} and its {next_name} overlap.")
    if taken[-1][2] != "content":
        raise FormatError(f"The file is damaged: its {taken[-1][2]} lies behind its content.")


def _read_section(source: BinaryIO, offset: int, length: int) -> bytes:
    if not length:
        return b""
    source.seek(offset)
    return read_exactly(source, length)


def _read_extension(raw: bytes) -> str:
    extension = safe_extension(raw.decode("utf-8", "replace").rstrip("\0"))
    # Other software writes ".pfile" for a file without extension.
    return "" if extension.lower() == _GENERIC else extension


@dataclass(frozen=True)
class Header:
    """The bytes before the content of a file to be written, and where in them something is patched afterwards."""

    data: bytes = field(repr=False)
    original_size_offset: int
    metadata_offset: int
    metadata_length: int


def build_header(
    *,
    license: bytes,
    extension: str,
    clear_text: str = DEFAULT_CLEAR_TEXT,
    metadata: bytes = b"",
    original_size: int | None = None,
) -> Header:
    """A header of version 3.0; the content follows it directly.

    `extension` has its dot; one that is unfit for a file name is left out. Raises ValueError when a part is too long.
    """
    text = clear_text.encode()
    suffix = safe_extension(extension).encode()
    for name, part, limit in (
        ("license", license, MAX_LICENSE),
        ("metadata", metadata, MAX_METADATA),
        ("introductory text", text, MAX_CLEAR_TEXT),
    ):
        if len(part) > limit:
            raise ValueError(f"The {name} of a protected file has at most {limit} bytes.")
    if not license:
        raise ValueError("A protected file needs a license.")
    front = PREAMBLE + struct.pack("<III", 3, 0, len(text)) + text
    header_size = _FIXED.size + _EXTRA.size
    extension_offset = len(front) + header_size
    license_offset = extension_offset + len(suffix)
    metadata_offset = license_offset + len(license)
    content_offset = metadata_offset + len(metadata)
    fixed = _FIXED.pack(
        header_size, extension_offset, len(suffix), license_offset, len(license), content_offset
    )
    stated_size = _UNKNOWN_SIZES[1] if original_size is None else original_size
    extra = _EXTRA.pack(stated_size, metadata_offset, len(metadata))
    return Header(
        data=front + fixed + extra + suffix + license + metadata,
        original_size_offset=len(front) + _FIXED.size,
        metadata_offset=metadata_offset,
        metadata_length=len(metadata),
    )


def front_with(source: BinaryIO, file: Pfile, *, license: bytes, metadata: bytes) -> bytes:
    """What stands before the content of `source` (`file` is its header), with another license and other metadata.

    All else stays byte for byte: the version, by which a cipher mode is read, and whatever another program keeps in a
    longer header or between the sections. Raises FormatError when that is more than any program writes.
    """
    if file.content_offset > MAX_FRONT or max(len(license), len(metadata)) > MAX_LICENSE:
        raise FormatError("The file has more before its content than any program writes.")
    source.seek(0)
    front = bytearray(read_exactly(source, file.content_offset))
    start = len(PREAMBLE) + 12 + struct.unpack_from("<I", front, len(PREAMBLE) + 8)[0]
    header_size, *fixed = _FIXED.unpack_from(front, start)
    extension_offset, extension_length, license_offset, license_length, content_offset = fixed
    parts = [(license_offset, license_length, license)]
    if file.version >= (2, 1):
        stated_size, metadata_offset, metadata_length = _EXTRA.unpack_from(front, start + _FIXED.size)
        if metadata != file.metadata:
            parts.append((metadata_offset, metadata_length, metadata))

    def moved(offset: int) -> int:
        new = offset + sum(len(part) - length for at, length, part in parts if at < offset)
        return new if new < 1 << 32 else 0  # of an empty section, which may claim to be anywhere

    if file.version >= (2, 1):
        length = len(metadata) if len(parts) > 1 else metadata_length
        _EXTRA.pack_into(front, start + _FIXED.size, stated_size, moved(metadata_offset), length)
    _FIXED.pack_into(
        front,
        start,
        header_size,
        moved(extension_offset),
        extension_length,
        moved(license_offset),
        len(license),
        moved(content_offset),
    )
    for at, length, part in sorted(parts, reverse=True):
        front[at : at + length] = part
    return bytes(front)


def safe_extension(text: str) -> str:
    """`text` when it is a dot and a few harmless characters, else "": it becomes part of a file name."""
    return text if _SAFE_EXTENSION.fullmatch(text) else ""


def protected_name(name: str) -> str:
    """The file name a protected file gets: `a.txt` becomes `a.ptxt`, `a.docx` becomes `a.docx.pfile`."""
    stem, suffix = splitext(name)
    if suffix.lower() in _NATIVE:
        return f"{stem}.p{suffix[1:].lower()}"
    return name + _GENERIC


def original_name(name: str, extension: str) -> str:
    """The file name the content gets, from the protected file's name and the extension its header tells.

    Never holds a path, whatever the two say. What the visible name tells of the type goes before the header, which
    nobody has signed: a picture must not turn into a program by being opened.
    """
    name = re.split(r"[/\\\0]", name)[-1]
    extension = safe_extension(extension)
    stem, suffix = splitext(name)
    native = f".{suffix[2:]}".lower()
    if name.lower().endswith(_GENERIC):
        name = name[: -len(_GENERIC)]
    elif suffix[:2].lower() == ".p" and native in _NATIVE:
        return stem + (extension if extension.lower() == native else native)
    if not name.strip(". "):
        name = "document"
    return name if _TYPED.search(name) else name + extension
