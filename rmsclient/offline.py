"""Opening content with a package of exported keys: no server, no rights, no expiry, no revocation (docs/formats/key-export.md).

This is the organization's own way to its documents when the service is gone; having the keys is all it takes.
"""

import getpass
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rms.errors import SealError
from rms.key_package import MAX_PACKAGE, Package, RecipientKey, read_package
from rms.protection import inspect
from rms.rights import OWNER
from rms.xrml import PublishingLicense, open_license
from rmsclient.errors import BadFileError, NoRightsError, UsageError
from rmsclient.licensing import UseLicense
from rmsclient.opening import Document

REMARK = (
    "Opened with the organization's exported key: neither rights nor expiry nor revocation were looked at, and no log "
    "tells of it."
)
_ABSENT = {
    "token": "it was kept in a hardware security module",
    "held": "the organization held it",
    "later": "it was made after the export was asked for",
    "gone": "it was gone already",
}
_MAX_KEY = 1 << 16


@dataclass(frozen=True)
class Keys:
    """A package and the private key it was made for."""

    package: Package
    recipient: RecipientKey

    def use(self, license: PublishingLicense) -> UseLicense:
        """Everything a license has, for whoever has its key. Raises BadFileError, NoRightsError."""
        key = self.package.keys.get(license.fingerprint)
        if key is None:
            raise NoRightsError(
                "unknown_key",
                f"The key that protects this file ({license.fingerprint[:16]}) is not in the package.",
            )
        # Reading the license has verified its signature by the key it names, which is this one.
        if not key.wrapped:
            why = _ABSENT.get(key.why_absent, "it is absent")
            raise NoRightsError(
                "private_key_absent",
                f"The package has only the public half of the key that protects this file ({key.fingerprint[:16]}): {why}.",
            )
        try:
            opened = open_license(license, decrypt=self.recipient.open(key))
        except SealError as error:
            raise BadFileError("sealed", "The license of this file does not open with its key.") from error
        return UseLicense(
            key=opened.content_key,
            rights=(OWNER,),
            owner=opened.rights.owner_address,
            issued_to="",
            name=license.names[0].name if license.names else "",
            valid_until=None,
            content_valid_until=opened.rights.expires_at,
            integrity_root=None,
        )


def read_keys(package: Path, recipient: Path, *, ask: Callable[[str], str] = getpass.getpass) -> Keys:
    """The package and the recipient's key, which is asked for its password where it has one. Raises UsageError, FormatError."""
    made = read_package(_read(package, MAX_PACKAGE))
    data = _read(recipient, _MAX_KEY)
    try:
        try:
            key = RecipientKey(data)
        except TypeError:
            key = RecipientKey(data, ask(f"Password of {recipient}: ").encode())
    except (ValueError, TypeError) as error:
        raise UsageError("bad_key", str(error)) from None
    facts = made.manifest.get("recipient")
    expected = str(facts.get("fingerprint", "")) if isinstance(facts, dict) else ""
    if expected != key.fingerprint:
        raise UsageError(
            "other_recipient",
            f"The package was made for the key {expected[:16]}, and this one is {key.fingerprint[:16]}.",
        )
    return Keys(made, key)


@contextmanager
def opened_with(keys: Keys, path: Path) -> Iterator[Document]:
    """As `rmsclient.opening.opened`, with keys in place of a server. Raises ClientError, FormatError, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UsageError("not_a_file", f"{path} is not an ordinary file.")
        inspection = inspect(stream)
        use = keys.use(inspection.license)
        yield Document(path, stream, inspection.file, inspection.license, use)


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise UsageError("file_too_large", f"{path} is larger than it can be.")
    return data
