"""RSA keys in a PKCS#11 token (a hardware security module): made there or brought there, never to leave it.

A process speaks to its token over one session, from one thread. The binding locks nothing by itself (two threads with
sessions of their own crash inside SoftHSM), and a thread of its own can be waited for with a time-out, which a lock held
during a call into the vendor's library cannot.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keys.backends.operations import Description, Unreadable
from keys.errors import KeyUnavailableError
from rms.errors import SealError

try:
    import pkcs11
except ImportError:  # the extra `hsm` is not installed
    pkcs11 = None  # type: ignore[assignment]  # asked for before it is used

T = TypeVar("T")
_EXPONENT: Final = 65537
_MOST_OBJECTS: Final = 10_000
_SILENT: Final = "The hardware security module does not answer."
_REFUSED: Final = "The hardware security module does not accept the PIN."


class Pin(Unreadable):
    """A PIN that no printing shows."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pin) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)


@dataclass(frozen=True)
class Place:
    """Which token, and how to get into it."""

    module: str  # path of the vendor's library
    label: str
    pin: Pin
    seconds: float  # how long one operation may take
    generation_seconds: float


class _NotThereError(KeyUnavailableError):
    """The session finds no such key. One from before the token was pulled out and put back finds nothing at all."""


class TokenKey(Unreadable):
    """A private key in a token, found there by its id."""

    __slots__ = ("_key_id", "_oaep_hash", "_token", "modulus")

    def __init__(self, token: "Token", key_id: bytes, modulus: int, oaep_hash: str) -> None:
        self.modulus = modulus
        self._token, self._key_id, self._oaep_hash = token, key_id, oaep_hash

    def sign(self, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256. Raises `KeyUnavailableError`."""
        return self._token.run(lambda session: _sign(session.find(self._key_id), data))

    def decrypt(self, block: bytes) -> bytes:
        """RSA-OAEP with the hash recorded for this key. Raises `SealError`, `KeyUnavailableError`."""
        if len(block) != (self.modulus.bit_length() + 7) // 8:
            raise SealError
        return self._token.run(lambda session: _decrypt(session.find(self._key_id), block, self._oaep_hash))

    def describe(self) -> Description:
        return Description("pkcs11", self.modulus.bit_length(), self._oaep_hash, self._token.place.label)


class _Session:
    """The process's one session, with the objects found in it. Used by the token's thread only."""

    def __init__(self, session: Any) -> None:
        self.raw = session
        self._found: dict[bytes, Any] = {}

    def find(self, key_id: bytes) -> Any:
        found = self.look_for(key_id)
        if found is None:
            raise _NotThereError("This key is not in the hardware security module.")
        return found

    def look_for(self, key_id: bytes) -> Any:
        known = self._found.get(key_id)
        if known is None:
            found = self.all_of(key_id)
            if not found:
                return None
            if len(self._found) >= _MOST_OBJECTS:
                self._found.clear()
            known = self._found[key_id] = found[0]
        return known

    def all_of(self, key_id: bytes) -> list[Any]:
        wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.ID: key_id}
        return list(self.raw.get_objects(wanted))


class Token:
    """One token, for the whole process. Its methods raise `KeyUnavailableError`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[_Session], Any]]] = SimpleQueue()
        self._busy_since: float | None = None
        self._session: _Session | None = None
        self._library: Any = None
        self._shut = False  # the PIN was refused: asking again would lock the token
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def generate(self, key_id: bytes, bits: int) -> tuple[int, str]:
        """Make a key in the token that never leaves it; the one of this id when there is one already.

        Returns its modulus and the OAEP hash that the token can do.
        """

        def job(session: _Session) -> tuple[int, str]:
            found = session.look_for(key_id)
            if found is None:
                session.raw.generate_keypair(
                    pkcs11.KeyType.RSA,
                    bits,
                    id=key_id,
                    label=f"rightskeep-{key_id.hex()}",
                    mechanism=pkcs11.Mechanism.RSA_PKCS_KEY_PAIR_GEN,
                    public_template={
                        pkcs11.Attribute.TOKEN: False,
                        pkcs11.Attribute.PUBLIC_EXPONENT: _EXPONENT.to_bytes(3, "big"),
                    },
                    private_template=_lasting(),
                )
                found = session.find(key_id)
            return _facts(found)

        return self.run(job, self.place.generation_seconds)

    def bring(self, key_id: bytes, private: rsa.RSAPrivateKey) -> tuple[int, str]:
        """Put a key that the customer brought into the token. Returns what `generate` returns."""
        numbers = private.private_numbers()
        parts = {
            pkcs11.Attribute.MODULUS: numbers.public_numbers.n,
            pkcs11.Attribute.PUBLIC_EXPONENT: numbers.public_numbers.e,
            pkcs11.Attribute.PRIVATE_EXPONENT: numbers.d,
            pkcs11.Attribute.PRIME_1: numbers.p,
            pkcs11.Attribute.PRIME_2: numbers.q,
            pkcs11.Attribute.EXPONENT_1: numbers.dmp1,
            pkcs11.Attribute.EXPONENT_2: numbers.dmq1,
            pkcs11.Attribute.COEFFICIENT: numbers.iqmp,
        }

        def job(session: _Session) -> tuple[int, str]:
            found = session.look_for(key_id)
            if found is None:
                session.raw.create_object(
                    {
                        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
                        pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.RSA,
                        pkcs11.Attribute.ID: key_id,
                        pkcs11.Attribute.LABEL: f"rightskeep-{key_id.hex()}",
                        **_lasting(),
                        **{name: _bytes(value) for name, value in parts.items()},
                    }
                )
                found = session.find(key_id)
            return _facts(found)

        return self.run(job)

    def destroy(self, key_id: bytes) -> None:
        """Destroy all that the token holds under this id: twice the same key, when two processes brought it at once.

        Looked for in a new session, see `_NotThereError`.
        """

        def job(_: _Session) -> None:
            for found in self._connect().all_of(key_id):
                found.destroy()

        self.run(job)

    def open(self, key_id: bytes, modulus: int, oaep_hash: str) -> TokenKey:
        """The key of this id, which has to be there and to be the one with this modulus."""
        held = self.run(lambda session: int.from_bytes(session.find(key_id)[pkcs11.Attribute.MODULUS], "big"))
        if held != modulus:
            raise KeyUnavailableError("The hardware security module holds another key under this id.")
        return TokenKey(self, key_id, modulus, oaep_hash)

    def run(self, job: Callable[[_Session], T], seconds: float = 0) -> T:
        """Do `job` with the session, in the token's thread; anew after the token was lost. For this module and its tests."""
        limit = seconds or self.place.seconds
        busy = self._busy_since
        if busy is not None and time.monotonic() - busy > max(limit, self.place.generation_seconds):
            raise KeyUnavailableError(_SILENT)  # a call hangs in there; waiting behind it helps nobody
        self._ensure_thread()
        future: Future[T] = Future()
        self._jobs.put((future, job))
        try:
            return future.result(timeout=limit)
        except TimeoutError:
            future.cancel()
            raise KeyUnavailableError(_SILENT) from None

    def after_fork(self) -> None:
        """In a child process: the thread stayed behind, and the session is the parent's."""
        self._jobs, self._start = SimpleQueue(), threading.Lock()
        self._thread, self._session, self._busy_since = None, None, None

    def _ensure_thread(self) -> None:
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="pkcs11")
                self._thread.start()

    def _work(self) -> None:
        while True:
            future, job = self._jobs.get()
            if not future.set_running_or_notify_cancel():
                continue
            self._busy_since = time.monotonic()
            try:
                future.set_result(self._attempt(job))
            except BaseException as error:  # noqa: BLE001  (it is raised where the result is waited for)
                future.set_exception(error)
            finally:
                self._busy_since = None
                del future, job

    def _attempt(self, job: Callable[[_Session], T]) -> T:
        """Twice at most: the second time with a new session, as after the token was pulled out and put back."""
        fresh = self._session is None
        try:
            return job(self._session or self._connect())
        except _NotThereError:
            if fresh:
                raise
        except pkcs11.PKCS11Error as error:
            self._session = None
            if fresh:
                raise self._unavailable(error) from error
        try:
            return job(self._connect())
        except pkcs11.PKCS11Error as error:
            self._session = None
            raise self._unavailable(error) from error

    def _connect(self) -> _Session:
        if self._shut:
            raise KeyUnavailableError(_REFUSED)
        if self._library is None:
            self._library = pkcs11.lib(self.place.module)
        with contextlib.suppress(pkcs11.PKCS11Error):
            self._library.finalize()  # by now a session of a forked parent, or of a token that was taken away
        self._library.initialize()
        token = self._library.get_token(token_label=self.place.label)
        try:
            opened = token.open(rw=True, user_pin=self.place.pin.value)
        except (
            pkcs11.PinIncorrect,
            pkcs11.PinInvalid,
            pkcs11.PinLenRange,
            pkcs11.PinLocked,
            pkcs11.PinExpired,
        ):
            self._shut = True
            raise KeyUnavailableError(_REFUSED) from None
        self._session = _Session(opened)
        return self._session

    def _unavailable(self, error: Exception) -> KeyUnavailableError:
        return KeyUnavailableError(f"The hardware security module cannot be used ({type(error).__name__}).")


