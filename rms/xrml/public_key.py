"""RSA public keys as XrML writes them: exponent 65537, modulus in little-endian Base64."""

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, Literal, Self, TypeAlias
from xml.etree.ElementTree import Element

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from rms.errors import LicenseError
from rms.xrml.text import decode_base64, encode_base64, parts, text_of

# SHA-1 is for reading what clients signed years ago, and sound inside OAEP (protocol.md sections 2.1 and 2.3).
DigestName: TypeAlias = Literal["sha256", "sha1"]

MIN_BITS: Final = 1024
MAX_BITS: Final = 8192
EXPONENT: Final = 65537
# The Base64 of 8192 bits has 1368 characters; the rest is room for line breaks.
_MAX_MODULUS_TEXT: Final = 2048
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {"sha256": hashes.SHA256(), "sha1": hashes.SHA1()}  # noqa: S303 - see DigestName
_PREHASHED: Final = {name: Prehashed(algorithm) for name, algorithm in _HASHES.items()}
_PKCS1: Final = padding.PKCS1v15()


@dataclass(frozen=True)
class PublicKey:
    """An RSA public key with exponent 65537; ValueError for a modulus that is even or not of 1024 to 8192 bits."""

    modulus: int

    def __post_init__(self) -> None:
        if not MIN_BITS <= self.modulus.bit_length() <= MAX_BITS or self.modulus % 2 == 0:
            raise ValueError(f"An RSA modulus is odd and has {MIN_BITS} to {MAX_BITS} bits.")

    @classmethod
    def from_numbers(cls, modulus: int) -> Self:
        return cls(modulus)

    @cached_property
    def bits(self) -> int:
        return self.modulus.bit_length()

    @property
    def size(self) -> int:
        """Length in bytes of the modulus, of a signature and of an OAEP block."""
        return (self.bits + 7) // 8

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 in hexadecimal over the big-endian modulus: the name of the key everywhere in Rightskeep."""
        return hashlib.sha256(self.modulus.to_bytes(self.size, "big")).hexdigest()

    def verify(self, data: bytes, signature: bytes, digest: DigestName = "sha256") -> bool:
        """Whether this is a PKCS #1 v1.5 signature of `data` by this key."""
        return self.verify_digest(hashlib.new(digest, data).digest(), signature, digest)

    def verify_digest(self, value: bytes, signature: bytes, digest: DigestName) -> bool:
        """As `verify`, for data already hashed."""
        if len(signature) != self.size:
            return False
        try:
            _load(self.modulus).verify(signature, value, _PKCS1, _PREHASHED[digest])
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            # ValueError: OpenSSL's own opinion of a modulus that a stranger chose. UnsupportedAlgorithm: SHA-1 on
            # a system that no longer has it.
            return False
        return True

    def encrypt_oaep(self, data: bytes, hash: DigestName = "sha256") -> bytes:
        """RSA-OAEP with MGF1 over the same hash and no label."""
        algorithm = _HASHES[hash]
        return _load(self.modulus).encrypt(data, padding.OAEP(padding.MGF1(algorithm), algorithm, None))

    def to_xml(self) -> str:
        """The PUBLICKEY element."""
        modulus = encode_base64(self.modulus.to_bytes(self.size, "little"))
        return (
            "<PUBLICKEY><ALGORITHM>RSA</ALGORITHM>"
            f'<PARAMETER name="public-exponent"><VALUE encoding="integer32">{EXPONENT}</VALUE></PARAMETER>'
            f'<PARAMETER name="modulus"><VALUE encoding="base64" size="{self.size * 8}">{modulus}</VALUE></PARAMETER>'
            "</PUBLICKEY>"
        )


@lru_cache(maxsize=5_000)
def _load(modulus: int) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(EXPONENT, modulus).public_key()


@lru_cache(maxsize=5_000)
def _from_base64(text: str) -> PublicKey:
    """Cached: nearly every license of an organization names the same key, and decoding it costs as much as parsing."""
    try:
        return PublicKey(int.from_bytes(decode_base64(text, "public key"), "little"))
    except ValueError:
        raise LicenseError("This license names an RSA key of a size that is not accepted.") from None


def read_public_key(element: Element) -> PublicKey:
    """The key of a PUBLICKEY element; LicenseError for anything but RSA with exponent 65537."""
    algorithm = ""
    values: dict[str | None, str] = {}
    for child in element:
        if child.tag == "ALGORITHM":
            algorithm += text_of(child).strip()
        elif child.tag == "PARAMETER":
            name = child.get("name")
            if name in values:
                raise LicenseError("The public key of this license states a number twice.")
            values[name] = text_of(parts(child).get("VALUE")).strip()
    if algorithm != "RSA" or values.get("public-exponent") != str(EXPONENT):
        raise LicenseError("This license names a key that is not RSA with the exponent 65537.")
    modulus = values.get("modulus", "")
    if len(modulus) > _MAX_MODULUS_TEXT:
        raise LicenseError("This license names an RSA key of a size that is not accepted.")
    return _from_base64(modulus)
