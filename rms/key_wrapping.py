"""Carrying an RSA private key to a service, in the format of PKCS #11's CKM_RSA_AES_KEY_WRAP.

RSA-OAEP (SHA-256, MGF1 over SHA-256, no label) of a fresh AES-256 key ‖ AES key wrap with padding (RFC 5649) of the
private key as PKCS #8 DER.
"""

import os
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from rms.errors import SealError

# The PKCS #8 DER of 4096 bits has 2.4 KB.
MAX_WRAPPED: Final = 8192
_OAEP: Final = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


def wrap_private_key(private: bytes, public_pem: bytes, *, password: bytes | None = None) -> bytes:
    """Wrap a private key (PEM or DER, `password` if it is encrypted) for whoever has the other half of `public_pem`.

    Raises `ValueError` with a sentence that says nothing of the key.
    """
    try:
        public = serialization.load_pem_public_key(public_pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("The import key is not a public key in PEM.") from error
    if not isinstance(public, rsa.RSAPublicKey):
        raise ValueError("The import key is not an RSA key.")
    load = (
        serialization.load_pem_private_key
        if private.lstrip().startswith(b"-----")
        else serialization.load_der_private_key
    )
    try:
        key = load(private, password)
    except TypeError as error:
        text = "The private key is encrypted: its password is needed." if password is None else "The private key is not encrypted: leave the password out."  # fmt: skip
        raise ValueError(text) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("This is no private key in PEM or DER, or its password is wrong.") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("The private key is not an RSA key.")
    der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return wrap_der(der, lambda aes: public.encrypt(aes, _OAEP))


def wrap_der(der: bytes, encrypt: Callable[[bytes], bytes]) -> bytes:
    """Wrap a private key that is PKCS #8 DER already; `encrypt` is RSA-OAEP with SHA-256 for whoever is to have it."""
    aes = os.urandom(32)
    return encrypt(aes) + aes_key_wrap_with_padding(aes, der)


def unwrap_private_key(wrapped: bytes, import_key: bytes) -> bytes:
    """The private key (DER) that was wrapped for `import_key` (DER). Raises `SealError`, always with the same text."""
    private = serialization.load_der_private_key(import_key, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(private, rsa.RSAPrivateKey)
    size = (private.key_size + 7) // 8
    try:
        aes = private.decrypt(wrapped[:size], _OAEP)
        return aes_key_unwrap_with_padding(aes, wrapped[size:])
    except (ValueError, InvalidUnwrap) as error:
        raise SealError from error
