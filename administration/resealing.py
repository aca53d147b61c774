"""Changing the key-encryption key: everything that is sealed under the old one is sealed under the new one, in batches.

Both keys open meanwhile, and each batch is one transaction, so this may be killed at any instant and started again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from audit.recording import record_admin
from keys import keeping  # noqa: F401  (describes what it seals)
from tenants import sso  # noqa: F401  (as above)
from tenants.factors import FactorSecrets
from tenants.sealing import kek_id, sealed_columns

OPERATOR = "operator"


class Sealed(Protocol):
    """A table with sealed values: `tenants.sealing.SealedColumn` and what behaves like it."""

    @property
    def label(self) -> str: ...

    def left(self) -> Any: ...

    def reseal_batch(self, after: Any = None) -> tuple[Any, int, int]: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one table is: `seen` of `total` rows, of which `lost` open under neither key."""

    label: str
    seen: int
    total: int
    resealed: int
    lost: int


def everything_sealed() -> list[Sealed]:
    return [*sealed_columns(), FactorSecrets()]


def reseal_everything() -> Iterator[Progress]:
    """Seal anew what is not under the present key-encryption key; one report for each batch and each table."""
    resealed = lost = 0
    for table in everything_sealed():
        for progress in _reseal(table):
            yield progress
        resealed, lost = resealed + progress.resealed, lost + progress.lost
    record_admin(
        tenant_id=None,
        actor=OPERATOR,
        actor_id=None,
        action="RotateKeyEncryptionKey",
        target=kek_id(),
        target_id="",
        after={"resealed": resealed, "lost": lost},
        passed=lost == 0,
    )


def _reseal(table: Sealed) -> Iterator[Progress]:
    total, seen, resealed, lost, after = table.left().count(), 0, 0, 0, None
    while True:
        after, done, failed = table.reseal_batch(after)
        resealed, lost, seen = resealed + done, lost + failed, min(total, seen + done + failed)
        yield Progress(table.label, total if after is None else seen, total, resealed, lost)
        if after is None:
            return
