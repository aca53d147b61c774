"""RSA keys made and used in this process; the private half leaves it only sealed."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keys.backends.operations import Description, Unreadable
from rms.errors import SealError

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"sha256": hashes.SHA256, "sha1": hashes.SHA1}


class SoftwareKey(Unreadable):
    """A loaded private key. It signs and decrypts; it is never printed."""

    __slots__ = ("_oaep_hash", "_private", "modulus")

    def __init__(self, private: rsa.RSAPrivateKey, oaep_hash: str) -> None:
        self.modulus = private.public_key().public_numbers().n
        self._private = private
        self._oaep_hash = oaep_hash

    def sign(self, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256, big-endian."""
        return self._private.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def decrypt(self, block: bytes) -> bytes:
        """RSA-OAEP with the hash recorded for this key. Raises `SealError`, always with the same text."""
        algorithm = _HASHES[self._oaep_hash]
        try:
            return self._private.decrypt(block, padding.OAEP(padding.MGF1(algorithm()), algorithm(), None))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SealError from error

    def describe(self) -> Description:
        return Description("software", self.modulus.bit_length(), self._oaep_hash)


def generate(bits: int) -> tuple[int, bytes]:
    """A new key of `bits` bits: its modulus and its private half as PKCS#8 DER, in clear; seal it at once."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return private.public_key().public_numbers().n, to_der(private)


def to_der(private: rsa.RSAPrivateKey) -> bytes:
    """PKCS#8 DER, in clear; seal it at once."""
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load(der: bytes, oaep_hash: str) -> SoftwareKey:
    """A key from its unsealed PKCS#8 DER. Raises `ValueError` when that is not an RSA key."""
    # It was checked when it was made or brought and the seal has proven that it is unchanged; checking it again takes
    # 50 ms (2048) to 400 ms.
    private = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return SoftwareKey(private, oaep_hash)


def to_pem(der: bytes) -> str:
    """The same key as PEM text, for the OpenID Connect provider, which accepts nothing else."""
    private = serialization.load_der_private_key(der, password=None)
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
