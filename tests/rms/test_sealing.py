import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rms.content_key import CipherMode, ContentKey
from rms.errors import SealError
from rms.sealing import NONCE_SIZE, TAG_SIZE, seal, unseal

KEY = bytes(range(32))


@settings(max_examples=30)
@given(st.binary(max_size=200), st.text(max_size=20), st.binary(max_size=40))
def test_round_trip(plaintext, purpose, associated):
    sealed = seal(KEY, plaintext, purpose=purpose, associated=associated)
    assert len(sealed) == len(plaintext) + NONCE_SIZE + TAG_SIZE
    assert unseal(KEY, sealed, purpose=purpose, associated=associated) == plaintext


def test_equal_values_seal_differently():
    assert seal(KEY, b"x", purpose="p", associated=b"") != seal(KEY, b"x", purpose="p", associated=b"")


def test_every_ingredient_counts():
    sealed = seal(KEY, b"secret", purpose="p", associated=b"a")
    attempts = [
        (bytes(32), sealed, "p", b"a"),
        (KEY, sealed, "q", b"a"),
        (KEY, sealed, "p", b"b"),
        (KEY, sealed[:-1], "p", b"a"),
        (KEY, sealed + b"\0", "p", b"a"),
        (KEY, b"", "p", b"a"),
        *(
            (KEY, sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], "p", b"a")
            for at in range(len(sealed))
        ),
    ]
    for key, value, purpose, associated in attempts:
        with pytest.raises(SealError) as caught:
            unseal(key, value, purpose=purpose, associated=associated)
        assert str(caught.value) == str(SealError())


def test_known_answer():
    # Made with Node's crypto module: hkdfSync without salt, info "known", then aes-256-gcm with a zero nonce.
    sealed = bytes(12) + bytes.fromhex("4b7172fe4e05bee5bb04a53ce964d5352dd62d17abc9243044a59dcc278e")
    assert unseal(KEY, sealed, purpose="known", associated=b"tenant") == b"attack at dawn"


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        seal(bytes(15), b"", purpose="p", associated=b"")


def test_a_content_key_hides_its_bytes_and_checks_its_size():
    key = ContentKey.generate(128, CipherMode.CBC512)
    assert key.value.hex() not in repr(key)
    assert repr(key.value) not in repr(key)
    assert (len(key.value), key.size_bits, key.mode.header_code) == (16, 128, 0xFFFC)
    assert ContentKey.generate().value != ContentKey.generate().value
    with pytest.raises(ValueError, match="16, 24 or 32"):
        ContentKey(bytes(31))
    with pytest.raises(ValueError, match="128, 192 or 256"):
        ContentKey.generate(512)
    with pytest.raises(ValueError, match="0xfffe"):
        CipherMode.from_header_code(0xFFFE)
