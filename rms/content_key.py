"""The key a document is encrypted with, and the way it is used."""

import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

KEY_SIZES: Final = (16, 24, 32)


class CipherMode(StrEnum):
    """How content is encrypted, by the name used on the wire (protocol.md section 4)."""

    CBC4K = "MICROSOFT.CBC4K"
    CBC512 = "MICROSOFT.CBC512.NOPADDING"
    ECB = "MICROSOFT.ECB"

    @property
    def header_code(self) -> int:
        """The number of this mode in a KeyHeader (protocol.md section 2.3)."""
        return _HEADER_CODES[self]

    @classmethod
    def from_header_code(cls, code: int) -> Self:
        """The mode with this KeyHeader number; ValueError when there is none that content can use."""
        for mode in cls:
            if mode.header_code == code:
                return mode
        raise ValueError(f"There is no cipher mode {code:#06x}.")


_HEADER_CODES: Final = {
    CipherMode.CBC4K: 0xFFFD,
    CipherMode.CBC512: 0xFFFC,
    CipherMode.ECB: 0xFFFF,
}


@dataclass(frozen=True)
class ContentKey:
    """An AES key of 16, 24 or 32 bytes with the mode its content was encrypted in; the bytes never show in a repr."""

    value: bytes = field(repr=False)
    mode: CipherMode = CipherMode.CBC4K

    def __post_init__(self) -> None:
        if len(self.value) not in KEY_SIZES:
            raise ValueError("A content key has 16, 24 or 32 bytes.")

    @classmethod
    def generate(cls, size_bits: int = 256, mode: CipherMode = CipherMode.CBC4K) -> Self:
        """A fresh random key of `size_bits` (128, 192 or 256) bits."""
        if size_bits not in (128, 192, 256):
            raise ValueError("A content key has 128, 192 or 256 bits.")
        return cls(os.urandom(size_bits // 8), mode)

    @property
    def size_bits(self) -> int:
        return len(self.value) * 8
