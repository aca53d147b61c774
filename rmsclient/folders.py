"""What there is to protect: files as named, folders recursively, symbolic links never followed."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rms.pfile import PREAMBLE, protected_name
from rmsclient.errors import UsageError
from rmsclient.files import is_temporary, remove_abandoned


@dataclass(frozen=True)
class Job:
    """One file to protect and where the protected one goes.

    ``resumable``: found in a folder, so an earlier run may have done it already.
    """

    source: Path
    target: Path
    size: int
    resumable: bool


@dataclass(frozen=True)
class Skipped:
    """Something in a folder that is not protected, and why, in a few words."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Failed:
    """A path that cannot be worked on."""

    path: Path
    error: UsageError


def plan(paths: Sequence[Path], out: Path | None) -> Iterator[Job | Skipped | Failed]:
    """Everything below ``paths`` in order of names. With ``out``, folders keep their shape below it."""
    excluded = out.resolve() if out else None
    for path in paths:
        try:
            mode = path.stat().st_mode
        except OSError as problem:
            yield Failed(path, UsageError("local_file", f"{path}: {problem.strerror}."))
            continue
        if stat.S_ISDIR(mode):
            target = out / path.resolve().name if out else path
            yield from _walk(path, target, excluded)
        elif stat.S_ISREG(mode):
            directory = out or path.parent
            yield Job(path, directory / protected_name(path.name), path.stat().st_size, resumable=False)
        else:
            yield Failed(path, UsageError("local_file", f"{path} is not a file or folder."))


def is_protected(path: Path) -> bool:
    """Whether the file begins like a protected one (it may be damaged all the same)."""
    with path.open("rb") as stream:
        return stream.read(len(PREAMBLE)) == PREAMBLE


def _walk(folder: Path, target: Path, excluded: Path | None) -> Iterator[Job | Skipped | Failed]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as problem:
        yield Failed(folder, UsageError("local_file", f"{folder}: {problem.strerror}."))
        return
    for entry in entries:
        path = folder / entry.name
        if entry.is_symlink():
            yield Skipped(path, "a symbolic link")
        elif entry.is_dir(follow_symlinks=False):
            if path.resolve() != excluded:
                yield from _walk(path, target / entry.name, excluded)
        elif not entry.is_file(follow_symlinks=False):
            yield Skipped(path, "not an ordinary file")
        elif is_temporary(entry.name):
            remove_abandoned(path)
        else:
            yield _job(path, target, entry)


def _job(path: Path, target: Path, entry: "os.DirEntry[str]") -> Job | Skipped | Failed:
    try:
        if is_protected(path):
            return Skipped(path, "protected already")
        size = entry.stat(follow_symlinks=False).st_size
    except OSError as problem:
        return Failed(path, UsageError("local_file", f"{path}: {problem.strerror}."))
    return Job(path, target / protected_name(entry.name), size, resumable=True)
