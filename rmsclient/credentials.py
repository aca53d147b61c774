"""The stored sign-in: one file of mode 0600, one entry for each origin.

Refresh tokens rotate and a used one is worthless, so a renewal happens under a file lock and
starts by reading again what another process may just have stored.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import platformdirs

from rmsclient.errors import UsageError
from rmsclient.files import locked, write_atomically

_FILE_VERSION = 1
# Renewed a little early: a request under way should not meet the end of its token.
_EARLY_SECONDS = 60


@dataclass(frozen=True)
class SignIn:
    """A sign-in at one server. ``expires_at`` is in seconds since the epoch."""

    url: str
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: float
    email: str
    name: str

    def is_fresh(self, now: float) -> bool:
        return now + _EARLY_SECONDS < self.expires_at


class SignInStore:
    """Reads and writes the sign-in file; ``directory`` defaults to the person's configuration folder."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or platformdirs.user_config_path("rightskeep")
        self.path = self._directory / "signin.json"

    def find(self, origin: str) -> SignIn | None:
        return self._read().get(origin)

    def default(self) -> SignIn | None:
        """The sign-in made last."""
        entries = self._read()
        return next(reversed(entries.values())) if entries else None

    def all(self) -> dict[str, SignIn]:
        return self._read()

    def save(self, origin: str, sign_in: SignIn) -> None:
        """Stores the sign-in and makes it the default one."""
        with self.exclusive():
            entries = self._read()
            entries.pop(origin, None)
            self._write({**entries, origin: sign_in})

    def renew(self, origin: str, sign_in: SignIn) -> None:
        """Replaces tokens without changing which sign-in is the default; the lock is held by the caller."""
        entries = self._read()
        if origin in entries:
            self._write({**entries, origin: sign_in})

    def remove(self, origin: str) -> SignIn | None:
        with self.exclusive():
            entries = self._read()
            removed = entries.pop(origin, None)
            if removed is not None:
                self._write(entries)
            return removed

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else renews or stores meanwhile."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self._directory / "signin.lock"):
            yield

    def _read(self) -> dict[str, SignIn]:
        try:
            if self.path.stat().st_mode & 0o077:
                self.path.chmod(0o600)
            value = json.loads(self.path.read_text("utf-8"))
            if value["version"] != _FILE_VERSION:
                raise ValueError("made by another version")
            return {origin: SignIn(**entry) for origin, entry in value["signins"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            raise UsageError(
                "signin_file",
                f"The stored sign-in in {self.path} is unreadable; remove that file and sign in again.",
            ) from problem

    def _write(self, entries: dict[str, SignIn]) -> None:
        value = {"version": _FILE_VERSION, "signins": {o: asdict(entry) for o, entry in entries.items()}}
        write_atomically(self.path, json.dumps(value, indent=1).encode(), mode=0o600)


def with_tokens(sign_in: SignIn, access: str, refresh: str | None, lifetime: int) -> SignIn:
    """The same sign-in after a renewal; ``lifetime`` in seconds."""
    return replace(
        sign_in,
        access_token=access,
        refresh_token=refresh or sign_in.refresh_token,
        expires_at=time.time() + lifetime,
    )
