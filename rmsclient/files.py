"""Files that are complete or absent: temporary name, fsync, rename, fsync of the directory.

For POSIX systems (file locks, directories that can be synced).
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rmsclient.errors import UsageError

TEMPORARY_PREFIX = ".rightskeep-"
TEMPORARY_SUFFIX = ".tmp"


@contextmanager
def complete_file(path: Path, *, mode: int = 0o600, overwrite: bool = False) -> Iterator[BinaryIO]:
    """A new file at ``path`` that appears whole at the end of the block, or not at all.

    ``mode`` are its permission bits. Without ``overwrite`` an existing file raises UsageError, also
    one that appeared in the meantime. The temporary file stays locked until it has its name, by which
    ``remove_abandoned`` tells a file in the making from one whose maker was killed.
    """
    if not overwrite and os.path.lexists(path):
        raise file_exists(path)
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            _try_lock(stream.fileno())
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
            if overwrite:
                temporary.replace(path)
            else:
                _rename_new(temporary, path)
        sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes, *, mode: int) -> None:
    with complete_file(path, mode=mode, overwrite=True) as stream:
        stream.write(data)


def sync_directory(directory: Path) -> None:
    """Makes renames and removals in ``directory`` survive a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_temporary(name: str) -> bool:
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)


def remove_abandoned(path: Path) -> bool:
    """Removes a temporary file whose maker is gone (killed, power lost); False when it is in use."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if not _try_lock(descriptor):
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the exclusive lock of ``path`` (waits for it)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def file_exists(path: Path) -> UsageError:
    return UsageError("file_exists", f"{path} exists already and was left as it is (--force replaces it).")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _rename_new(temporary: Path, path: Path) -> None:
    """A rename that never replaces: the hard link fails when the name is taken."""
    try:
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        raise file_exists(path) from None
    except OSError:  # a file system without hard links: the check comes a moment before the rename
        if os.path.lexists(path):
            raise file_exists(path) from None
        temporary.rename(path)
