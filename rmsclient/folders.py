"""What there is to work on: files as named, folders recursively, symbolic links never followed."""

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


@dataclass(frozen=True)
class ProtectedFile:
    """A file that is protected, or was named as if it were."""

    path: Path
    size: int


@dataclass(frozen=True)
class _Found:
    """A file; ``directory`` is where something made from it goes."""

    path: Path
    directory: Path
    size: int
    in_folder: bool


def plan(paths: Sequence[Path], out: Path | None) -> Iterator[Job | Skipped | Failed]:
    """Everything below ``paths`` in order of names. With ``out``, folders keep their shape below it."""
    for item in _files(paths, out):
        yield _job(item) if isinstance(item, _Found) else item


def find_protected(paths: Sequence[Path]) -> Iterator[ProtectedFile | Skipped | Failed]:
    """The protected files below ``paths`` in order of names. What is named itself is taken at its word."""
    for item in _files(paths, None):
        if not isinstance(item, _Found):
            yield item
            continue
        try:
            if not item.in_folder or is_protected(item.path):
                yield ProtectedFile(item.path, item.size)
        except OSError as problem:
            yield _failed(item.path, problem)


def is_protected(path: Path) -> bool:
    """Whether the file begins like a protected one (it may be damaged all the same)."""
    with path.open("rb") as stream:
        return stream.read(len(PREAMBLE)) == PREAMBLE


def _files(paths: Sequence[Path], out: Path | None) -> Iterator[_Found | Skipped | Failed]:
    excluded = out.resolve() if out else None
    for path in paths:
        try:
            found = path.stat()
        except OSError as problem:
            yield _failed(path, problem)
            continue
        if stat.S_ISDIR(found.st_mode):
            target = out / path.resolve().name if out else path
            yield from _walk(path, target, excluded)
        elif stat.S_ISREG(found.st_mode):
            yield _Found(path, out or path.parent, found.st_size, in_folder=False)
        else:
            yield Failed(path, UsageError("local_file", f"{path} is not a file or folder."))


def _walk(folder: Path, target: Path, excluded: Path | None) -> Iterator[_Found | Skipped | Failed]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as problem:
        yield _failed(folder, problem)
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
            try:
                size = entry.stat(follow_symlinks=False).st_size
            except OSError as problem:
                yield _failed(path, problem)
                continue
            yield _Found(path, target, size, in_folder=True)


def _job(found: _Found) -> Job | Skipped | Failed:
    path = found.path
    try:
        if found.in_folder and is_protected(path):
            return Skipped(path, "protected already")
    except OSError as problem:
        return _failed(path, problem)
    return Job(path, found.directory / protected_name(path.name), found.size, resumable=found.in_folder)


def _failed(path: Path, problem: OSError) -> Failed:
    return Failed(path, UsageError("local_file", f"{path}: {problem.strerror}."))
