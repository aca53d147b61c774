"""Keys that are brought: wrapped by OpenSSL as documented, checked, rolled in, held, brought again."""

import re
import subprocess
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from asn1crypto.keys import RSAPrivateKey as Numbers
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.utils import timezone

from audit.models import AdminEvent
from keys import importing, keeping
from keys.backends import brought
from keys.custody import active_key, find_key, forget_loaded
from keys.errors import KeyHeldError, KeyRefusedError, RollInProgressError
from keys.importing import hold_key, import_key, import_public_pem, make_import_key, restore_key
from keys.models import ImportKey, KeyVersion, WrappingKey
from keys.rollover import create_first_key, finish_due_rolls, start_roll
from keys.tasks import tidy_imports
from rms.key_wrapping import unwrap_private_key, wrap_private_key
from tenants.freshness import forget_facts
from tenants.models import Tenant, User
from tests.keys.aging import let_announcements_pass
from tests.keys.bringing import own_key, own_pem, wrapped_for
from tests.keys.tokens import SoftToken

pytestmark = pytest.mark.django_db
DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "administrators.md"
_PEM = serialization.Encoding.PEM
_DER = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
PLACES = ["software", "pkcs11"]


@pytest.fixture(autouse=True)
def _small_import_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the stock of the tests; making one of 3072 bits takes half a second."""
    monkeypatch.setattr(importing, "IMPORT_BITS", 2048)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """Where the brought key is kept."""
    if request.param == "pkcs11":
        request.getfixturevalue("soft_token")
    return str(request.param)


def bring(tenant: Tenant, actor: User, key: Any, place: str = "software") -> KeyVersion:
    record = import_key(tenant, wrapped_for(tenant, actor, key), actor=actor, place=place)
    let_announcements_pass()
    assert finish_due_rolls() == 1
    record.refresh_from_db()
    return record


def restart() -> None:
    forget_facts()
    forget_loaded()


def test_the_documented_openssl_commands(contoso: Tenant, alice: User, tmp_path: Path):
    """Word for word from the manual, on the real program."""
    (script,) = re.findall(r"```sh\n(# wrap with OpenSSL\n.*?)```", DOCUMENTED.read_text("utf-8"), re.DOTALL)
    (tmp_path / "key.pem").write_bytes(own_pem(own_key()))
    (tmp_path / "import.pem").write_text(import_public_pem(make_import_key(contoso, actor=alice)))
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, check=True, capture_output=True)
    record = import_key(contoso, (tmp_path / "wrapped.bin").read_bytes(), actor=alice)
    assert (record.state, record.origin, record.kind, record.bits) == ("pending", "brought", "software", 2048)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["import.pem", "key.pem", "wrapped.bin"]


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_bring_roll_hold_restore_and_back_to_a_made_key(contoso: Tenant, alice: User, place: str):
    create_first_key(contoso)
    first = active_key(contoso.id)
    record = bring(contoso, alice, own_key(), place)
    assert (record.state, record.kind, record.origin) == ("active", place, "brought")
    handle = active_key(contoso.id)
    assert handle.public_key.verify(b"data", handle.sign(b"data"))
    hash_name: Any = handle.oaep_hash
    block = handle.public_key.encrypt_oaep(b"secret", hash_name)
    old_block = first.public_key.encrypt_oaep(b"old", "sha1" if first.oaep_hash == "sha1" else "sha256")

    hold_key(record, actor=alice)
    record.refresh_from_db()
    assert (record.sealed_private, record.token_label, WrappingKey.objects.filter(key=record).count()) == (
        None,
        "",
        0,
    )
    restart()
    with pytest.raises(KeyHeldError):
        active_key(contoso.id)
    held, old = find_key(record.fingerprint), find_key(first.fingerprint)
    assert held is not None and held.is_held
    assert old is not None and old.decrypt(old_block) == b"old"
    with pytest.raises(KeyRefusedError, match="that is not held"):
        hold_key(record, actor=alice)
    with pytest.raises(KeyRefusedError, match="another key than"):
        restore_key(record, wrapped_for(contoso, alice, own_key(1)), actor=alice)

    restore_key(record, wrapped_for(contoso, alice, own_key()), actor=alice)
    restart()
    again = active_key(contoso.id)
    assert again.decrypt(block) == b"secret"
    start_roll(contoso, actor=alice)
    let_announcements_pass()
    assert finish_due_rolls() == 1
    assert KeyVersion.objects.get(state="active").origin == "made"
    opened = find_key(record.fingerprint)
    assert opened is not None and opened.decrypt(block) == b"secret"
    told = list(AdminEvent.objects.order_by("id").values_list("action", flat=True))
    assert [action for action in told if action != "MakeImportKey"] == [
        "ImportKey", "ActivateKey", "HoldKey", "RestoreKey", "RollKey", "ActivateKey",
    ]  # fmt: skip


class KilledError(BaseException):
    """The end of a worker."""


def in_token(key_id: uuid.UUID | None = None) -> int:
    """How many private keys the token holds, all or under one id."""
    wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}
    more = {pkcs11.Attribute.ID: key_id.bytes} if key_id else {}
    return len(keeping._token().run(lambda session: list(session.raw.get_objects({**wanted, **more}))))


def test_a_worker_that_dies_leaves_no_second_copy_in_the_token(
    soft_token: SoftToken, contoso: Tenant, alice: User, monkeypatch: pytest.MonkeyPatch
):
    wrapped, before = wrapped_for(contoso, alice, own_key()), in_token()

    def die(record: KeyVersion) -> None:
        raise KilledError

    with monkeypatch.context() as crash:
        crash.setattr(keeping, "store", die)
        with pytest.raises(KilledError):
            import_key(contoso, wrapped, actor=alice, place="pkcs11")
    record = import_key(contoso, wrapped, actor=alice, place="pkcs11")
    assert (in_token() - before, in_token(record.id)) == (1, 1)
    let_announcements_pass()
    assert finish_due_rolls() == 1
    hold_key(record, actor=alice)
    assert in_token() == before


def test_two_who_bring_the_same_file_at_once(
    soft_token: SoftToken, contoso: Tenant, alice: User, monkeypatch: pytest.MonkeyPatch
):
    """The one who comes second takes nothing away from the first."""
    wrapped, real = wrapped_for(contoso, alice, own_key()), keeping.brought_key
    stored: list[KeyVersion] = []

    def meanwhile(*given: Any, **named: Any) -> KeyVersion:
        monkeypatch.setattr(keeping, "brought_key", real)
        stored.append(import_key(contoso, wrapped, actor=alice, place="pkcs11"))
        return real(*given, **named)

    monkeypatch.setattr(keeping, "brought_key", meanwhile)
    with pytest.raises(KeyRefusedError, match="used meanwhile"):
        import_key(contoso, wrapped, actor=alice, place="pkcs11")
    assert in_token(stored[0].id) == 1
    let_announcements_pass()
    assert finish_due_rolls() == 1
    assert active_key(contoso.id).fingerprint == stored[0].fingerprint


@pytest.mark.parametrize("bits", [2050, 2054])
def test_keys_of_sizes_that_are_no_whole_bytes(bits: int):
    """A recipient's key may have such a size: what was wrapped for it has to open."""
    recipient = rsa.generate_private_key(65537, bits)
    public = recipient.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    wrapped = wrap_private_key(own_pem(own_key()), public)
    assert unwrap_private_key(wrapped, recipient.private_bytes(*_DER)) == own_key().private_bytes(*_DER)


