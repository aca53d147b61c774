"""Protecting files: one new file beside each original, whole or not at all.

What an earlier run has done is recognized by the files themselves, without a journal: a protected
file is written under a temporary name, gets the time of its original, and only then its own name.
So a file that has its name is complete, and it belongs to the present state of the original as long
as size and time agree.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from rms.errors import FormatError
from rms.integrity import RECORD_SPACE, IntegrityState
from rms.pfile import PREAMBLE
from rms.protection import check_integrity, inspect, protect
from rmsclient.addresses import address_of_license
from rmsclient.errors import ClientError, UsageError
from rmsclient.files import complete_file, file_exists, sync_directory
from rmsclient.folders import Job
from rmsclient.licensing import KeyRolledError, PolicyRequest, publish, seal
from rmsclient.transport import Transport

# Some file systems keep times to two seconds only.
_TIME_TOLERANCE_NS = 2 * 10**9

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Protected:
    """A protected file: new, or found from an earlier run (then without ``owner``)."""

    path: Path
    content_id: UUID
    policy: str
    owner: str
    expires_at: datetime | None
    was_there: bool
    original_removed: bool


def protect_file(
    transport: Transport,
    policy: PolicyRequest,
    job: Job,
    *,
    in_place: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Protected:
    """Protects ``job.source`` into ``job.target``; with ``in_place`` removes the original afterwards.

    ``progress`` gets numbers of bytes as they are done. A resumable job whose target is there,
    complete and of this very original is left alone. Raises ClientError, OSError.
    """
    if in_place and job.source.is_symlink():
        raise UsageError("symbolic_link", f"{job.source} is a symbolic link; protect what it points to.")
    with _open_original(job.source) as (source, before):
        if job.resumable and not force and (earlier := _earlier(transport, policy, job, before, progress)):
            return _finish(earlier, job, before, in_place=in_place)
        if not force and os.path.lexists(job.target):
            raise file_exists(job.target)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        done = _write_protected(transport, policy, job, source, before, force=force, progress=progress)
    return _finish(done, job, before, in_place=in_place)


def _write_protected(
    transport: Transport,
    policy: PolicyRequest,
    job: Job,
    source: BinaryIO,
    before: os.stat_result,
    *,
    force: bool,
    progress: Progress | None,
    attempts: int = 2,
) -> Protected:
    publication = publish(transport, policy, job.source.name)
    try:
        with complete_file(job.target, mode=stat.S_IMODE(before.st_mode) & 0o666, overwrite=force) as target:
            protect(
                source,
                target,
                license=publication.raw,
                key=publication.key,
                extension=os.path.splitext(job.source.name)[1],
                original_size=before.st_size,
                clear_text=_clear_text(transport),
                seal=lambda root, length: seal(transport, publication, root, length, space=RECORD_SPACE),
                progress=progress,
            )
            if changed(before, os.fstat(source.fileno())):
                raise UsageError("source_changed", f"{job.source} changed while it was being protected.")
            target.flush()
            os.utime(target.fileno(), ns=(before.st_mtime_ns, before.st_mtime_ns))
    except KeyRolledError:
        if attempts <= 1:
            raise
        source.seek(0)
        return _write_protected(
            transport, policy, job, source, before, force=force, progress=None, attempts=attempts - 1
        )
    return Protected(
        job.target,
        publication.license.content_id,
        publication.name,
        publication.owner,
        policy.expires_at,
        was_there=False,
        original_removed=False,
    )


@contextmanager
def _open_original(path: Path) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    # Not blocking, in case the name leads to a pipe by now.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as source:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError("not_a_file", f"{path} is not an ordinary file.")
        if source.peek(len(PREAMBLE)).startswith(PREAMBLE):
            raise UsageError("already_protected", f"{path} is protected already.")
        yield source, found


def _earlier(
    transport: Transport, policy: PolicyRequest, job: Job, original: os.stat_result, progress: Progress | None
) -> Protected | None:
    """The result of an earlier run, if it is complete, unaltered, ours, and of this very original.

    With grants the policy inside cannot be compared (only the server can read it); a template can.
    """
    try:
        with job.target.open("rb") as stream:
            found = os.fstat(stream.fileno())
            if abs(found.st_mtime_ns - original.st_mtime_ns) > _TIME_TOLERANCE_NS:
                return None
            inspection = inspect(stream)
            integrity = check_integrity(stream, progress)
        license = inspection.license
        named = address_of_license(license.licensing_url or "")
    except (FileNotFoundError, FormatError, ClientError):
        return None
    is_same_policy = policy.template is None or license.descriptor_id == policy.template.id
    if (
        (inspection.file.original_size or 0) != original.st_size  # an empty file has the size "unknown"
        or integrity.state is not IntegrityState.UNALTERED
        or named.origin != transport.server.origin
        or not is_same_policy
    ):
        return None
    name = license.names[0].name if license.names else ""
    return Protected(
        job.target,
        license.content_id,
        name,
        license.owner_address,
        license.valid_until,
        was_there=True,
        original_removed=False,
    )


def _finish(done: Protected, job: Job, original: os.stat_result, *, in_place: bool) -> Protected:
    """Removes the original if asked to, and if it still is what was protected."""
    if not in_place:
        return done
    if changed(original, job.source.lstat()):
        raise UsageError(
            "source_changed",
            f"{job.source} changed after it was protected, so it was kept beside {job.target}.",
        )
    job.source.unlink()
    sync_directory(job.source.parent)
    return replace(done, original_removed=True)


def changed(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether a file is another one by now, or was written to."""
    return any(
        getattr(before, name) != getattr(after, name)
        for name in ("st_ino", "st_dev", "st_size", "st_mtime_ns")
    )


def _clear_text(transport: Transport) -> str:
    """What someone sees who opens the protected file with a text editor."""
    return (
        "This file is protected. To read it, open it in your browser at "
        f"{transport.server.url}/open/ or run: rightskeep open FILE"
    )
