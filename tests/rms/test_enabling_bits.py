"""The sealed content key and the encrypted policy: they open where they belong and nowhere else."""

import struct
from collections.abc import Callable
from functools import partial
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from rms.content_key import CipherMode, ContentKey
from rms.errors import FormatError, SealError
from rms.sealing import seal
from rms.xrml import PublishingLicense, issue_license, open_license, parse_license
from rms.xrml.enabling_bits import binding_hash, locate_value, open_key, seal_key
from rms.xrml.issuing import RIGHTS_PURPOSE, associated_data
from rms.xrml.rights_document import build_rights_document
from rms.xrml.text import encode_base64
from tests.rms.licenses import (
    CONTENT,
    KEY,
    TENANT,
    cut,
    issue,
    make_issuer,
    make_rights,
    make_terms,
    sign_again,
    signing_key,
)

SESSION = bytes(range(100, 132))
BINDING = bytes(range(200, 232))
OTHER = UUID("99999999-9999-4999-8999-999999999999")


def sealed(key: ContentKey = KEY) -> bytes:
    return seal_key(key, SESSION, public_key=signing_key().public, oaep_hash="sha256", binding=BINDING)


def refuse(bits: bytes, *, binding: bytes = BINDING, decrypt: Callable[[bytes], bytes] | None = None) -> None:
    with pytest.raises(SealError) as caught:
        open_key(bits, key_size=256, binding=binding, decrypt=decrypt or signing_key().decrypt)
    assert str(caught.value) == str(SealError())


@pytest.mark.parametrize("mode", list(CipherMode))
@pytest.mark.parametrize("size", [16, 24, 32])
def test_layout(mode, size):
    key = ContentKey(bytes(range(size)), mode)
    bits = sealed(key)
    session = signing_key().decrypt(bits[:256])
    assert session == struct.pack("<HHHHI", 44, 0xFFFF, 256, 16, 0x1001) + SESSION
    decryptor = Cipher(algorithms.AES(SESSION), modes.ECB()).decryptor()
    clear = decryptor.update(bits[256:])
    flags = 0x1001 if mode is CipherMode.ECB else 0x2001
    expected = struct.pack("<IIII", 2, 12 + size + 32, 0, 0)
    expected += struct.pack("<HHHHI", 12 + size, mode.header_code, size * 8, 16, flags) + key.value + BINDING
    assert clear == expected + bytes(-len(expected) % 16)
    opened = open_key(bits, key_size=256, binding=BINDING, decrypt=signing_key().decrypt)
    assert opened == (key, SESSION)


def test_another_binding_or_key_does_not_open():
    refuse(sealed(), binding=bytes(32))
    refuse(sealed(), decrypt=signing_key("other").decrypt)


def test_no_byte_can_be_changed():
    # A changed block of the content key itself deciphers to another key: that one is caught by the signature of
    # the license, which covers these bits, and by nothing in them.
    bits = sealed()
    key_blocks = range(256 + 16, 256 + 64)
    for at in range(0, len(bits), 1):
        if at < 256 and at % 32:
            continue
        if at not in key_blocks:
            refuse(bits[:at] + bytes([bits[at] ^ 1]) + bits[at + 1 :])


def test_no_other_length_opens():
    bits = sealed()
    for length in (0, 1, 255, 256, 257, 272, 288, 304, 320, 336, 351):
        refuse(bits[:length])
    refuse(bits + bytes(16))
    refuse(bits + b"\0")


@pytest.mark.parametrize(
    "session",
    [
        b"",
        bytes(12),
        bytes(44),
        struct.pack("<HHHHI", 44, 0xFFFF, 256, 16, 0x1001),
        struct.pack("<HHHHI", 43, 0xFFFF, 248, 16, 0x1001) + SESSION[:31],
        struct.pack("<HHHHI", 44, 0xFFFD, 256, 16, 0x2001) + SESSION,
        struct.pack("<HHHHI", 44, 0xFFFF, 128, 16, 0x1001) + SESSION,
        struct.pack("<HHHHI", 44, 0xFFFF, 256, 16, 0x1000) + SESSION,
    ],
)
def test_a_session_key_of_another_shape_is_refused(session):
    refuse(sealed(), decrypt=lambda block: session)


@pytest.mark.parametrize(
    ("at", "format", "value"),
    [
        (0, "<I", 1),
        (4, "<I", 0),
        (4, "<I", 75),
        (4, "<I", 60),
        (4, "<I", 2**32 - 1),
        (8, "<I", 1),
        (12, "<I", 1),
        (16, "<H", 43),
        (18, "<H", 0xFFFE),
        (18, "<H", 0),
        (20, "<H", 128),
        (22, "<H", 8),
        (24, "<I", 0),
        (92, "<I", 1),
    ],
)
def test_an_envelope_that_disagrees_with_itself_is_refused(at, format, value):
    bits = sealed()
    cipher = Cipher(algorithms.AES(SESSION), modes.ECB())
    clear = bytearray(cipher.decryptor().update(bits[256:]))
    struct.pack_into(format, clear, at, value)
    refuse(bits[:256] + cipher.encryptor().update(bytes(clear)))