def test_held_while_the_token_does_not_answer(soft_token: SoftToken, contoso: Tenant, alice: User):
    record = bring(contoso, alice, own_key(), "pkcs11")
    keeping._token().run(lambda session: session.raw.close())
    soft_token.pull_out()
    hold_key(record, actor=alice)
    soft_token.put_back()
    restart()
    with pytest.raises(KeyHeldError):
        active_key(contoso.id)
    there = lambda: keeping._token().run(lambda session: session.look_for(record.id.bytes) is not None)  # noqa: E731
    assert there()
    tidy_imports()
    assert not there()
    tidy_imports()


def test_what_was_made_here_cannot_be_held(contoso: Tenant, alice: User):
    record = create_first_key(contoso)
    with pytest.raises(KeyRefusedError, match="nobody could bring it again"):
        hold_key(record, actor=alice)
    assert active_key(contoso.id).sign(b"data")


def test_an_import_key_serves_once_and_not_for_ever(contoso: Tenant, alice: User):
    wrapped = wrapped_for(contoso, alice, own_key())
    with pytest.raises(KeyRefusedError, match="cannot be unwrapped"):
        import_key(contoso, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), actor=alice)
    import_key(contoso, wrapped, actor=alice)
    row = ImportKey.objects.get()
    assert (row.sealed_private, row.used_at is not None) == (None, True)
    with pytest.raises(RollInProgressError):
        import_key(contoso, wrapped, actor=alice)
    KeyVersion.objects.all().delete()
    with pytest.raises(KeyRefusedError, match="no import key"):
        import_key(contoso, wrapped, actor=alice)
    make_import_key(contoso, actor=alice)
    with pytest.raises(KeyRefusedError, match="cannot be unwrapped"):
        import_key(contoso, wrapped, actor=alice)
    ImportKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    tidy_imports()
    assert not ImportKey.objects.filter(sealed_private__isnull=False).exists()


def test_a_key_is_brought_once(contoso: Tenant, alice: User):
    bring(contoso, alice, own_key())
    with pytest.raises(KeyRefusedError, match="in your list already"):
        import_key(contoso, wrapped_for(contoso, alice, own_key()), actor=alice)
    other = Tenant.objects.create(slug="fabrikam", name="Fabrikam")
    with pytest.raises(KeyRefusedError, match="known already"):
        import_key(other, wrapped_for(other, alice, own_key()), actor=alice)


