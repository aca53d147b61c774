"""Taking access away, and giving it back."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from audit.recording import record_admin
from policies.models import PolicyTemplate
from tenants.membership import REVOKE_ALL, may
from tenants.models import User
from tracking.lasting import longest_days_since
from tracking.models import Document
from tracking.registry import SUCCESS, openings_of


def may_revoke(document: Document, actor: User) -> bool:
    """Whether `actor`, who may track the document, may also revoke and restore it: its issuer, and who administers."""
    return document.issuer_id == actor.id or may(actor, REVOKE_ALL)


def revoke(document: Document, *, actor: User, reason: str) -> Document:
    """Refuse every further opening (issuer and super users excepted). Revoking twice keeps the first time and reason."""
    with transaction.atomic():
        document = Document.objects.select_for_update(of=("self",)).get(id=document.id)
        if document.is_revoked:
            return document
        document.revoked_at, document.revoked_by = timezone.now(), actor.email
        document.revocation_reason = reason.strip()[:500]
        document.save(update_fields=["revoked_at", "revoked_by", "revocation_reason"])
        _log(document, actor, "RevokeAccess", before=False)
    return document


def restore(document: Document, *, actor: User) -> Document:
    """Undo a revocation: the document's policy decides again."""
    with transaction.atomic():
        document = Document.objects.select_for_update(of=("self",)).get(id=document.id)
        if not document.is_revoked:
            return document
        document.revoked_at, document.revoked_by, document.revocation_reason = None, "", ""
        document.save(update_fields=["revoked_at", "revoked_by", "revocation_reason"])
        _log(document, actor, "RestoreAccess", before=True)
    return document


def access_until(document: Document) -> datetime | None:
    """The latest instant at which a use license already handed out may still be kept; None when there is none.

    An upper bound: it assumes that every opening got the organisation's (or the template's) longest license.
    """
    last = openings_of(document).filter(result=SUCCESS).first()
    if last is None:
        return None
    days = longest_days_since(document.tenant, last.time)
    if document.template_id is not None:
        templates = PolicyTemplate.objects.for_tenant(document.tenant).select_related("current")
        template = templates.filter(id=document.template_id).first()
        if (
            template is not None
            and template.current is not None
            and template.current.offline_days is not None
        ):
            days = min(days, template.current.offline_days)
    until = last.time + timedelta(days=days)
    if document.expires_at is not None:
        until = min(until, document.expires_at)
    return until if until > timezone.now() else None


def _log(document: Document, actor: User, action: str, *, before: bool) -> None:
    record_admin(
        tenant_id=document.tenant_id,
        actor=actor.email,
        actor_id=actor.id,
        action=action,
        target=str(document),
        target_id=document.content_id,
        before={"revoked": before},
        after={"revoked": not before, "reason": document.revocation_reason},
    )
