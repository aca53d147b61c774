"""X.509 certificates as identity providers publish them: until when they count, and how people recognize them."""

import base64
import binascii
import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from rms.errors import FormatError


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is shown of a certificate, and itself as base64 of its DER form, without line breaks."""

    base64: str
    subject: str
    fingerprint: str
    not_before: dt.datetime
    not_after: dt.datetime

    def counts_at(self, moment: dt.datetime) -> bool:
        return self.not_before <= moment <= self.not_after


def read_certificate(text: str) -> Certificate:
    """A certificate from PEM or bare base64. Raises `FormatError` when it is none."""
    lines = [line.strip() for line in text.strip().splitlines() if not line.startswith("-----")]
    try:
        der = base64.b64decode("".join(lines), validate=True)
        found = x509.load_der_x509_certificate(der)
        subject = found.subject.rfc4514_string()
    except (binascii.Error, ValueError) as error:
        raise FormatError("This is not a certificate.") from error
    return Certificate(
        base64=base64.b64encode(der).decode("ascii"),
        subject=subject[:200],
        fingerprint=found.fingerprint(SHA256()).hex(),
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
    )
