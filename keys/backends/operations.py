"""What can be done with a private key, wherever it is kept."""

from dataclasses import dataclass
from typing import Any, NoReturn, Protocol


@dataclass(frozen=True)
class Description:
    """Where a key is kept and what it does, for people. Nothing secret."""

    place: str  # "software" or "pkcs11"
    bits: int
    oaep_hash: str
    token: str = ""  # the label of the token that holds it


class PrivateKey(Protocol):
    """A private key that can be used but not read. The algorithm is the key's own, never a document's."""

    @property
    def modulus(self) -> int: ...

    def sign(self, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256. Raises `KeyUnavailableError`."""

    def decrypt(self, block: bytes) -> bytes:
        """Undo RSA-OAEP. Raises `SealError`, always with the same text, and `KeyUnavailableError`."""

    def describe(self) -> Description: ...


class Unreadable:
    """Refuses to be copied, pickled and printed: what it holds stays where it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("A private key is neither copied nor written down.")

    def __copy__(self) -> NoReturn:
        raise TypeError("A private key is not copied.")

    def __deepcopy__(self, memo: Any) -> NoReturn:
        raise TypeError("A private key is not copied.")
