"""Deleting an organization: asked for by an administrator or an operator, taken back within the time of grace, then
carried out by a job that may be killed at any instant, and proven by a signed receipt."""

from datetime import timedelta
from time import monotonic
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from administration import erasure, receipt
from administration.models import Removal
from audit.recording import SYSTEM_ACTOR, record_admin
from tenants.models import Tenant, User
from tenants.notices import administrators_of, tell_administrators
from tenants.outbox import queue_mail

# A run of the job ends after this long and goes on at the next tick: a deployment never waits for it.
RUN_SECONDS: Final = 50.0
# Requests that were under way when the organization went may still have left a row in its log.
LATE_ROWS: Final = timedelta(days=1)
OPERATOR: Final = "operator"
_MAIL = """%(name)s (%(id)s) has been deleted from %(service)s.

Removed:
%(counts)s

The receipt below is signed by the installation. Anybody can check it with the keys the installation publishes under
%(service)s/.well-known/jwks.json; its operator checks it with: manage.py verify_receipt FILE

%(receipt)s
"""


class RemovalError(Exception):
    """An organization cannot be deleted, or its deletion not be taken back, as asked; the text is for people."""


def pending_of(tenant: Tenant) -> Removal | None:
    """The deletion that is asked for and neither done nor taken back."""
    return _open().filter(organization_id=tenant.id).first()


def request_removal(
    tenant: Tenant, *, reason: str, actor: User | None, grace_days: int | None = None
) -> Removal:
    """Ask for the deletion of an organization; everything works on until it is due. All administrators get a mail.

    `actor` None: an operator, who alone may name `grace_days`. Raises `RemovalError`.
    """
    days = settings.REMOVAL_GRACE_DAYS if grace_days is None else grace_days
    now = timezone.now()
    try:
        with transaction.atomic():
            removal = Removal.objects.create(
                organization_id=tenant.id,
                name=tenant.name,
                slug=tenant.slug,
                reason=reason[:500],
                requested_by=actor.email if actor else OPERATOR,
                requested_by_id=actor.id if actor else None,
                requested_at=now,
                due_at=now + timedelta(days=days),
                told=[person.email for person in administrators_of(tenant)],
            )
            due = f"{removal.due_at:%Y-%m-%d %H:%M} UTC"
            _log(removal, actor, "RequestRemoval", after={"reason": removal.reason, "due_at": due})
            tell_administrators(
                tenant,
                subject=_("%(organization)s is going to be deleted"),
                text=_(
                    "%(who)s asked for %(organization)s to be deleted from %(service)s.\n\nReason: %(reason)s\n\n"
                    "On %(due)s all its people, keys, templates and logs are removed; protected documents can never be "
                    "opened again after that. Until then everything works on, and any administrator can take it back "
                    "under Settings, Deletion. Download the export there before that day."
                ),
                values={"who": removal.requested_by, "reason": removal.reason, "due": due},
            )
    except IntegrityError as error:
        raise RemovalError("The deletion of this organization has been asked for already.") from error
    return removal


def cancel_removal(tenant: Tenant, *, actor: User | None) -> None:
    """Take it back, as long as it has not begun. Raises `RemovalError`."""
    with transaction.atomic():
        who = actor.email if actor else OPERATOR
        rows = _open().filter(organization_id=tenant.id, started_at=None)
        removal = rows.first()
        if removal is None or not rows.update(cancelled_at=timezone.now(), cancelled_by=who):
            raise RemovalError("There is no deletion to take back, or it has begun.")
        _log(removal, actor, "CancelRemoval", after={"requested_by": removal.requested_by})
        tell_administrators(
            tenant,
            subject=_("%(organization)s is not going to be deleted"),
            text=_(
                "%(who)s took back that %(organization)s is deleted from %(service)s. Nothing has changed."
            ),
            values={"who": who},
        )


