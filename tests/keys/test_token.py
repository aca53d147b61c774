"""Keys in a token, on SoftHSM: made there, used there, never outside; and a token that is lost, slow or refuses."""

import os
import threading
from typing import Any

import pkcs11
import pytest

from keys import keeping
from keys.backends.pkcs11 import Token
from keys.custody import active_key, find_key, forget_loaded
from keys.errors import KeyUnavailableError
from keys.models import KeyPolicy, KeyVersion, WrappingKey
from keys.rollover import create_first_key
from rms.errors import SealError
from tenants.freshness import forget_facts
from tenants.models import Tenant
from tests.keys.tokens import SoftToken, held_in_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(soft_token: SoftToken, contoso: Tenant) -> KeyVersion:
    return create_first_key(contoso)


def token() -> Token:
    return keeping._token()


def test_a_key_is_made_in_the_token_and_used_there(key: KeyVersion):
    assert (key.kind, key.token_label, key.oaep_hash, key.sealed_private) == (
        "pkcs11",
        "rightskeep",
        "sha1",
        None,
    )
    assert not WrappingKey.objects.exists()
    forget_facts()
    forget_loaded()
    handle = find_key(key.fingerprint)
    assert handle is not None
    assert handle.public_key.verify(b"data", handle.sign(b"data"))
    assert handle.decrypt(handle.public_key.encrypt_oaep(b"secret", "sha1")) == b"secret"
    described = handle.describe()
    assert described is not None
    assert (described.place, described.token, described.oaep_hash) == ("pkcs11", "rightskeep", "sha1")
    held = token().run(lambda session: session.find(key.id.bytes))
    assert held[pkcs11.Attribute.SENSITIVE] and not held[pkcs11.Attribute.EXTRACTABLE]
    for secret in (pkcs11.Attribute.PRIVATE_EXPONENT, pkcs11.Attribute.PRIME_1):
        with pytest.raises(pkcs11.AttributeSensitive):
            held[secret]


def test_what_does_not_decrypt_reads_the_same_whatever_the_cause(key: KeyVersion):
    handle = active_key(key.tenant_id)
    block = handle.public_key.encrypt_oaep(b"secret", "sha1")
    texts = set()
    for bad in (
        b"",
        block[:-1],
        block + b"\0",
        bytes(256),
        handle.public_key.encrypt_oaep(b"secret"),
        block[::-1],
    ):
        with pytest.raises(SealError) as caught:
            handle.decrypt(bad)
        texts.add(str(caught.value))
    assert len(texts) == 1
    assert handle.decrypt(block) == b"secret"


def test_making_a_key_again_takes_the_one_that_is_there(key: KeyVersion):
    """A worker died between the token and the database."""
    again = keeping.new_key(key.tenant_id, bits=2048, state=KeyVersion.State.PENDING, key_id=key.id)
    assert (again.fingerprint, again.oaep_hash) == (key.fingerprint, "sha1")
    keeping.discard(again)  # which another one has stored meanwhile
    forget_loaded()
    active_key(key.tenant_id)
    lost = keeping.new_key(key.tenant_id, bits=2048, state=KeyVersion.State.PENDING)
    keeping.discard(lost)
    assert held_in_token().count(key.id.bytes) == 1 and lost.id.bytes not in held_in_token()


def test_a_session_that_was_lost_and_has_not_met_the_key(key: KeyVersion, soft_token: SoftToken):
    """It finds nothing any more, and does not say why."""
    for use in (lambda: keeping.load(key).sign(b"license"), lambda: token().destroy(key.id.bytes)):
        token().run(lambda session: session._found.clear())
        soft_token.pull_out()
        assert held_in_token() == []
        soft_token.put_back()
        use()
    assert key.id.bytes not in held_in_token()


def test_a_key_that_is_not_the_one_of_the_record(key: KeyVersion):
    KeyVersion.objects.update(modulus=bytes(key.modulus)[:-1] + b"\x01")
    forget_loaded()
    with pytest.raises(KeyUnavailableError, match="another key"):
        active_key(key.tenant_id)


def test_an_organization_decides_where_its_keys_are_made(
    soft_token: SoftToken, contoso: Tenant, settings: Any
):
    KeyPolicy.objects.create(tenant=contoso, place="software")
    assert create_first_key(contoso).kind == "software"
    settings.NEW_KEYS = "software"
    KeyPolicy.objects.update(place="")
    assert keeping.place_for(contoso.id) == "software"


def test_a_token_that_was_pulled_out(key: KeyVersion, soft_token: SoftToken):
    handle = active_key(key.tenant_id)
    handle.sign(b"before")
    token().run(lambda session: session.raw.close())  # what the library says after the token was away
    assert handle.public_key.verify(b"data", handle.sign(b"data"))
    token().run(lambda session: session.raw.close())
    soft_token.pull_out()
    try:
        with pytest.raises(KeyUnavailableError, match="cannot be used"):
            handle.sign(b"data")
    finally:
        soft_token.put_back()
    assert handle.public_key.verify(b"after", handle.sign(b"after"))


def test_a_process_that_forked_has_a_session_of_its_own(key: KeyVersion):
    """As workers of a server that loads the program before it forks."""
    handle = active_key(key.tenant_id)
    handle.sign(b"parent")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, handle.sign(b"child"))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        signature = pipe.read()
    os.waitpid(child, 0)
    assert handle.public_key.verify(b"child", signature)
    assert handle.public_key.verify(b"parent", handle.sign(b"parent"))


def test_many_threads_use_one_session(key: KeyVersion):
    """Sessions of their own without a lock would crash the process."""
    handle = active_key(key.tenant_id)
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(20):
            data = f"{number} {turn}".encode()
            if not handle.public_key.verify(data, handle.sign(data)):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_refused_pin_is_not_tried_again(soft_token: SoftToken, contoso: Tenant, settings: Any):
    """Tokens lock themselves after a few wrong ones."""
    settings.PKCS11_TOKEN_PIN = "not the pin"
    with pytest.raises(KeyUnavailableError, match="does not accept the PIN") as caught:
        create_first_key(contoso)
    assert "not the pin" not in str(caught.value) and "not the pin" not in repr(token().place)
    soft_token.pull_out()  # whoever went to the token now would get another answer
    try:
        with pytest.raises(KeyUnavailableError, match="does not accept the PIN"):
            create_first_key(contoso)
    finally:
        soft_token.put_back()


def test_a_token_that_hangs_is_waited_for_only_so_long(key: KeyVersion, settings: Any):
    settings.PKCS11_SECONDS = settings.PKCS11_GENERATION_SECONDS = 0.2
    hanging, answer = token(), threading.Event()
    with pytest.raises(KeyUnavailableError, match="does not answer"):
        hanging.run(lambda _: answer.wait(60))
    with pytest.raises(KeyUnavailableError, match="does not answer"):
        hanging.run(lambda session: session)
    answer.set()
    forget_loaded()
    settings.PKCS11_SECONDS = settings.PKCS11_GENERATION_SECONDS = 60
    active_key(key.tenant_id).sign(b"data")


def test_a_server_without_a_token_says_so(contoso: Tenant, settings: Any):
    settings.NEW_KEYS = "pkcs11"
    with pytest.raises(KeyUnavailableError, match="No hardware security module"):
        create_first_key(contoso)