def der(**changes: Any) -> bytes:
    """A key whose numbers were tampered with, as no library would make it."""
    numbers = own_key().private_numbers()
    facts = {
        "version": 0,
        "modulus": numbers.public_numbers.n,
        "public_exponent": numbers.public_numbers.e,
        "private_exponent": numbers.d,
        "prime1": numbers.p,
        "prime2": numbers.q,
        "exponent1": numbers.dmp1,
        "exponent2": numbers.dmq1,
        "coefficient": numbers.iqmp,
    }
    encoded: bytes = Numbers({**facts, **changes}).dump()
    return encoded


def from_primes(p: int, q: int) -> bytes:
    """A key of these two numbers, consistent except that they need not be prime."""
    d = pow(65537, -1, (p - 1) * (q - 1))
    return der(
        modulus=p * q, private_exponent=d, prime1=p, prime2=q,
        exponent1=d % (p - 1), exponent2=d % (q - 1), coefficient=pow(q, -1, p),
    )  # fmt: skip


def like_roca(seed: int) -> int:
    """A number of 1024 bits of the shape that the faulty library gave its primes."""
    product = 2
    for prime in brought._ROCA_PRIMES:
        product *= prime
    start = (3 << 1022) + seed * (1 << 1000)
    return start - start % product + pow(65537, seed, product)


def close_primes() -> bytes:
    p = own_key().private_numbers().p
    return from_primes(p | 1 << 1022, (p | 1 << 1022) + 2)


P, Q = own_key().private_numbers().p, own_key().private_numbers().q
FAULTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "no key": (lambda: b"not a key at all", "not a private key"),
    "1024 bits": (lambda: own_key(0, 1024).private_bytes(*_DER), "another size"),
    "2056 bits": (lambda: own_key(0, 2056).private_bytes(*_DER), "another size"),
    "elliptic curve": (lambda: ec.generate_private_key(ec.SECP256R1()).private_bytes(*_DER), "Only RSA keys"),
    "exponent 3": (lambda: der(public_exponent=3), "has to be 65537"),
    "even exponent": (lambda: der(public_exponent=65536), "has to be 65537"),
    "other primes": (lambda: der(prime1=P + 2), "not those of its modulus"),
    "small prime": (lambda: der(prime1=3, prime2=P * Q // 3, modulus=P * Q // 3 * 3), "not of the same size"),
    "close primes": (close_primes, "too close"),
    "wrong private exponent": (
        lambda: der(private_exponent=own_key().private_numbers().d + 2), "exponent of this key is wrong"),
    "private exponent beyond the modulus": (
        lambda: der(private_exponent=own_key().private_numbers().d + (P - 1) * (Q - 1)), "exponent of this key is wrong"),
    "wrong CRT": (lambda: der(exponent1=own_key().private_numbers().dmp1 + 2), "Chinese remainder"),
    "wrong coefficient": (lambda: der(coefficient=5), "Chinese remainder"),
    "ROCA": (lambda: from_primes(like_roca(7), like_roca(12)), "ROCA"),
    "composite primes": (lambda: from_primes(P | 1, (3 << 1022) + 1), "its primes are none"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_keys_are_refused_in_clear(fault: str):
    make, sentence = FAULTS[fault]
    with pytest.raises(KeyRefusedError, match=sentence):
        brought.read(make())


def test_a_prime_in_common_with_another_key_is_found():
    other = own_key(1).private_numbers()
    assert brought.shares_a_prime(P * other.p, [own_key().private_numbers().public_numbers.n])
    assert not brought.shares_a_prime(P * Q, [other.public_numbers.n, P * Q])


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_good_keys_are_taken(bits: int):
    assert brought.read(own_key(0, bits).private_bytes(*_DER)).key_size == bits


def test_wrapping_says_what_is_wrong(contoso: Tenant, alice: User):
    pem = import_public_pem(make_import_key(contoso, actor=alice)).encode()
    for private, public, password, sentence in (
        (b"nothing", pem, None, "no private key"),
        (own_pem(own_key()), b"nothing", None, "not a public key"),
        (own_pem(own_key()), pem, b"password", "is not encrypted"),
        (_encrypted(), pem, None, "password is needed"),
        (_encrypted(), pem, b"wrong", "password is wrong"),
        (own_pem(ec.generate_private_key(ec.SECP256R1())), pem, None, "not an RSA key"),
    ):
        with pytest.raises(ValueError, match=sentence):
            wrap_private_key(private, public, password=password)
    assert wrap_private_key(_encrypted(), pem, password=b"correct horse")


def _encrypted() -> bytes:
    return own_key().private_bytes(_PEM, _DER[1], serialization.BestAvailableEncryption(b"correct horse"))
