"""RSA keys that customers bring: read, and refused where they are wrong, weak or not usable in licenses."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils.translation import gettext_lazy as _

from keys.errors import KeyRefusedError
from rms import key_package
from rms.xrml.public_key import EXPONENT, PublicKey

ALLOWED_BITS: Final = (2048, 3072, 4096)
RECIPIENT_BITS: Final = (3072, 8192)
# FIPS 186-5, A.1.3: primes differ in one of their first 100 bits.
_CLOSEST: Final = 100
# ROCA (CVE-2017-15361): primes of that library are powers of 65537 modulo the product of the first primes, and so are
# its moduli. A modulus of others passes for one of them about once in 2^40 times.
_ROCA_PRIMES: Final = tuple(n for n in range(3, 168, 2) if all(n % d for d in range(3, n, 2)))
_SMALL: Final = math.prod(_ROCA_PRIMES)
_ROCA: Final = {
    prime: frozenset(pow(65537, power, prime) for power in range(prime - 1)) for prime in _ROCA_PRIMES
}


def read(der: bytes) -> rsa.RSAPrivateKey:
    """The RSA key in `der` (PKCS#8 or PKCS#1, not encrypted). Raises `KeyRefusedError` with a sentence that says why."""
    try:
        key = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyRefusedError(_("What was wrapped is not a private key in PKCS #8 DER.")) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyRefusedError(_("Only RSA keys can be used in licenses; this is another kind of key."))
    for is_wrong, sentence in _FAULTS:
        if is_wrong(key.private_numbers()):
            raise KeyRefusedError(str(sentence))
    try:
        # OpenSSL's own check, which looks at everything once more and at whether the primes are prime.
        serialization.load_der_private_key(der, None)
    except ValueError as error:
        raise KeyRefusedError(
            _("The parts of this key do not belong together, or its primes are none.")
        ) from error
    return key


def read_recipient(pem: bytes) -> PublicKey:
    """The public key that keys are to be handed over to. Raises `KeyRefusedError` with a sentence that says why."""
    if b"PRIVATE KEY" in pem:
        raise KeyRefusedError(
            _("This is a private key. Never send it anywhere: only its public half is needed here.")
        )
    try:
        public = key_package.read_recipient(pem)
    except ValueError as error:
        raise KeyRefusedError(_("This is not the public half of an RSA key, as PEM.")) from error
    if not RECIPIENT_BITS[0] <= public.bits <= RECIPIENT_BITS[1]:
        raise KeyRefusedError(_("The recipient’s key has 3072 to 8192 bits; this one has another size."))
    if _is_roca(public.modulus) or math.gcd(public.modulus, _SMALL) != 1:
        raise KeyRefusedError(_("The recipient’s key is weak: it can be factored."))
    return public


def shares_a_prime(modulus: int, others: Iterable[int]) -> bool:
    """Whether a modulus has a prime in common with one of the others: both were made by a bad random generator."""
    return any(1 < math.gcd(modulus, other) < modulus for other in others)


def _is_roca(modulus: int) -> bool:
    return all(modulus % prime in powers for prime, powers in _ROCA.items())


def _has_wrong_exponent(key: rsa.RSAPrivateNumbers) -> bool:
    order = math.lcm(key.p - 1, key.q - 1)
    return (
        key.d * key.public_numbers.e % order != 1
        or key.d >= key.public_numbers.n
        or key.d.bit_length() <= key.public_numbers.n.bit_length() // 2
    )


def _has_wrong_crt(key: rsa.RSAPrivateNumbers) -> bool:
    return (key.dmp1, key.dmq1) != (key.d % (key.p - 1), key.d % (key.q - 1)) or key.iqmp * key.q % key.p != 1


def _has_close_primes(key: rsa.RSAPrivateNumbers) -> bool:
    return abs(key.p - key.q).bit_length() <= key.public_numbers.n.bit_length() // 2 - _CLOSEST


def _has_uneven_primes(key: rsa.RSAPrivateNumbers) -> bool:
    half = key.public_numbers.n.bit_length() // 2
    return key.p.bit_length() != half or key.q.bit_length() != half


Check = Callable[[rsa.RSAPrivateNumbers], bool]
_FAULTS: Final[tuple[tuple[Check, Any], ...]] = (
    (
        lambda key: key.public_numbers.n.bit_length() not in ALLOWED_BITS,
        _("Keys have 2048, 3072 or 4096 bits; this one has another size."),
    ),
    (
        lambda key: key.public_numbers.e != EXPONENT,
        _("The public exponent has to be 65537: licenses know no other, and small or even ones are weak."),
    ),
    (
        lambda key: key.p * key.q != key.public_numbers.n,
        _("The primes of this key are not those of its modulus."),
    ),
    (_has_uneven_primes, _("The primes of this key are not of the same size, so it is easier to factor.")),
    (_has_close_primes, _("The primes of this key are too close to each other: it can be factored.")),
    (_has_wrong_exponent, _("The private exponent of this key is wrong or too small.")),
    (
        _has_wrong_crt,
        _("The parts for the Chinese remainder theorem are wrong: using the key would give it away."),
    ),
    (
        lambda key: _is_roca(key.public_numbers.n),
        _("This key was made by a faulty library (ROCA, CVE-2017-15361): it can be factored."),
    ),
)


def public_pem(modulus: int) -> str:
    """The public key as PEM text (SubjectPublicKeyInfo), as OpenSSL reads it."""
    public = rsa.RSAPublicNumbers(EXPONENT, modulus).public_key()
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode("ascii")
