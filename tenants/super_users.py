"""Super users: who may read everything the organization ever protected (product.md section 3).

Off by default. Every step is in the admin log and told to every global administrator; every use is in the usage log, and
a job tells it (`tell_of_uses`), so that opening a document does not wait for mail.
"""

import datetime as dt
import uuid
from collections import defaultdict
from typing import Any, Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.aggregation import horizon
from audit.models import UsageEvent
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.models import (
    Group,
    RoleAssignment,
    ServicePrincipal,
    SuperUserAppointment,
    SuperUserNotice,
    Tenant,
    User,
)
from tenants.notices import tell_administrators
from tenants.same_person import is_one_person
from tenants.second_person import WAITING, long_holders

LONGEST_REASON: Final = 500
_USES_A_MAIL: Final = 50


def set_feature(tenant: Tenant, *, enabled: bool, actor: Actor) -> None:
    """Switch the whole feature on or off. Appointments stay; while it is off they give nothing."""
    _switch(
        tenant,
        "super_users_enabled",
        enabled,
        actor,
        "EnableSuperUsers" if enabled else "DisableSuperUsers",
        _("%(actor)s switched super users on in %(organization)s.")
        if enabled
        else _("%(actor)s switched super users off in %(organization)s."),
    )


def set_approval(tenant: Tenant, *, needed: bool, actor: Actor) -> None:
    """Say whether an appointment needs a second admin. What waits goes on waiting.

    Giving the need up takes effect after `WAITING`, and asking for it again before then keeps it: otherwise one admin
    could give it up and appoint in the same minute.
    """
    with transaction.atomic():
        locked = Tenant.objects.select_for_update(of=("self",)).get(id=tenant.id)
        before = _approval(locked)
        if needed:
            locked.super_users_need_approval, locked.approval_ends_at = True, None
        elif locked.needs_approval and locked.approval_ends_at is None:
            locked.approval_ends_at = timezone.now() + WAITING
        if before != _approval(locked):
            locked.save(update_fields=["super_users_need_approval", "approval_ends_at"])
            log_change(
                locked,
                actor,
                "ChangeSuperUserApproval",
                target=locked.name,
                target_id=locked.id,
                before=before,
                after=_approval(locked),
            )
            _tell(
                locked,
                actor,
                _(
                    "%(actor)s decided that super users in %(organization)s need the approval of a second administrator."
                )
                if needed
                else _(
                    "%(actor)s decided that super users in %(organization)s need no second administrator from %(when)s on. Until then every global administrator can keep the need for one: %(service)s/settings/super-users/"
                ),
                when=_shown(locked.approval_ends_at),
            )
    tenant.refresh_from_db()


def appoint(
    tenant: Tenant,
    *,
    actor: Actor,
    reason: str,
    until: dt.datetime | None = None,
    user: User | None = None,
    group: Group | None = None,
    service: ServicePrincipal | None = None,
) -> SuperUserAppointment:
    """Appoint one person, group or service of the organization; where a second admin is needed, it waits for one.

    Where there is nobody who could be the second, it begins after `WAITING` instead, unless somebody ends it before.
    Raises `ChangeRefusedError`.
    """
    holder = _one_of(tenant, user, group, service)
    reason = " ".join(reason.split())
    if not reason or len(reason) > LONGEST_REASON:
        raise ChangeRefusedError("bad_reason", _("Give a reason of at most 500 characters."))
    with transaction.atomic():
        locked = Tenant.objects.select_for_update(of=("self",)).get(id=tenant.id)
        _check_appointable(locked, user=user, group=group, service=service, holder=str(holder))
        now = timezone.now()
        since = _begins(locked, actor, user, now)
        if until is not None and until <= (since or now):
            raise ChangeRefusedError("bad_until", _("The end of an appointment lies after its beginning."))
        made = SuperUserAppointment.objects.create(
            tenant=locked,
            user=user,
            group=group,
            service=service,
            reason=reason,
            appointed_by=actor.name,
            appointed_by_id=actor.id,
            asked_at=now,
            since=since,
            until=until,
        )
        log_change(
            locked, actor, "AddSuperUser", target=str(holder), target_id=made.id, after=_described(made)
        )
        _tell(
            locked,
            actor,
            _announcement(since, now),
            who=str(holder),
            reason=reason,
            when=_shown(since),
        )
    return made