def test_what_the_private_operation_says_stays_inside():
    def broken(block: bytes) -> bytes:
        raise ValueError("the padding was wrong at byte 7")

    refuse(sealed(), decrypt=broken)
    license = parse_license(issue())
    with pytest.raises(SealError) as caught:
        open_license(license, decrypt=broken)
    assert "padding" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_binding_covers_all_of_the_body_but_the_sealed_key():
    body = cut(issue())[1]
    start, end = locate_value(body)
    assert len(body[start:end]) == 472
    emptied = body[:start] + body[end:]
    assert binding_hash(body) == binding_hash(emptied)
    assert 'size="2816"></VALUE>' in emptied
    assert binding_hash(body) != binding_hash(body.replace("2816", "2817"))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<BODY></BODY>",
        "<ENABLINGBITS><VALUE>",
        "<ENABLINGBITS></ENABLINGBITS>",
        "<VALUE></VALUE><ENABLINGBITS>",
    ],
)
def test_a_body_without_sealed_key_has_no_binding(body):
    with pytest.raises(SealError):
        binding_hash(body)


def replace_bits(body: str, bits: str) -> str:
    start, end = locate_value(body)
    return body[:start] + bits + body[end:]


def test_a_sealed_key_cannot_be_moved_whoever_signs():
    first = issue()
    second = issue(make_terms(content_id=OTHER, rights=make_rights(content_id=OTHER)))
    body = cut(second)[1]
    start, end = locate_value(body)
    moved = replace_bits(cut(first)[1], body[start:end])
    license = parse_license(sign_again(first, moved, signing_key()))
    with pytest.raises(SealError):
        open_license(license, decrypt=signing_key().decrypt)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (str(CONTENT), str(OTHER)),
        (str(TENANT), str(OTHER)),
        ("alice@contoso.example", "mallory@fabrikam.example"),
        ("2025-01-31T09:15", "2026-01-31T09:15"),
        ("Staff may read", "Anyone may read"),
    ],
)
def test_no_other_word_of_a_license_can_be_changed_whoever_signs(old, new):
    data = issue()
    license = parse_license(sign_again(data, cut(data)[1].replace(old, new), signing_key()))
    with pytest.raises(SealError):
        open_license(license, decrypt=signing_key().decrypt)


def bind_again(data: bytes, change: Callable[[str], str], rights: bytes | None = None) -> PublishingLicense:
    """The license with another BODY, signed and bound by somebody who can open it: the owner of the key."""
    body = cut(data)[1]
    license = parse_license(data)
    assert license.enabling_bits
    assert license.encrypted_rights
    key, session = open_key(
        license.enabling_bits, key_size=256, binding=binding_hash(body), decrypt=signing_key().decrypt
    )
    if rights is not None:
        sealed_rights = seal(
            session, rights, purpose=RIGHTS_PURPOSE, associated=associated_data(CONTENT, TENANT)
        )
        body = body.replace(encode_base64(license.encrypted_rights), encode_base64(sealed_rights))
    body = change(body)
    bits = seal_key(
        key, session, public_key=signing_key().public, oaep_hash="sha256", binding=binding_hash(body)
    )
    return parse_license(sign_again(data, replace_bits(body, encode_base64(bits)), signing_key()))


def exchange(old: str, new: str, body: str) -> str:
    return body.replace(old, new)


def test_the_policy_is_bound_to_content_and_tenant():
    data = issue()
    same = bind_again(data, lambda body: body)
    assert open_license(same, decrypt=signing_key().decrypt).content_key == KEY
    for identifier in (CONTENT, TENANT):
        moved = bind_again(data, partial(exchange, str(identifier), str(OTHER)))
        with pytest.raises(SealError):
            open_license(moved, decrypt=signing_key().decrypt)


@pytest.mark.parametrize(
    "rights",
    [
        build_rights_document(make_rights(content_id=OTHER)),
        build_rights_document(make_rights(tenant_id=OTHER)),
        b"",
        b"\xff",
        b"<XrML/>",
    ],
)
def test_a_policy_about_something_else_does_not_open(rights):
    license = bind_again(issue(), lambda body: body, rights)
    with pytest.raises(SealError):
        open_license(license, decrypt=signing_key().decrypt)


def test_a_license_without_its_sealed_parts_does_not_open():
    data = issue()
    body = cut(data)[1]
    for old, new in (
        ("sealed-key-v2", "sealed-key"),
        ("Encrypted-Rights-Data", "Something-Else"),
        ('name="Tenant-ID"', 'name="Tenant"'),
    ):
        license = parse_license(sign_again(data, body.replace(old, new), signing_key()))
        with pytest.raises(SealError):
            open_license(license, decrypt=signing_key().decrypt)


def test_two_licenses_of_one_key_have_nothing_in_common():
    terms, issuer, sign = make_terms(), make_issuer(signing_key()), signing_key().sign
    first, second = (parse_license(issue_license(terms, issuer, KEY, sign=sign)) for _ in range(2))
    for name in ("enabling_bits", "encrypted_rights"):
        ours, theirs = getattr(first, name), getattr(second, name)
        blocks = {ours[at : at + 16] for at in range(0, len(ours) - 15, 16)}
        assert not any(theirs[at : at + 16] in blocks for at in range(0, len(theirs) - 15, 16))
    assert isinstance(SealError(), FormatError)
