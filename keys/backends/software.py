"""RSA keys made and used in this process; the private half leaves it only sealed."""

from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from rms.errors import SealError

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"sha256": hashes.SHA256, "sha1": hashes.SHA1}


@dataclass(frozen=True)
class SoftwareKey:
    """A loaded private key. It signs and decrypts; it is never printed."""

    modulus: int = field(repr=False)
    _private: rsa.RSAPrivateKey = field(repr=False)
    oaep_hash: str = "sha256"

    def sign(self, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256, big-endian."""
        return self._private.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def decrypt(self, block: bytes) -> bytes:
        """RSA-OAEP with the hash recorded for this key. Raises `SealError`, always with the same text."""
        algorithm = _HASHES[self.oaep_hash]
        try:
            return self._private.decrypt(block, padding.OAEP(padding.MGF1(algorithm()), algorithm(), None))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SealError from error


def generate(bits: int) -> tuple[int, bytes]:
    """A new key of `bits` bits: its modulus and its private half as PKCS#8 DER, in clear; seal it at once."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    der = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.public_key().public_numbers().n, der


def load(der: bytes, oaep_hash: str) -> SoftwareKey:
    """A key from its unsealed PKCS#8 DER. Raises `ValueError` when that is not an RSA key."""
    # We made this key and the seal has proven that it is unchanged; checking it again takes 50 ms (2048) to 400 ms.
    private = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return SoftwareKey(private.public_key().public_numbers().n, private, oaep_hash)


def to_pem(der: bytes) -> str:
    """The same key as PEM text, for the OpenID Connect provider, which accepts nothing else."""
    private = serialization.load_der_private_key(der, password=None)
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
