"""What a customer does at home: make a key, wrap it."""

import functools
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from keys.importing import import_public_pem, make_import_key
from rms.key_wrapping import wrap_private_key


@functools.cache
def own_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A customer's key, made once."""
    return rsa.generate_private_key(65537, bits)


def own_pem(key: Any) -> bytes:
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem


def wrapped_for(tenant: Any, actor: Any, key: Any) -> bytes:
    """The key wrapped with a fresh import key."""
    return wrap_private_key(own_pem(key), import_public_pem(make_import_key(tenant, actor=actor)).encode())
