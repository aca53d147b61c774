"""Small secrets sealed under a symmetric key: HKDF-SHA256 to one key per purpose, then AES-256-GCM.

Layout of a sealed value: nonce (12 bytes, random) ‖ ciphertext ‖ tag (16 bytes).
"""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from rms.errors import SealError

NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16
_MIN_KEY_SIZE: Final = 16


def seal(key: bytes, plaintext: bytes, *, purpose: str, associated: bytes) -> bytes:
    """Encrypt and authenticate `plaintext`; it opens only with the same key, purpose and associated data.

    `purpose` separates uses of one key from each other and is no secret. A key of at least 16 bytes of full
    entropy is expected; no passwords.
    """
    nonce = os.urandom(NONCE_SIZE)
    return nonce + AESGCM(_derive(key, purpose)).encrypt(nonce, plaintext, associated)


def unseal(key: bytes, sealed: bytes, *, purpose: str, associated: bytes) -> bytes:
    """The plaintext of `seal`; SealError when anything at all differs."""
    if len(sealed) < NONCE_SIZE + TAG_SIZE:
        raise SealError
    try:
        return AESGCM(_derive(key, purpose)).decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], associated)
    except InvalidTag:
        raise SealError from None


def _derive(key: bytes, purpose: str) -> bytes:
    if len(key) < _MIN_KEY_SIZE:
        raise ValueError("A sealing key has at least 16 bytes.")
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(key)
