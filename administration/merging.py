"""Merging two accounts of one person, with the documents that the register keeps under their names."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from tenants import merging
from tenants.changes import Actor, ChangeRefusedError
from tenants.merging import Consequences
from tenants.models import User
from tracking.models import Document


@dataclass(frozen=True, slots=True)
class Preview:
    """What merging would do, or (`refusal`) why it cannot be done."""

    refusal: ChangeRefusedError | None
    consequences: Consequences | None
    documents: int = 0


def preview(keep: User, gone: User, *, actor: Actor) -> Preview:
    """Look without changing anything."""
    refusal = merging.why_not(keep, gone, actor=actor)
    if refusal is not None:
        return Preview(refusal, None)
    return Preview(None, merging.consequences_of(keep, gone), _documents(gone).filter(issuer=gone).count())


def merge_people(keep: User, gone: User, *, actor: Actor) -> None:
    """Close `gone` for good; `keep` stands for it from now on. Raises `ChangeRefusedError`."""
    with transaction.atomic():
        refusal = merging.why_not(keep, gone, actor=actor)
        if refusal is not None:
            raise refusal
        documents = _documents(gone).filter(issuer=gone).update(issuer=keep)
        _documents(gone).filter(owner=gone).update(owner=keep)
        merging.merge(keep, gone, actor=actor, documents=documents)


def _documents(person: User) -> "QuerySet[Document]":
    assert person.tenant is not None
    return Document.objects.for_tenant(person.tenant)
