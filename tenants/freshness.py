"""What a process may remember: facts for at most five seconds (product.md section 4: no older cache exists), and
for longer only what can never change.

One place makes these caches so that the limit is one number and a test, or a change made by this very process,
can drop everything that is remembered.
"""

from collections.abc import Hashable
from time import monotonic
from typing import Any

MAX_AGE_SECONDS = 5.0
_caches: list["FactCache"] = []


class FactCache:
    """A bounded memory whose entries count for five seconds, or for `max_age` seconds where nothing can go stale.

    Safe in several threads without a lock: every step is one operation on a dict. What threads can lose to each other
    is an entry, which costs one more query.
    """

    def __init__(self, maxsize: int, *, max_age: float = MAX_AGE_SECONDS) -> None:
        self._maxsize = maxsize
        self._max_age = max_age
        self._entries: dict[Hashable, tuple[float, Any]] = {}
        _caches.append(self)

    def get(self, name: Hashable) -> Any:
        """The fact, or None when nothing fresh is known."""
        entry = self._entries.get(name)
        return entry[1] if entry is not None and monotonic() < entry[0] else None

    def __setitem__(self, name: Hashable, fact: Any) -> None:
        if len(self._entries) >= self._maxsize:
            self._drop()
        self._entries[name] = (monotonic() + self._max_age, fact)

    def forget(self, name: Hashable) -> None:
        self._entries.pop(name, None)

    def clear(self) -> None:
        self._entries = {}

    def _drop(self) -> None:
        """Keep what is fresh; when that is still too much, the newer half of it."""
        now = monotonic()
        fresh = [(name, entry) for name, entry in self._entries.copy().items() if now < entry[0]]
        if len(fresh) >= self._maxsize:
            fresh.sort(key=lambda item: item[1][0])
            fresh = fresh[len(fresh) // 2 + 1 :]
        self._entries = dict(fresh)


def forget_facts() -> None:
    """Drop every remembered fact of this process."""
    for cache in _caches:
        cache.clear()
