"""Sealing protected files to the active key in place: each is the old file or the new one, whenever anything stops.

What is done needs no journal: a file whose license is under the active key has nothing left to do.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from rms.errors import FormatError
from rms.integrity import RECORD_SPACE, IntegrityState
from rms.protection import check_integrity, inspect, reseal
from rmsclient.connection import Connections
from rmsclient.errors import BadFileError, UsageError
from rmsclient.files import complete_file
from rmsclient.licensing import reissue
from rmsclient.protection import changed

Progress = Callable[[int], None]


class Resealer:
    """Seals one file after the other. Remembers which keys were active, so that files under them are left unread."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._active: set[tuple[str, str]] = set()  # licensing URL, fingerprint

    def reseal(self, path: Path, progress: Progress | None = None) -> bool:
        """Whether the file was sealed anew; False when it is sealed to the active key already.

        ``progress`` gets the bytes of the content twice: as they are checked and as they are copied. An altered file is
        refused and left as it is. Raises ClientError, FormatError, OSError.
        """
        with _opened(path) as (source, before):
            inspection = inspect(source)
            license = inspection.license
            if (license.licensing_url or "", license.fingerprint) in self._active:
                return False
            integrity = check_integrity(source, progress)
            if integrity.state is IntegrityState.ALTERED:
                raise BadFileError(
                    "altered", f"{path} was altered after protection, so it was left as it is."
                )
            record = inspection.file.metadata[:RECORD_SPACE] if integrity.record else None
            made = reissue(self._connections.for_license(license.licensing_url), license, record)
            self._active.add((license.licensing_url or "", made.fingerprint))
            if made.license is None:
                return False
            _replace(path, source, before, made.license, made.record, progress)
            return True


def _replace(
    path: Path,
    source: BinaryIO,
    before: os.stat_result,
    license: bytes,
    record: bytes | None,
    progress: Progress | None,
) -> None:
    with complete_file(path, mode=stat.S_IMODE(before.st_mode), overwrite=True) as target:
        _keep_owner(path, target, before)
        try:
            reseal(source, target, license=license, record=record, progress=progress)
        except FormatError:
            if changed(before, path.lstat()):
                raise _changed(path) from None
            raise
        target.flush()
        _keep_attributes(source, target)
        # Nothing of what was protected has changed; and `protect` knows its own files by this time.
        os.utime(target.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
        if changed(before, path.lstat()):
            raise _changed(path)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    if path.is_symlink():
        raise UsageError("symbolic_link", f"{path} is a symbolic link; seal what it points to.")
    # Not blocking, in case the name leads to a pipe by now.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as source:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError("not_a_file", f"{path} is not an ordinary file.")
        yield source, found


def _keep_owner(path: Path, target: BinaryIO, before: os.stat_result) -> None:
    """The new file belongs to whom the old one did. Raises UsageError where the system does not let us say so."""
    made = os.fstat(target.fileno())
    if (made.st_uid, made.st_gid) == (before.st_uid, before.st_gid):
        return
    try:
        os.fchown(target.fileno(), before.st_uid, before.st_gid)
    except OSError:
        raise UsageError(
            "owner", f"{path} belongs to another user or group, which this account cannot give the new file."
        ) from None


def _keep_attributes(source: BinaryIO, target: BinaryIO) -> None:
    """Access lists and other extended attributes, as far as this account may set them."""
    if not hasattr(os, "listxattr"):  # no such thing on this system
        return
    with suppress(OSError):
        for name in os.listxattr(source.fileno()):
            with suppress(OSError):
                os.setxattr(target.fileno(), name, os.getxattr(source.fileno(), name))


def _changed(path: Path) -> UsageError:
    return UsageError("source_changed", f"{path} changed while it was being sealed; it was left as it is.")
