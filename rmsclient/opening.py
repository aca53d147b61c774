"""Opening protected files: for viewing, into a private place, or unprotected for good."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rms.integrity import Integrity
from rms.pfile import Pfile, original_name
from rms.protection import check_integrity, inspect, unprotect
from rms.rights import EXPORT, VIEW, implies
from rms.xrml import PublishingLicense
from rmsclient.connection import Connections
from rmsclient.errors import NoRightsError, UsageError
from rmsclient.files import complete_file
from rmsclient.inspection import refuse_altered
from rmsclient.licensing import UseLicense, acquire

Progress = Callable[[int], None]

# Views are thrown away by the next command that makes one, when they are older than this.
VIEW_LIFETIME_SECONDS = 24 * 3600


@dataclass
class Document:
    """An open protected file with a granted use license."""

    path: Path
    stream: BinaryIO
    file: Pfile
    license: PublishingLicense
    use: UseLicense

    @property
    def original_name(self) -> str:
        return original_name(self.path.name, self.file.extension)

    def require(self, right: str, what: str) -> None:
        """Raises NoRightsError unless the use license has ``right`` (OWNER has every one)."""
        if not implies(self.use.rights, right):
            raise NoRightsError(
                "right_missing",
                f"You have no right to {what} this file (that takes {right}); you may ask {self.owner}.",
            )

    @property
    def owner(self) -> str:
        return self.use.owner or self.license.owner_address or "the person who sent it"

    def check(self, *, force: bool) -> Integrity:
        """Reads the file once and refuses altered content unless ``force``. Raises BadFileError, FormatError."""
        integrity = check_integrity(self.stream)
        return integrity if force else refuse_altered(integrity, self.use.integrity_root)

    def decrypt(self, target: BinaryIO, *, force: bool, progress: Progress | None = None) -> Integrity:
        """Writes the content to ``target``, then refuses what was altered: give it to nobody before this returns."""
        integrity = unprotect(self.stream, target, key=self.use.key, progress=progress)
        return integrity if force else refuse_altered(integrity, self.use.integrity_root)


@contextmanager
def opened(connections: Connections, path: Path) -> Iterator[Document]:
    """Asks the server that the file's license names. Raises ClientError, FormatError, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UsageError("not_a_file", f"{path} is not an ordinary file.")
        inspection = inspect(stream)
        transport = connections.for_license(inspection.license.licensing_url)
        use = acquire(transport, inspection.file.license)
        yield Document(path, stream, inspection.file, inspection.license, use)


def open_for_viewing(
    document: Document, *, force: bool, progress: Progress | None = None
) -> tuple[Path, Integrity]:
    """A copy only this person can read, in a folder of its own outside the person's files.

    Needs VIEW. Earlier views are removed once they are a day old; the place is emptied at the end of
    the session where the system provides one (XDG_RUNTIME_DIR).
    """
    document.require(VIEW, "view")
    folder = Path(tempfile.mkdtemp(prefix="view-", dir=_views_folder(document.file.content_length)))
    path = folder / document.original_name
    try:
        with complete_file(path, mode=0o600) as target:
            integrity = document.decrypt(target, force=force, progress=progress)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return path, integrity


def write_unprotected(
    document: Document, target: Path, *, force: bool, overwrite: bool, progress: Progress | None = None
) -> Integrity:
    """An unprotected copy at ``target``: needs EXPORT. Raises NoRightsError, UsageError, BadFileError."""
    document.require(EXPORT, "remove the protection of")
    mode = stat.S_IMODE(os.fstat(document.stream.fileno()).st_mode) & 0o666
    if target.exists() and os.path.samestat(target.stat(), os.fstat(document.stream.fileno())):
        raise UsageError("same_file", f"{target} is the protected file itself; name another with --out.")
    with complete_file(target, mode=mode, overwrite=overwrite) as stream:
        return document.decrypt(stream, force=force, progress=progress)


def _views_folder(size: int) -> Path:
    """A folder of mode 0700 that belongs to this person, with room for ``size`` bytes, old views removed."""
    bases = [Path(tempfile.gettempdir())]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir() and shutil.disk_usage(runtime).free > 2 * size:
        bases.insert(0, Path(runtime))
    folder = bases[0] / f"rightskeep-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    # The name can be guessed, so somebody else may have made it first to read along.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UsageError("unsafe_folder", f"{folder} is not a private folder of yours; remove it first.")
    _remove_old_views(folder)
    return folder


def _remove_old_views(folder: Path) -> None:
    limit = time.time() - VIEW_LIFETIME_SECONDS
    for view in folder.glob("view-*"):
        if view.lstat().st_mtime < limit:
            shutil.rmtree(view, ignore_errors=True)