def _lasting() -> dict[Any, Any]:
    names = pkcs11.Attribute
    return {
        names.TOKEN: True,
        names.PRIVATE: True,
        names.SENSITIVE: True,
        names.EXTRACTABLE: False,
        names.SIGN: True,
        names.DECRYPT: True,
        names.UNWRAP: False,
    }


def _bytes(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _sign(found: Any, data: bytes) -> bytes:
    signature: bytes = found.sign(data, mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS)
    return signature


def _decrypt(found: Any, block: bytes, oaep_hash: str) -> bytes:
    mechanisms, mask = pkcs11.Mechanism, pkcs11.MGF
    parameter = (
        (mechanisms.SHA_1, mask.SHA1, None) if oaep_hash == "sha1" else (mechanisms.SHA256, mask.SHA256, None)
    )
    try:
        plain: bytes = found.decrypt(block, mechanism=mechanisms.RSA_PKCS_OAEP, mechanism_param=parameter)
    except pkcs11.PKCS11Error:
        # Tokens answer alike to a block that is not theirs and to having been pulled out. One that still signs is there.
        _sign(found, b"")
        raise SealError from None
    return plain


def _facts(found: Any) -> tuple[int, str]:
    """The modulus of a key in the token, and the first OAEP hash by which it opens what is sealed to it."""
    modulus = int.from_bytes(found[pkcs11.Attribute.MODULUS], "big")
    public = rsa.RSAPublicNumbers(_EXPONENT, modulus).public_key()
    algorithms: tuple[hashes.HashAlgorithm, ...] = (hashes.SHA256(), hashes.SHA1())  # noqa: S303  (sound inside OAEP)
    for algorithm in algorithms:
        probe = os.urandom(16)
        block = public.encrypt(probe, padding.OAEP(padding.MGF1(algorithm), algorithm, None))
        with contextlib.suppress(SealError):
            if _decrypt(found, block, algorithm.name) == probe:
                return modulus, algorithm.name
    raise KeyUnavailableError("The hardware security module can do no RSA-OAEP.")


_tokens: dict[Place, Token] = {}


def token_at(place: Place) -> Token:
    """The process's connection to this token. Raises `KeyUnavailableError` when there is no way to any."""
    if pkcs11 is None:
        raise KeyUnavailableError("The package python-pkcs11 is not installed (extra “hsm”).")
    known = _tokens.get(place)
    if known is None:
        known = _tokens.setdefault(place, Token(place))
    return known


def _after_fork() -> None:
    for token in _tokens.values():
        token.after_fork()


os.register_at_fork(after_in_child=_after_fork)
