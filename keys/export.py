"""Handing keys over to the organization, sealed for a recipient: for leaving, or for disaster.

One key administrator asks and fixes the recipient; another person, who has held the role for the waiting time, approves.
All administrators are told at each step. Nobody here ever holds a private key: `keys.keeping` wraps it for the recipient.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from keys import keeping
from keys.backends import brought
from keys.errors import KeyHeldError, KeyUnavailableError
from keys.models import KeyExport, KeyPolicy, KeyVersion
from rms.xrml.public_key import PublicKey
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.models import RoleAssignment, Tenant, User
from tenants.notices import tell_administrators
from tenants.same_person import is_one_person
from tenants.second_person import long_holders

DEFAULT_WAIT_HOURS: Final = 24
SHORTEST_WAIT_HOURS: Final = 1
LONGEST_WAIT_HOURS: Final = 720
# How long a request waits for its approval, and an approved one can be downloaded.
REQUEST_LIFE: Final = timedelta(days=7)
DOWNLOAD_LIFE: Final = timedelta(days=3)
LONGEST_REASON: Final = 500
MAX_PEM: Final = 16 * 1024
WAITING, APPROVED, EXPIRED = "waiting", "approved", "expired"
_OVER: Final = _("This export has been approved, ended or expired meanwhile.")
_ROLES: Final = (RoleAssignment.Role.GLOBAL_ADMIN, RoleAssignment.Role.KEY_ADMIN)
_GONE: Final = (KeyVersion.State.DESTROYED, KeyVersion.State.WITHDRAWN)


def why_not_exportable(key: KeyVersion) -> str:
    """ "token", "held", "gone", or nothing when the private half can be handed over."""
    if key.state in _GONE:
        return "gone"
    if key.held_at is not None:
        return "held"
    return "token" if key.kind != KeyVersion.Kind.SOFTWARE else ""


def keys_of(tenant: Tenant) -> QuerySet[KeyVersion]:
    """All key versions of an organization with what opens them, oldest first."""
    return KeyVersion.objects.for_tenant(tenant).select_related("wrapping").order_by("created_at", "id")


def exports_of(tenant: Tenant) -> QuerySet[KeyExport]:
    """All requests, newest first."""
    return KeyExport.objects.for_tenant(tenant).select_related("tenant").order_by("-requested_at", "id")


def state_of(export: KeyExport) -> str:
    """`WAITING`, `APPROVED`, `EXPIRED`, "rejected" or "cancelled"."""
    if export.outcome:
        return str(export.outcome)
    if export.expires_at <= timezone.now():
        return EXPIRED
    return APPROVED if export.approved_at else WAITING


def request_export(tenant: Tenant, pem: bytes, *, reason: str, actor: User) -> KeyExport:
    """Ask for the keys that there are now, sealed for the public key in `pem`. Nothing leaves before the approval.

    Raises `KeyRefusedError` for a bad recipient, `ChangeRefusedError` for everything else.
    """
    reason = " ".join(reason.split())
    if not reason or len(reason) > LONGEST_REASON:
        raise ChangeRefusedError("bad_reason", _("Give a reason of at most 500 characters."))
    public = brought.read_recipient(pem[: MAX_PEM + 1])
    with transaction.atomic():
        Tenant.objects.select_for_update(of=("self",)).get(id=tenant.id)
        if any(state_of(export) in (WAITING, APPROVED) for export in exports_of(tenant)):
            raise ChangeRefusedError(
                "export_under_way", _("An export is under way already. Cancel it to ask for another one.")
            )
        if KeyVersion.objects.filter(fingerprint=public.fingerprint).exists():
            raise ChangeRefusedError(
                "bad_recipient", _("This key belongs to an organization here. Make one for this purpose.")
            )
        chosen = [key.fingerprint for key in keys_of(tenant) if not why_not_exportable(key)]
        if not chosen:
            raise ChangeRefusedError("nothing_to_export", _("There is no key that could be exported."))
        now = timezone.now()
        made = KeyExport.objects.create(
            tenant=tenant,
            reason=reason,
            recipient_modulus=public.modulus.to_bytes(public.size, "big"),
            recipient_fingerprint=public.fingerprint,
            keys=chosen,
            requested_by=actor.email,
            requested_by_id=actor.id,
            requested_at=now,
            expires_at=now + REQUEST_LIFE,
        )
        facts = {"recipient": public.fingerprint, "reason": reason, "keys": len(chosen)}
        _log(made, actor, "RequestKeyExport", facts)
        _tell(
            made,
            actor,
            _(
                "%(actor)s asks for the private keys of %(organization)s (%(keys)s) to be handed over. Whoever gets them can open everything the organization ever protected with them.\n\nReason: %(reason)s\nRecipient’s key (fingerprint): %(recipient)s\n\nAnother administrator has to approve it by %(until)s. Every administrator can reject it: %(service)s/keys/export/"
            ),
        )
    return made


def approve_export(export: KeyExport, *, actor: User) -> None:
    """Let the package be downloaded. Raises `ChangeRefusedError` for whoever may not be the second person."""
    with _open(export, WAITING) as found:
        refusal = why_not_second(found, actor)
        if refusal is not None:
            raise refusal
        found.approved_by, found.approved_at = actor.email, timezone.now()
        found.expires_at = found.approved_at + DOWNLOAD_LIFE
        found.save(update_fields=["approved_by", "approved_at", "expires_at"])
        _log(found, actor, "ApproveKeyExport", {"recipient": found.recipient_fingerprint})
        _tell(
            found,
            actor,
            _(
                "%(actor)s approved that the private keys of %(organization)s (%(keys)s) are handed over, as %(requested_by)s asked.\n\nReason: %(reason)s\nRecipient’s key (fingerprint): %(recipient)s\n\nThe package can be downloaded until %(until)s. Until then every administrator can cancel it: %(service)s/keys/export/"
            ),
        )


def why_not_second(export: KeyExport, actor: User) -> ChangeRefusedError | None:
    """What keeps `actor` from approving; None when nothing does."""
    if export.requested_by_id is None or is_one_person(actor.id, export.requested_by_id):
        return ChangeRefusedError("same_person", _("Somebody else than who asked has to approve."))
    hours = wait_of(export.tenant)
    held = long_holders(export.tenant_id, _ROLES, waiting=timedelta(hours=hours)).filter(user=actor)
    if not held.exists():
        return ChangeRefusedError(
            "too_new",
            _(
                "Who approves has been a key or global administrator, by themselves, for at least %(n)d hours."
            ),
            n=hours,
        )
    return None


def end_export(export: KeyExport, *, actor: User) -> None:
    """Reject what waits, or cancel: by who asked, and after the approval. Nothing is downloaded any more."""
    with _open(export, WAITING, APPROVED) as found:
        own = found.requested_by_id is not None and is_one_person(actor.id, found.requested_by_id)
        cancelled = own or found.approved_at is not None
        found.outcome = KeyExport.Outcome.CANCELLED if cancelled else KeyExport.Outcome.REJECTED
        found.ended_by, found.ended_at = actor.email, timezone.now()
        found.save(update_fields=["outcome", "ended_by", "ended_at"])
        action = "CancelKeyExport" if cancelled else "RejectKeyExport"
        _log(found, actor, action, {"downloads": found.downloads})
        _tell(
            found,
            actor,
            _("%(actor)s cancelled the export of keys of %(organization)s. Downloads before: %(downloads)s.")
            if cancelled
            else _(
                "%(actor)s rejected the export of keys of %(organization)s that %(requested_by)s asked for."
            ),
        )


def note_download(export: KeyExport, *, actor: User) -> None:
    """Log a download, count it and tell of it, all before anything leaves. Raises `ChangeRefusedError` when it may not."""
    with _open(export, APPROVED) as found:
        found.downloads, found.downloaded_at = found.downloads + 1, timezone.now()
        found.save(update_fields=["downloads", "downloaded_at"])
        _log(
            found,
            actor,
            "DownloadKeyExport",
            {"recipient": found.recipient_fingerprint, "downloads": found.downloads},
        )
        _tell(
            found,
            actor,
            _(
                "%(actor)s downloaded the private keys of %(organization)s (%(keys)s), sealed for the key %(recipient)s. If you do not expect this, cancel the export and roll the key: %(service)s/keys/"
            ),
        )


def sealed_keys(export: KeyExport) -> Iterator[tuple[KeyVersion, str, bytes]]:
    """Every key of the organization: with its private half wrapped for the recipient, or with why that is absent.

    "later" is a key that came after the request. Raises `ChangeRefusedError` for an export that is not approved (any more),
    `KeyUnavailableError` when a key that was promised cannot be
    unsealed: half a package would pass for a whole one.
    """
    _must_be(export, APPROVED)
    recipient = PublicKey.from_numbers(int.from_bytes(bytes(export.recipient_modulus), "big"))
    encrypt: Callable[[bytes], bytes] = recipient.encrypt_oaep
    promised = set(export.keys)
    for key in keys_of(export.tenant):
        absent = why_not_exportable(key) or ("" if key.fingerprint in promised else "later")
        if absent:
            yield key, absent, b""
            continue
        try:
            yield key, "", keeping.hand_over(key, encrypt)
        except KeyHeldError as error:  # held in this very moment
            raise KeyUnavailableError(str(error)) from error


def wait_of(tenant: Tenant) -> int:
    """How many hours whoever approves has held the role, as it counts now."""
    policy = KeyPolicy.objects.for_tenant(tenant).first()
    if policy is None:
        return DEFAULT_WAIT_HOURS
    return _effective(policy)


def planned_wait(tenant: Tenant) -> tuple[int, dt.datetime] | None:
    """A shorter waiting time that was decided and does not count yet, and from when on it does."""
    policy = KeyPolicy.objects.for_tenant(tenant).first()
    if policy is None or policy.next_export_wait_hours is None or policy.next_export_wait_at is None:
        return None
    if policy.next_export_wait_at <= timezone.now():
        return None
    return policy.next_export_wait_hours, policy.next_export_wait_at


def set_wait(tenant: Tenant, hours: int, *, actor: User) -> None:
    """Decide the waiting time. A longer one counts at once; a shorter one when the present one has passed, so that nobody
    shortens it and makes an accomplice in the same hour. Raises `ChangeRefusedError`.
    """
    if not SHORTEST_WAIT_HOURS <= hours <= LONGEST_WAIT_HOURS:
        raise ChangeRefusedError(
            "bad_wait",
            _("Choose %(least)d to %(most)d hours."),
            least=SHORTEST_WAIT_HOURS,
            most=LONGEST_WAIT_HOURS,
        )
    with transaction.atomic():
        Tenant.objects.select_for_update(of=("self",)).get(id=tenant.id)
        policy, _made = KeyPolicy.objects.get_or_create(tenant=tenant)
        before, present = _wait_facts(policy), _effective(policy)
        policy.export_wait_hours = max(hours, present)
        policy.next_export_wait_hours = hours if hours < present else None
        policy.next_export_wait_at = timezone.now() + timedelta(hours=present) if hours < present else None
        if hours == present and before["next_hours"] is None:
            return
        policy.save(update_fields=["export_wait_hours", "next_export_wait_hours", "next_export_wait_at"])
        who = Actor.of(actor)
        log_change(
            tenant,
            who,
            "ChangeKeyExportWait",
            target=tenant.name,
            target_id=tenant.id,
            before=before,
            after=_wait_facts(policy),
        )
        tell_administrators(
            tenant,
            subject=_("%(organization)s: export of keys"),
            text=_(
                "%(actor)s decided that whoever approves an export of keys of %(organization)s has been an administrator for %(hours)s hours, from %(when)s on."
            ),
            values={
                "actor": who.name,
                "hours": hours,
                "when": _shown(policy.next_export_wait_at or timezone.now()),
            },
            also=(RoleAssignment.Role.KEY_ADMIN,),
        )


def _effective(policy: KeyPolicy) -> int:
    at, following = policy.next_export_wait_at, policy.next_export_wait_hours
    return (
        following
        if at is not None and following is not None and at <= timezone.now()
        else policy.export_wait_hours
    )


def _wait_facts(policy: KeyPolicy) -> dict[str, Any]:
    planned = policy.next_export_wait_at is not None and policy.next_export_wait_at > timezone.now()
    return {
        "hours": _effective(policy),
        "next_hours": policy.next_export_wait_hours if planned else None,
        "next_at": _shown(policy.next_export_wait_at) if planned and policy.next_export_wait_at else None,
    }


def _must_be(export: KeyExport, *states: str) -> None:
    if state_of(export) not in states:
        raise ChangeRefusedError("export_over", _OVER)


@contextmanager
def _open(export: KeyExport, *states: str) -> Iterator[KeyExport]:
    """A transaction with the request locked, which is in one of `states`. Raises `ChangeRefusedError` otherwise."""
    with transaction.atomic():
        tenant = Tenant.objects.select_for_update(of=("self",)).get(id=export.tenant_id)
        found = KeyExport.objects.for_tenant(tenant).filter(id=export.id).first()
        if found is None:
            raise ChangeRefusedError("export_over", _OVER)
        _must_be(found, *states)
        yield found
    export.refresh_from_db()


def _log(export: KeyExport, actor: User, action: str, facts: dict[str, Any]) -> None:
    log_change(
        export.tenant,
        Actor.of(actor),
        action,
        target=export.recipient_fingerprint[:16],
        target_id=export.id,
        after=facts,
    )


def _tell(export: KeyExport, actor: User, text: Promise) -> None:
    tell_administrators(
        export.tenant,
        subject=_("%(organization)s: export of keys"),
        text=text,
        values={
            "actor": actor.email,
            "requested_by": export.requested_by,
            "reason": export.reason,
            "recipient": export.recipient_fingerprint,
            "keys": len(export.keys),
            "downloads": export.downloads,
            "until": _shown(export.expires_at),
        },
        also=(RoleAssignment.Role.KEY_ADMIN,),
    )


def _shown(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
