"""What a protected file says about itself, without asking any server."""

from dataclasses import dataclass
from pathlib import Path

from rms.integrity import Integrity, IntegrityState
from rms.protection import Inspection, check_integrity, inspect
from rms.xrml import PublishingLicense
from rmsclient.errors import BadFileError
from rmsclient.times import local_time


@dataclass(frozen=True)
class Report:
    """A file's own statements, and its integrity measured with the key in its license."""

    inspection: Inspection
    integrity: Integrity


def license_of(path: Path) -> PublishingLicense:
    """The publishing license of a protected file. Raises FormatError, OSError."""
    with path.open("rb") as stream:
        return inspect(stream).license


def report_on(path: Path) -> Report:
    """Reads the whole file. Raises FormatError, OSError."""
    with path.open("rb") as stream:
        return Report(inspect(stream), check_integrity(stream))


def sentence(integrity: Integrity) -> str:
    """Integrity for people, with the time in the local zone."""
    if integrity.state is IntegrityState.ALTERED:
        return "Altered after protection."
    if integrity.record is None:
        return "No record: made by other software, so nobody can say whether it was altered."
    when = local_time(integrity.record.sealed_at)
    return f"Unaltered, protected by {integrity.record.publisher_address} on {when}."


def refuse_altered(integrity: Integrity, registered_root: bytes | None) -> Integrity:
    """The integrity in the light of the root that the service has registered. Raises BadFileError if altered.

    A registered root means that the service has signed a record: a file without it, or with another
    content, is not what was protected, whatever the file itself says.
    """
    if is_altered(integrity, registered_root):
        raise BadFileError(
            "altered",
            "The file was altered after protection, so it is not what its author protected (--force opens it "
            "all the same).",
        )
    return integrity


def is_altered(integrity: Integrity, registered_root: bytes | None) -> bool:
    if integrity.state is IntegrityState.ALTERED:
        return True
    found = integrity.record.root if integrity.record else None
    return registered_root is not None and found != registered_root
