"""Destroying a disabled key for good: asked by one administrator, approved by another, carried out after a time of grace by
a job that may be killed at any instant, and certified by the key that is active then."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.recording import SYSTEM_ACTOR
from keys import keeping
from keys.custody import active_key, forget_key, hold_active
from keys.errors import KeyCustodyError
from keys.models import KeyVersion
from rms.destruction import write_certificate
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.membership import MANAGE_KEYS
from tenants.models import RoleAssignment, Tenant, User
from tenants.notices import tell_administrators
from tenants.second_person import check_second
from tracking.disabling import destruction_of, losses_of
from tracking.models import Destruction, Resealing

log = logging.getLogger(__name__)
GRACE_DAYS: Final = 7
SHORTEST_GRACE: Final = 1
LONGEST_GRACE: Final = 90
LONGEST_REASON: Final = 500
State = KeyVersion.State
_SYSTEM: Final = Actor(SYSTEM_ACTOR)


def ask_destruction(
    tenant: Tenant, key: KeyVersion, *, reason: str, actor: User, grace_days: int = GRACE_DAYS
) -> Destruction:
    """Ask for the destruction of a disabled key; it waits for a second administrator. Raises `ChangeRefusedError`."""
    reason = " ".join(reason.split())
    if not reason or len(reason) > LONGEST_REASON:
        raise ChangeRefusedError("bad_reason", _("Give a reason of at most 500 characters."))
    if not SHORTEST_GRACE <= grace_days <= LONGEST_GRACE:
        raise ChangeRefusedError("bad_grace", _("The time of grace has 1 to 90 days."))
    try:
        with transaction.atomic():
            locked = KeyVersion.objects.for_tenant(tenant).select_for_update().get(id=key.id)
            if locked.state != State.DISABLED:
                raise ChangeRefusedError(
                    "not_disabled", _("Only a disabled key can be destroyed: disable it first.")
                )
            made = Destruction.objects.create(
                tenant=tenant,
                key=locked,
                reason=reason,
                asked_by=actor.email,
                asked_by_id=actor.id,
                grace_days=grace_days,
            )
            losses = losses_of(tenant, locked)
            facts = {"reason": reason, "grace_days": grace_days, "documents": losses.documents}
            _log(made, Actor.of(actor), "AskKeyDestruction", facts)
            _tell(
                made,
                _(
                    "%(actor)s asks for the key %(key)s to be destroyed. It needs the approval of another administrator, and is then carried out after %(days)s days.\n\nReason: %(reason)s\n\n%(documents)s registered documents would never open again: %(service)s/keys/%(id)s/"
                ),
                actor=actor.email,
                documents=losses.documents,
            )
    except IntegrityError as error:
        raise ChangeRefusedError(
            "destruction_asked", _("The destruction of this key has been asked for already.")
        ) from error
    return made


def destruction_as_shown(key: KeyVersion, shown: str) -> Destruction:
    """What is asked for, which has to be what an approver was shown (its id): a request that was taken back and made anew
    may have another reason and fewer days. Raises `ChangeRefusedError`.
    """
    found = destruction_of(key)
    if found is None or str(found.id) != shown:
        raise ChangeRefusedError(
            "other_destruction", _("What is asked for is not what you were shown. Look at it again.")
        )
    return found


def approve_destruction(destruction: Destruction, *, actor: User) -> Destruction:
    """Let the time of grace begin. Raises `ChangeRefusedError` for whoever may not be the second person."""
    with transaction.atomic():
        found = _lock(destruction)
        if found.canceled_at is not None or found.approved_at is not None:
            raise ChangeRefusedError("not_waiting", _("This does not wait for approval any more."))
        check_second(found.tenant_id, actor, action=MANAGE_KEYS, first=found.asked_by_id)
        found.approved_by, found.approved_at = actor.email, timezone.now()
        found.due_at = found.approved_at + timedelta(days=found.grace_days)
        found.save(update_fields=["approved_by", "approved_at", "due_at"])
        _log(found, Actor.of(actor), "ApproveKeyDestruction", {"due_at": _shown(found.due_at)})
        _tell(
            found,
            _(
                "%(actor)s approved that the key %(key)s is destroyed, as %(asked_by)s asked. It is carried out on %(due)s. Until then any key administrator can cancel it: %(service)s/keys/%(id)s/\n\nReason: %(reason)s"
            ),
            actor=actor.email,
        )
    return found


def cancel_destruction(destruction: Destruction, *, actor: User) -> Destruction:
    """Take it back, until the last moment; the key stays disabled. Raises `ChangeRefusedError` when it is too late."""
    with transaction.atomic():
        found = _lock(destruction)
        if found.canceled_at is not None:
            raise ChangeRefusedError("not_asked", _("Nobody wants to destroy this key any more."))
        if found.started_at is not None:
            raise ChangeRefusedError("too_late", _("This key has been destroyed already."))
        found.canceled_by, found.canceled_at = actor.email, timezone.now()
        found.save(update_fields=["canceled_by", "canceled_at"])
        _log(found, Actor.of(actor), "CancelKeyDestruction", {})
        _tell(
            found,
            _(
                "%(actor)s canceled that the key %(key)s is destroyed. It stays disabled: %(service)s/keys/%(id)s/"
            ),
            actor=actor.email,
        )
    return found


def carry_out_due(*, seconds: float = 50.0) -> int:
    """Destroy what is due and finish what was begun. Returns how many destructions were finished.

    Each step is done once, however often it is tried; what a token or the active key does not let happen is tried again
    by the next run.
    """
    deadline, finished = monotonic() + seconds, 0
    due = Destruction.objects.filter(canceled_at=None, finished_at=None, due_at__lte=timezone.now())
    steps: tuple[Callable[[Destruction], bool], ...] = (_take_away, _clear_token, _certify)
    for destruction in due.order_by("due_at"):
        if monotonic() > deadline:
            break
        try:
            finished += all(step(destruction) for step in steps)
        except KeyCustodyError as error:
            log.error("The destruction of a key is not finished yet: %s", error)
    return finished


def _take_away(destruction: Destruction) -> bool:
    """The point of no return: what the database holds of the private half goes. False when it was canceled."""
    with transaction.atomic():
        found = _lock(destruction)
        if found.canceled_at is not None:
            return False
        if found.started_at is None:
            key = KeyVersion.objects.select_for_update().get(id=found.key_id)
            losses = losses_of(found.tenant, key)
            key.state, key.held_at = State.DESTROYED, None
            key.save(update_fields=["state", "held_at"])
            keeping.take_away(key)
            Resealing.objects.filter(key=key, finished_at=None).update(finished_at=timezone.now())
            found.started_at = timezone.now()
            found.documents, found.unregistered = losses.documents, losses.unregistered
            found.save(update_fields=["started_at", "documents", "unregistered"])
            _log(found, _SYSTEM, "DestroyKey", {"state": key.state, "documents": found.documents})
    forget_key(found.key.fingerprint)
    return True


def _clear_token(destruction: Destruction) -> bool:
    keeping.clear_token(destruction.key_id)
    return True


def _certify(destruction: Destruction) -> bool:
    """Sign what was done and tell of it. False when another worker was quicker."""
    signer = active_key(destruction.tenant_id)
    found = Destruction.objects.select_related("key", "tenant").get(id=destruction.id)
    found.finished_at = timezone.now()
    statement = _statement(found) | {"signed_by": signer.fingerprint}
    found.certificate = write_certificate(statement, signer.public_key, sign=signer.sign)
    with transaction.atomic():
        hold_active(signer)
        if _lock(destruction).finished_at is not None:
            return False
        found.save(update_fields=["certificate", "finished_at"])
        _log(found, _SYSTEM, "CertifyKeyDestruction", {"signed_by": signer.fingerprint})
        _tell(
            found,
            _(
                "The key %(key)s has been destroyed, as %(asked_by)s asked and %(approved_by)s approved. The signed certificate says exactly what was destroyed, and what that cannot cover: %(service)s/keys/%(id)s/"
            ),
        )
    return True


def _statement(done: Destruction) -> dict[str, Any]:
    key = done.key
    return {
        "service": settings.PUBLIC_URL,
        "organization": {"id": str(done.tenant_id), "name": done.tenant.name},
        "key": {
            "id": str(key.id),
            "fingerprint": key.fingerprint,
            "bits": key.bits,
            "kept_in": key.kind,
            "origin": key.origin,
            "created_at": _iso(key.created_at),
            "archived_at": _iso(key.archived_at),
            "disabled_at": _iso(key.disabled_at),
        },
        "asked_by": done.asked_by,
        "asked_at": _iso(done.asked_at),
        "reason": done.reason,
        "approved_by": done.approved_by,
        "approved_at": _iso(done.approved_at),
        "destroyed_at": _iso(done.started_at),
        "certified_at": _iso(done.finished_at),
        "documents_that_open_no_more": done.documents,
        "unregistered_documents_that_open_no_more": done.unregistered,
        "destroyed": _destroyed(key),
        "not_covered": _not_covered(key),
    }


def _destroyed(key: KeyVersion) -> list[str]:
    if key.kind == KeyVersion.Kind.PKCS11:
        return ["The private key object with this id in the hardware security module."]
    return [
        "The key that this private key alone was wrapped with.",
        "The wrapped private key.",
    ]


def _not_covered(key: KeyVersion) -> list[str]:
    """What nobody here can vouch for, in the language that certificates are written in."""
    brought = key.origin == KeyVersion.Origin.BROUGHT
    software = key.kind == KeyVersion.Kind.SOFTWARE
    return [
        "Backups that were made before, of the database or of the security module, for whoever can also unseal them.",
        *(["Space in the database's files, logs and replicas that was freed and not yet written again."] if software else []),
        *(["The memory of server processes that used the key, until they end."] if software else []),
        *(["The key that the organization brought, wherever the organization still keeps it."] if brought else []),
        "Copies of the key that were handed to the organization by a key export.",
        "Use licenses and content that readers obtained before.",
    ]  # fmt: skip


def _lock(destruction: Destruction) -> Destruction:
    rows = Destruction.objects.select_for_update(of=("self",)).select_related("key", "tenant")
    return rows.get(id=destruction.id)


def _log(destruction: Destruction, actor: Actor, action: str, after: dict[str, Any]) -> None:
    log_change(
        destruction.tenant,
        actor,
        action,
        target=destruction.key.fingerprint,
        target_id=destruction.key_id,
        after=after,
    )


def _tell(destruction: Destruction, text: Promise, **values: object) -> None:
    tell_administrators(
        destruction.tenant,
        subject=_("%(organization)s: destruction of a key"),
        text=text,
        values={
            "key": destruction.key.fingerprint[:16],
            "id": destruction.key_id,
            "asked_by": destruction.asked_by,
            "approved_by": destruction.approved_by,
            "reason": destruction.reason,
            "days": destruction.grace_days,
            "due": _shown(destruction.due_at),
            **values,
        },
        also=(RoleAssignment.Role.KEY_ADMIN,),
    )


def _shown(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else ""


def _iso(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment is not None else ""
