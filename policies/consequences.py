"""What publishing would do, and until when what it replaced goes on: for pages and programs to say beforehand."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from policies.content import Content
from policies.models import TemplateVersion
from rms.rights import ALL_RIGHTS, OWNER


@dataclass(frozen=True, slots=True)
class GrantChange:
    """What one principal gains and loses; `before` and `after` are all its rights, empty where there is no grant."""

    principal: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def gained(self) -> tuple[str, ...]:
        return tuple(right for right in _all(self.after) if right not in _all(self.before))

    @property
    def lost(self) -> tuple[str, ...]:
        return tuple(right for right in _all(self.before) if right not in _all(self.after))


def grant_changes(before: Content | None, after: Content) -> list[GrantChange]:
    """Whose rights differ, those who lose something first."""
    old = {} if before is None else {grant.principal: grant.rights for grant in before.grants}
    new = {grant.principal: grant.rights for grant in after.grants}
    changes = [
        GrantChange(principal, old.get(principal, ()), new.get(principal, ()))
        for principal in dict.fromkeys([*old, *new])
    ]
    differing = [change for change in changes if change.gained or change.lost]
    return sorted(differing, key=lambda change: not change.lost)


def licenses_end(
    versions: Sequence[TemplateVersion], *, until: dt.datetime, max_days: int
) -> dt.datetime | None:
    """The latest instant at which a use license handed out before `until` under one of `versions` (in their order) may still
    be kept; None when there can be none. An upper bound: it assumes an opening at the last moment of each version.
    """
    ends = []
    for version, following in zip_longest(versions, versions[1:]):
        last = min(until, following.modified_at) if following is not None else until
        days = max_days if version.offline_days is None else min(max_days, version.offline_days)
        end = last + dt.timedelta(days=days)
        ends.append(min(end, version.expires_at) if version.expires_at is not None else end)
    return max(ends, default=None)


def _all(rights: tuple[str, ...]) -> tuple[str, ...]:
    """Full control is every right."""
    return tuple(dict.fromkeys([*rights, *ALL_RIGHTS])) if OWNER in rights else rights