def approve(appointment: SuperUserAppointment, *, actor: User) -> None:
    """Let an appointment that waits begin. Raises `ChangeRefusedError` for whoever may not be the second admin."""
    with transaction.atomic():
        tenant = Tenant.objects.select_for_update(of=("self",)).get(id=appointment.tenant_id)
        found = _find(appointment)
        if found is None or state_of(found) == "acts":
            raise ChangeRefusedError(
                "not_waiting", _("This appointment does not wait for approval any more.")
            )
        if found.until is not None and found.until <= timezone.now():
            raise ChangeRefusedError("bad_until", _("The time of this appointment is over already."))
        refusal = why_not_second(found, actor)
        if refusal is not None:
            raise refusal
        before = _described(found)
        found.since, found.approved_by = timezone.now(), actor.email
        found.save(update_fields=["since", "approved_by"])
        who = Actor.of(actor)
        log_change(
            tenant,
            who,
            "ApproveSuperUser",
            target=str(found),
            target_id=found.id,
            before=before,
            after=_described(found),
        )
        _tell(
            tenant,
            who,
            _(
                "%(actor)s approved %(who)s as a super user of %(organization)s, asked for by %(asked_by)s.\n\nReason: %(reason)s"
            ),
            who=str(found),
            asked_by=found.appointed_by,
            reason=found.reason,
        )


def why_not_second(appointment: SuperUserAppointment, actor: User) -> ChangeRefusedError | None:
    """What keeps `actor` from approving; None when nothing does."""
    others = (appointment.appointed_by_id, appointment.user_id)
    if any(other is not None and is_one_person(actor.id, other) for other in others):
        return ChangeRefusedError(
            "same_person", _("Somebody else has to approve: not who asked, and not who is appointed.")
        )
    if not _seconds(appointment.tenant_id).filter(user=actor).exists():
        return ChangeRefusedError(
            "too_new",
            _("Who approves has been a global administrator, by themselves, for at least 24 hours."),
        )
    return None


def end(appointment: SuperUserAppointment, *, actor: Actor) -> None:
    """End an appointment, or a request for one; nothing when it is gone already."""
    with transaction.atomic():
        tenant = Tenant.objects.select_for_update(of=("self",)).get(id=appointment.tenant_id)
        found = _find(appointment)
        if found is None:
            return
        log_change(
            tenant,
            actor,
            "RemoveSuperUser",
            target=str(found),
            target_id=found.id,
            before=_described(found),
        )
        _tell(
            tenant, actor, _("%(actor)s ended %(who)s as a super user of %(organization)s."), who=str(found)
        )
        found.delete()


def appointments_of(tenant: Tenant) -> QuerySet[SuperUserAppointment]:
    """All appointments, those that wait and those that are over among them, oldest first."""
    return (
        SuperUserAppointment.objects.for_tenant(tenant)
        .select_related("user", "group", "service")
        .order_by("asked_at", "id")
    )


def state_of(appointment: SuperUserAppointment) -> str:
    """It "waits" for the second admin, is "announced" to begin, "acts", or is "over"."""
    now = timezone.now()
    if appointment.until is not None and appointment.until <= now:
        return "over"
    if appointment.since is None:
        return "waits"
    return "acts" if appointment.since <= now else "announced"


def tell_of_uses() -> int:
    """Tell every organization's admins of the documents its super users opened since the last time; returns how many.

    The cursor moves in the transaction that queues the mail, so a run that is killed or doubled tells nothing twice.
    """
    seen = horizon()
    if seen is None:
        return 0
    with transaction.atomic():
        SuperUserNotice.objects.get_or_create(id=1)
        cursor = SuperUserNotice.objects.select_for_update().get(id=1)
        if seen <= cursor.last_id:
            return 0
        uses: dict[Any, list[UsageEvent]] = defaultdict(list)
        rows = UsageEvent.objects.filter(id__gt=cursor.last_id, id__lte=seen, admin_action=True)
        for row in rows.order_by("id").iterator():
            uses[row.tenant_id].append(row)
        for tenant in Tenant.objects.filter(id__in=[known for known in uses if known]):
            _tell_uses(tenant, uses[tenant.id])
        cursor.last_id = seen
        cursor.save(update_fields=["last_id"])
    return sum(map(len, uses.values()))


def _tell_uses(tenant: Tenant, uses: list[UsageEvent]) -> None:
    lines = [
        f"{row.time:%Y-%m-%d %H:%M} UTC  {row.user_id}  {row.file_name or row.content_id}" for row in uses
    ]
    if len(lines) > _USES_A_MAIL:
        lines = [*lines[:_USES_A_MAIL], f"… + {len(lines) - _USES_A_MAIL}"]
    tell_administrators(
        tenant,
        subject=_("%(organization)s: documents opened by super users"),
        text=_(
            "Opened by the power of super users of %(organization)s:\n\n%(uses)s\n\nAll uses are in the usage log, with admin-action “True”: %(service)s/logs/"
        ),
        values={"uses": "\n".join(lines)},
    )


