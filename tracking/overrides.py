"""Who may open a document that was already sent: rights by principal that count instead of the license's.

A license cannot change, so the service keeps what was decided later; licenses obey from the next request on. Only for
documents protected for named people: under a template, the template decides. Every change stays in the history.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from audit.recording import record_admin
from policies.evaluation import Grant, Policy, overridden
from rms.xrml import RightsDocument
from tenants.changes import ChangeRefusedError
from tenants.domain_names import canonical_address
from tenants.models import User
from tracking.models import AccessChange, Document

LONGEST_REASON = 500
MOST_OVERRIDES = 2000


def terms_as_stored(rights: RightsDocument, *, needs_factor: bool) -> dict[str, Any]:
    """The policy of a license without a template, as the register keeps it."""
    return {
        "grants": [[grant.principal, list(grant.rights)] for grant in rights.grants],
        "offline_days": rights.offline_days,
        "needs_factor": needs_factor,
    }


def policy_as_protected(document: Document) -> Policy | None:
    """The policy inside a license without a template; None for templates, and before the register kept it."""
    if document.terms is None:
        return None
    grants = tuple(Grant(principal, tuple(rights)) for principal, rights in document.terms["grants"])
    return Policy(grants, document.expires_at, document.terms["offline_days"], document.terms["needs_factor"])


def policy_now(document: Document) -> Policy | None:
    """As `policy_as_protected`, with everything decided since."""
    policy = policy_as_protected(document)
    return None if policy is None else overridden(policy, document.overrides)


def history_of(document: Document) -> QuerySet[AccessChange]:
    """All changes, newest first."""
    return AccessChange.objects.filter(document=document).order_by("-number")


def is_undoable(document: Document, change: AccessChange) -> bool:
    """Whether nothing else has been decided for the same principal since, and the change is no undoing itself."""
    return change.undoes_id is None and document.overrides.get(change.principal) == change.after


def change_access(
    document: Document, rights: Mapping[str, Sequence[str]], *, actor: User, reason: str
) -> Document:
    """Give each principal (as `licensing.principals.resolve` writes it) exactly these rights, or none; all or nothing.

    Raises `ChangeRefusedError`.
    """
    with transaction.atomic():
        document = _locked(document)
        _check(document, rights)
        for principal, held in rights.items():
            _decide(document, principal, list(held), actor=actor, reason=reason)
        _store(document)
    return document


def undo(document: Document, change_id: uuid.UUID, *, actor: User) -> Document:
    """Let count again what counted before one change. Raises `ChangeRefusedError`, `AccessChange.DoesNotExist`."""
    with transaction.atomic():
        document = _locked(document)
        change = history_of(document).get(id=change_id)
        if not is_undoable(document, change):
            raise ChangeRefusedError(
                "changed_since", _("This was undone already, or something else has been decided since.")
            )
        _decide(document, change.principal, change.before, actor=actor, reason="", undoes=change)
        _store(document)
    return document


def _locked(document: Document) -> Document:
    return Document.objects.select_for_update(of=("self",)).select_related("tenant").get(id=document.id)


def _check(document: Document, rights: Mapping[str, Sequence[str]]) -> None:
    if document.template_id is not None:
        raise ChangeRefusedError(
            "template_decides", _("This document is protected with a template, which says who may open it.")
        )
    if not rights:
        raise ChangeRefusedError("nobody_named", _("Name at least one person or group."))
    own = (canonical_address(document.issuer_address), canonical_address(document.owner_address), "owner")
    for address in own:
        if address in rights:
            raise ChangeRefusedError(
                "full_control",
                _("%(who)s always has full control over this document; that cannot be changed."),
                who=document.owner_address if address == "owner" else address,
            )
    if len({*document.overrides, *rights}) > MOST_OVERRIDES:
        raise ChangeRefusedError(
            "too_many",
            _("More than %(most)d changes of one document cannot be kept. Use groups."),
            most=MOST_OVERRIDES,
        )


def _decide(
    document: Document,
    principal: str,
    after: list[str] | None,
    *,
    actor: User,
    reason: str,
    undoes: AccessChange | None = None,
) -> None:
    """Let `after` count for `principal`; None: the license's own again. Writes history and log when it differs."""
    before = document.overrides.get(principal)
    if before == after and undoes is None:
        return
    if after is None:
        document.overrides.pop(principal, None)
    else:
        document.overrides[principal] = after
    last = history_of(document).values_list("number", flat=True).first()
    AccessChange.objects.create(
        document=document,
        number=(last or 0) + 1,
        actor=actor.email,
        reason=reason.strip()[:LONGEST_REASON],
        principal=principal,
        before=before,
        after=after,
        undoes=undoes,
    )
    record_admin(
        tenant_id=document.tenant_id,
        actor=actor.email,
        actor_id=actor.id,
        action="ChangeAccess",
        target=str(document),
        target_id=document.content_id,
        before={"principal": principal, "rights": before},
        after={"principal": principal, "rights": after, "reason": reason.strip()[:LONGEST_REASON]},
    )


def _store(document: Document) -> None:
    document.save(update_fields=["overrides"])
