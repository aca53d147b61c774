"""An organization gets keys that are missing here back from the package of its own export, and what was withdrawn of their
documents with them (docs/adr/0092).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction
from django.utils.translation import gettext as _

from administration.arrival import take_documents
from keys.errors import KeyRefusedError
from keys.recovery import Fate, Planned, bring_back, plan_recovery
from rms.key_package import DOCUMENTS, Package, PackageError, read_package
from tenants.models import Tenant, User
from tracking.models import Document

# In the body of a request or as base64 in a form, below the limit for both (DATA_UPLOAD_MAX_MEMORY_SIZE).
MOST: Final = 20 * 2**20
_UNREADABLE: Final = (
    PackageError, KeyError, TypeError, ValueError, AttributeError, RecursionError, ValidationError, IntegrityError, DataError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recovery:
    """What comes, or came, of a package: its keys with what becomes of each, and of how many documents facts are added."""

    package: Package
    keys: tuple[Planned, ...]
    documents: int

    @property
    def returning(self) -> int:
        return sum(one.fate in (Fate.BACK, Fate.NEW) for one in self.keys)


def look_at_package(tenant: Tenant, data: bytes) -> Recovery:
    """What bringing keys back from a package would do. Changes nothing. Raises `KeyRefusedError`."""
    if len(data) > MOST:
        raise KeyRefusedError(_("This file is too large for a key package."))
    with _legible():
        package = read_package(data)
        plan = tuple(plan_recovery(tenant, package))
        known = {one.key.fingerprint for one in plan if one.here is not None or one.fate == Fate.NEW}
        return Recovery(package, plan, len(_missing(tenant, package, known)))


def recover(tenant: Tenant, data: bytes, wrapped: bytes, *, actor: User) -> Recovery:
    """Bring missing keys back, all or none; `wrapped` is the recipient's private key, wrapped with the current import key.

    What the register here says of a document stays; of those that it does not know, what was withdrawn stays withdrawn.
    Raises `KeyRefusedError`, `KeyUnavailableError`.
    """
    package = look_at_package(tenant, data).package
    with _legible(), transaction.atomic():
        plan, changed = bring_back(tenant, package, wrapped, actor=actor)
        keys = changed | {one.key.fingerprint: one.here for one in plan if one.here is not None}
        documents = take_documents(tenant, _missing(tenant, package, set(keys)), keys)
    return Recovery(package, tuple(plan), documents)


@contextmanager
def _legible() -> Iterator[None]:
    """What cannot be read is refused with one sentence, in the language of the reader."""
    try:
        yield
    except _UNREADABLE as error:
        raise KeyRefusedError(_("This file is not a key package, or not as it was signed.")) from error


def _missing(tenant: Tenant, package: Package, known: set[str]) -> list[dict[str, Any]]:
    """What the package says of documents of `known` keys that the register here does not know."""
    rows = [row for row in json.loads(package.members[DOCUMENTS]) if row["key_fingerprint"] in known]
    registered, there = Document.objects.for_tenant(tenant), set[str]()
    for start in range(0, len(rows), 500):
        found = registered.filter(content_id__in=[row["content_id"] for row in rows[start : start + 500]])
        there |= {str(content_id) for content_id in found.values_list("content_id", flat=True)}
    return [row for row in rows if row["content_id"] not in there]