def continue_removals(*, seconds: float = RUN_SECONDS) -> int:
    """Carry out what is due, as far as it gets in that time. Returns how many removals were finished.

    May be killed at any point and run in several workers at once.
    """
    deadline = monotonic() + seconds
    finished = 0
    for removal in _open().filter(due_at__lte=timezone.now()).order_by("due_at"):
        if _carry_out(removal, deadline):
            finished += 1
    recent = Removal.objects.filter(finished_at__gt=timezone.now() - LATE_ROWS)
    for removal in recent:
        _remove_late_rows(removal)
    return finished


def _open() -> "QuerySet[Removal]":
    return Removal.objects.filter(cancelled_at=None, finished_at=None)


def _carry_out(removal: Removal, deadline: float) -> bool:
    if not _start(removal):
        return False
    for step in erasure.steps():
        while erasure.remove_batch(removal.id, step):
            if monotonic() > deadline:
                return False
    return _finish(removal)


def _start(removal: Removal) -> bool:
    """Switch the organization off and remember who is to get the receipt; False: it was taken back at the last moment."""
    with transaction.atomic():
        locked = Removal.objects.select_for_update().get(id=removal.id)
        if locked.cancelled_at is not None or locked.finished_at is not None:
            return False
        if locked.started_at is None:
            tenant = Tenant.objects.select_for_update().filter(id=locked.organization_id).first()
            if tenant is not None:
                present = {person.email for person in administrators_of(tenant)}
                locked.told = sorted({*locked.told, *present})
                locked.name, locked.slug = tenant.name, tenant.slug
                erasure.untie(tenant)
            locked.started_at = timezone.now()
            locked.save(update_fields=["started_at", "told", "name", "slug"])
    return True


def _finish(removal: Removal) -> bool:
    """With every table empty: remove the organization itself, sign the receipt, send it."""
    files = erasure.remove_stray_files(removal.organization_id)
    with transaction.atomic():
        locked = Removal.objects.select_for_update().get(id=removal.id)
        if locked.finished_at is not None:
            return False
        removed = Tenant.objects.filter(id=locked.organization_id).delete()[1]
        for label, rows in removed.items():
            locked.counters[label] = locked.counters.get(label, 0) + rows
        if files:
            locked.counters[erasure.FILES] = locked.counters.get(erasure.FILES, 0) + files
        if erasure.is_left(locked.organization_id):
            transaction.set_rollback(True)  # somebody wrote meanwhile: the next run removes that too
            return False
        locked.finished_at, locked.stage = timezone.now(), ""
        locked.receipt = receipt.sign(receipt.facts_of(locked))
        locked.save(update_fields=["counters", "finished_at", "stage", "receipt"])
        _send_receipt(locked)
        record_admin(
            tenant_id=None,
            actor=SYSTEM_ACTOR,
            actor_id=None,
            action="RemoveOrganization",
            target=locked.name,
            target_id=locked.organization_id,
            after={"removed": locked.counters, "requested_by": locked.requested_by},
        )
    return True


def _send_receipt(removal: Removal) -> None:
    counts = "\n".join(f"  {rows:>9}  {label}" for label, rows in sorted(removal.counters.items()))
    text = _MAIL % {
        "name": removal.name,
        "id": removal.organization_id,
        "service": settings.PUBLIC_URL,
        "counts": counts,
        "receipt": removal.receipt,
    }
    for address in removal.told:
        queue_mail(address, subject=f"Receipt: {removal.name} has been deleted", text=text)


def _remove_late_rows(removal: Removal) -> None:
    organization_id = removal.organization_id
    for step in erasure.steps():
        if not step.has_plain_id:
            continue
        while erasure.remove_rows(step.model, {"tenant_id": organization_id}, organization_id):
            pass
    erasure.remove_stray_files(organization_id)


def _log(removal: Removal, actor: User | None, action: str, *, after: dict[str, str]) -> None:
    record_admin(
        tenant_id=removal.organization_id,
        actor=actor.email if actor else OPERATOR,
        actor_id=actor.id if actor else None,
        action=action,
        target=removal.name,
        target_id=removal.organization_id,
        after=after,
    )