def _switch(tenant: Tenant, field: str, value: bool, actor: Actor, action: str, text: Promise) -> None:
    with transaction.atomic():
        locked = Tenant.objects.select_for_update(of=("self",)).get(id=tenant.id)
        before = getattr(locked, field)
        if before != value:
            setattr(locked, field, value)
            locked.save(update_fields=[field])
            log_change(
                locked,
                actor,
                action,
                target=locked.name,
                target_id=locked.id,
                before={field: before},
                after={field: value},
            )
            _tell(locked, actor, text)
    tenant.refresh_from_db()


def _one_of(
    tenant: Tenant, user: User | None, group: Group | None, service: ServicePrincipal | None
) -> User | Group | ServicePrincipal:
    given = [one for one in (user, group, service) if one is not None]
    assert len(given) == 1
    if given[0].tenant_id != tenant.id:
        raise ChangeRefusedError("not_a_member", _("A super user belongs to your own organization."))
    return given[0]


def _check_appointable(
    tenant: Tenant, *, user: User | None, group: Group | None, service: ServicePrincipal | None, holder: str
) -> None:
    if user is not None and not User.objects.for_tenant(tenant).filter(id=user.id, is_active=True).exists():
        raise ChangeRefusedError("not_active", _("%(who)s is suspended and cannot be appointed."), who=holder)
    current = SuperUserAppointment.objects.for_tenant(tenant).filter(
        Q(until=None) | Q(until__gt=timezone.now())
    )
    if current.filter(user=user, group=group, service=service).exists():
        raise ChangeRefusedError(
            "already_appointed", _("%(who)s is appointed already, or waits for approval."), who=holder
        )
    if group is not None and current.filter(group__isnull=False).exists():
        raise ChangeRefusedError(
            "one_group",
            _("One group can be appointed at a time. End the appointment of the other group first."),
        )


def _begins(tenant: Tenant, actor: Actor, user: User | None, now: dt.datetime) -> dt.datetime | None:
    """When an appointment begins; None: when a second admin approves."""
    if not tenant.needs_approval:
        return now
    apart = [one for one in (actor.id, user.id if user is not None else None) if one is not None]
    others = _seconds(tenant.id).values_list("user_id", flat=True)
    second = any(not any(is_one_person(other, one) for one in apart) for other in others)
    return None if second else now + WAITING


def _seconds(tenant_id: uuid.UUID) -> QuerySet[RoleAssignment]:
    """Who can be the second global administrator."""
    return long_holders(tenant_id, (RoleAssignment.Role.GLOBAL_ADMIN,))


def _announcement(since: dt.datetime | None, now: dt.datetime) -> Promise:
    if since is None:
        return _(
            "%(actor)s wants to make %(who)s a super user of %(organization)s. It needs the approval of another global administrator.\n\nReason: %(reason)s"
        )
    if since > now:
        return _(
            "%(actor)s made %(who)s a super user of %(organization)s, from %(when)s on: nobody else has been a global administrator long enough to approve it. Until then it can be ended before it begins: %(service)s/settings/super-users/\n\nReason: %(reason)s"
        )
    return _("%(actor)s made %(who)s a super user of %(organization)s.\n\nReason: %(reason)s")


def _approval(tenant: Tenant) -> dict[str, Any]:
    return {
        "super_users_need_approval": tenant.super_users_need_approval,
        "approval_ends_at": _shown(tenant.approval_ends_at) or None,
    }


def _shown(moment: dt.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else ""


def _find(appointment: SuperUserAppointment) -> SuperUserAppointment | None:
    found = SuperUserAppointment.objects.select_related("user", "group", "service")
    return found.filter(id=appointment.id, tenant_id=appointment.tenant_id).first()


def _described(appointment: SuperUserAppointment) -> dict[str, Any]:
    return {
        "reason": appointment.reason,
        "since": appointment.since.isoformat(timespec="seconds") if appointment.since else None,
        "until": appointment.until.isoformat(timespec="seconds") if appointment.until else None,
    }


def _tell(tenant: Tenant, actor: Actor, text: Promise, **values: object) -> None:
    tell_administrators(
        tenant,
        subject=_("%(organization)s: super users changed"),
        text=text,
        values={"actor": actor.name, **values},
    )
