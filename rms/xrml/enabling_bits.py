"""ENABLINGBITS `sealed-key-v2`: the content key sealed to a tenant key (protocol.md section 2.3).

RSA-OAEP(KeyHeader ‖ session key) ‖
AES-ECB(session key, UDEBHeader ‖ KeyHeader ‖ content key ‖ binding hash ‖ zeros to whole blocks).

The binding hash ties the sealed key to the license it stands in. One random session key per license makes the
ECB harmless: no two blocks under one key are ever equal in a way that tells anything.
"""

import hashlib
import hmac
import struct
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from rms.content_key import KEY_SIZES, CipherMode, ContentKey
from rms.errors import SealError
from rms.xrml.public_key import DigestName, PublicKey

SESSION_KEY_SIZE: Final = 32
_HASH_SIZE: Final = 32
_BLOCK: Final = 16
# Blob size, cipher mode, key size in bits, block size in bytes, flags: [MS-RMPR] 2.2.9.1.13.1.
_KEY_HEADER: Final = struct.Struct("<HHHHI")
_ENVELOPE_HEADER: Final = struct.Struct("<IIII")
_ENVELOPE_VERSION: Final = 2
_AES_FLAG: Final = 0x0001
_ECB_FLAG: Final = 0x1000
_CBC_FLAG: Final = 0x2000
_ELEMENT: Final = "<ENABLINGBITS"


def sealed_size(public_key: PublicKey, content_key: ContentKey) -> int:
    """The length in bytes of what `seal_key` returns for such keys."""
    return public_key.size + len(_pad(bytes(_clear_size(len(content_key.value)))))


def seal_key(
    content_key: ContentKey,
    session_key: bytes,
    *,
    public_key: PublicKey,
    oaep_hash: DigestName,
    binding: bytes,
) -> bytes:
    """The ENABLINGBITS bytes; `binding` is `binding_hash` of the BODY they will stand in."""
    sealed_session = public_key.encrypt_oaep(_header(session_key, CipherMode.ECB) + session_key, oaep_hash)
    payload = _header(content_key.value, content_key.mode) + content_key.value + binding
    clear = _ENVELOPE_HEADER.pack(_ENVELOPE_VERSION, len(payload), 0, 0) + payload
    encryptor = Cipher(AES(session_key), ECB()).encryptor()  # noqa: S305 - the format, see above
    return sealed_session + encryptor.update(_pad(clear)) + encryptor.finalize()


def open_key(
    sealed: bytes, *, key_size: int, binding: bytes, decrypt: Callable[[bytes], bytes]
) -> tuple[ContentKey, bytes]:
    """The content key and the session key of ENABLINGBITS sealed to an RSA key of `key_size` bytes.

    `decrypt` is the private operation on the OAEP block. SealError when anything is not as `seal_key` makes
    it.
    """
    envelope = sealed[key_size:]
    if len(sealed) <= key_size or len(envelope) % _BLOCK:
        raise SealError
    try:
        session = decrypt(sealed[:key_size])
    except ValueError:
        # What software keys raise for a block that was not made for them.
        raise SealError from None
    session_key = session[_KEY_HEADER.size :]
    if len(session_key) not in KEY_SIZES or session != _header(session_key, CipherMode.ECB) + session_key:
        raise SealError
    decryptor = Cipher(AES(session_key), ECB()).decryptor()  # noqa: S305 - the format, see above
    clear = decryptor.update(envelope) + decryptor.finalize()
    return _read_envelope(clear, binding), session_key


def _read_envelope(clear: bytes, binding: bytes) -> ContentKey:
    start = _ENVELOPE_HEADER.size
    if len(clear) < _clear_size(0):
        raise SealError
    version, length, *rest = _ENVELOPE_HEADER.unpack_from(clear)
    key_size = length - _KEY_HEADER.size - _HASH_SIZE
    if version != _ENVELOPE_VERSION or any(rest) or key_size not in KEY_SIZES:
        raise SealError
    payload = clear[start : start + length]
    if _pad(clear[:start] + payload) != clear:
        raise SealError
    header, value = payload[: _KEY_HEADER.size], payload[_KEY_HEADER.size : _KEY_HEADER.size + key_size]
    if not hmac.compare_digest(payload[-_HASH_SIZE:], binding):
        raise SealError
    try:
        key = ContentKey(value, CipherMode.from_header_code(_KEY_HEADER.unpack(header)[1]))
    except ValueError:
        raise SealError from None
    if header != _header(key.value, key.mode):
        raise SealError
    return key


def binding_hash(body: str) -> bytes:
    """SHA-256 over the UTF-16LE text of BODY with the text of the ENABLINGBITS VALUE taken out.

    SealError unless there is exactly one such VALUE.
    """
    start, end = locate_value(body)
    return hashlib.sha256((body[:start] + body[end:]).encode("utf-16-le")).digest()


def locate_value(body: str) -> tuple[int, int]:
    """Where the text of the ENABLINGBITS VALUE starts and ends in BODY; SealError unless there is exactly one."""
    element = body.find(_ELEMENT)
    tag = body.find("<VALUE", element)
    start = body.find(">", tag) + 1
    end = body.find("<", start)
    alone = body.find(_ELEMENT, element + 1) < 0
    if element < 0 or tag < 0 or not alone or not body.startswith("</VALUE></ENABLINGBITS>", end):
        raise SealError
    return start, end


def _clear_size(key_size: int) -> int:
    return _ENVELOPE_HEADER.size + _KEY_HEADER.size + key_size + _HASH_SIZE


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)


def _header(key: bytes, mode: CipherMode) -> bytes:
    chaining = _ECB_FLAG if mode is CipherMode.ECB else _CBC_FLAG
    return _KEY_HEADER.pack(
        _KEY_HEADER.size + len(key), mode.header_code, len(key) * 8, _BLOCK, chaining | _AES_FLAG
    )
