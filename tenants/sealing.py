"""What the installation keeps sealed: each value under the key-encryption key, bound to its row, and known to the rotation.

Every column that is sealed is described by one `SealedColumn`. Whoever seals does it through that, so nothing can be
sealed that `reseal` does not find.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import models, transaction

from rms.errors import SealError
from rms.sealing import seal, unseal

BATCH: Final = 200


def kek_id() -> str:
    """The name of the key-encryption key that seals now: 16 hexadecimal digits that tell nothing of it."""
    return hashlib.sha256(b"kek-id" + _keys()[0]).hexdigest()[:16]


def seal_now(plaintext: bytes, *, purpose: str, associated: bytes) -> bytes:
    """Seal under the present key-encryption key. Only for what has no column of its own; see `SealedColumn`."""
    return seal(_keys()[0], plaintext, purpose=purpose, associated=associated)


def open_sealed(sealed: bytes, *, purpose: str, associated: bytes, keys: int = 2) -> bytes:
    """Undo `seal_now`, under the present key-encryption key or the second one (`keys` 1: not that). Raises `SealError`."""
    for key in _keys()[:keys]:
        try:
            return unseal(key, sealed, purpose=purpose, associated=associated)
        except SealError:
            continue
    raise SealError


def _keys() -> list[bytes]:
    """The key-encryption key, and while one is being replaced the other one."""
    return [
        key.encode() for key in (settings.KEY_ENCRYPTION_KEY, settings.KEY_ENCRYPTION_KEY_PREVIOUS) if key
    ]


@dataclass(frozen=True)
class SealedColumn:
    """A binary column whose values are sealed; the name of the key-encryption key stands beside it in `kek_id`.

    `place` says where a row's value belongs (table, row, organization), so that it opens nowhere else.
    """

    model: type[models.Model]
    column: str
    purpose: str
    place: Callable[[Any], bytes]

    def __post_init__(self) -> None:
        _columns.append(self)

    @property
    def label(self) -> str:
        return f"{self.model._meta.label}.{self.column}"

    def put(self, row: Any, plaintext: bytes) -> None:
        """Seal into the row, which is not saved."""
        setattr(row, self.column, seal_now(plaintext, purpose=self.purpose, associated=self.place(row)))
        row.kek_id = kek_id()

    def get(self, row: Any) -> bytes:
        """What is sealed in the row. Raises `SealError`, also when there is nothing."""
        sealed = getattr(row, self.column)
        return open_sealed(bytes(sealed or b""), purpose=self.purpose, associated=self.place(row))

    def left(self) -> "models.QuerySet[Any]":
        """The rows that are sealed under another key-encryption key than the present one."""
        return self.model._base_manager.exclude(kek_id__in=("", kek_id()))

    def reseal_batch(self, after: Any = None) -> tuple[Any, int, int]:
        """Seal up to `BATCH` rows behind the primary key `after` anew, in one transaction.

        Returns the last primary key (None at the end), how many were sealed anew and how many no key here opens.
        """
        with transaction.atomic():
            rows = self.left().select_for_update().order_by("pk")
            batch = list((rows.filter(pk__gt=after) if after is not None else rows)[:BATCH])
            lost = 0
            for row in batch:
                try:
                    self.put(row, self.get(row))
                except SealError:
                    lost += 1
                    continue
                row.save(update_fields=[self.column, "kek_id"])
        return (batch[-1].pk if batch else None), len(batch) - lost, lost


_columns: list[SealedColumn] = []


def sealed_columns() -> list[SealedColumn]:
    """Every sealed column of the modules that are loaded."""
    return list(_columns)
