"""The content ciphers written down as plainly as protocol.md section 4 states them: one cipher object per block."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from rms.content_key import CipherMode, ContentKey


def encrypt(key: ContentKey, plaintext: bytes) -> bytes:
    if key.mode is CipherMode.ECB:
        return ecb(key, plaintext)
    size = 4096 if key.mode is CipherMode.CBC4K else 512
    blocks = [plaintext[start : start + size] for start in range(0, len(plaintext), size)]
    if key.mode is CipherMode.CBC4K:
        tail = b"" if len(plaintext) % size == 0 else blocks.pop()
        missing = 16 - len(tail) % 16
        blocks.append(tail + bytes([missing]) * missing)
    return b"".join(cbc(key, number, block) for number, block in enumerate(blocks))


def ecb(key: ContentKey, data: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(key.value), modes.ECB()).encryptor()
    return cipher.update(data) + cipher.finalize()


def cbc(key: ContentKey, number: int, block: bytes) -> bytes:
    if key.mode is CipherMode.CBC4K:
        counter = number.to_bytes(4, "little") + bytes(12)
    else:
        counter = (number * 512).to_bytes(8, "little") + bytes(8)
    cipher = Cipher(algorithms.AES(key.value), modes.CBC(ecb(key, counter))).encryptor()
    return cipher.update(block) + cipher.finalize()
