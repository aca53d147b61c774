"""How often something may be tried: counted in the cache, so across processes, and never more than allowed at once.

Names may hold addresses; they are hashed before they become keys.
"""

import time
from dataclasses import dataclass
from typing import Final

from allauth.core.internal.ratelimit import cache_lock
from django.core.cache import cache

from tenants.tokens import hash_token

FREE_FAILURES: Final = 5
FIRST_WAIT_SECONDS: Final = 5
LONGEST_WAIT_SECONDS: Final = 15 * 60
_MEMORY_SECONDS: Final = 60 * 60


class TooManyTriesError(Exception):
    """Tried too often; `seconds` until the next try is worth it (at least 1)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = max(1, int(seconds + 0.999))


def take(name: str, *, limit: int, seconds: int, now: float | None = None) -> None:
    """Use up one of `limit` tries that there are in each stretch of `seconds`. Raises `TooManyTriesError`.

    Each try is an entry of its own, added atomically: many at once cannot share one.
    """
    now = time.time() if now is None else now
    window = int(now // seconds)
    key = f"throttle:{hash_token(name)}:{window}"
    for number in range(limit):
        if cache.add(f"{key}:{number}", 1, timeout=2 * seconds):
            return
    raise TooManyTriesError((window + 1) * seconds - now)


@dataclass(frozen=True, slots=True)
class Guess:
    """One guess at a secret that has been counted as wrong, until `was_right` says otherwise."""

    key: str

    def was_right(self) -> None:
        cache.delete(self.key)


def guess(name: str, *, now: float | None = None) -> Guess:
    """Count a guess before it is checked. After five wrong ones each has to wait, twice as long every time.

    Raises `TooManyTriesError`; then the guess must not be looked at.
    """
    now = time.time() if now is None else now
    key = f"guesses:{hash_token(name)}"
    with cache_lock(key) as locked:
        if not locked:
            raise TooManyTriesError(1)
        wrong, not_before = cache.get(key, (0, 0.0))
        if now < not_before:
            raise TooManyTriesError(not_before - now)
        wrong += 1
        cache.set(key, (wrong, now + _wait_after(wrong)), timeout=_MEMORY_SECONDS)
    return Guess(key)


def _wait_after(wrong: int) -> float:
    """Seconds to wait after so many wrong guesses."""
    if wrong < FREE_FAILURES:
        return 0
    return min(FIRST_WAIT_SECONDS * 2.0 ** min(wrong - FREE_FAILURES, 20), LONGEST_WAIT_SECONDS)
