"""Onboarding control: who may protect. It never limits who may open, nor what administrators administer."""

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.groups import groups_inside
from tenants.identity import Caller, standing_of
from tenants.models import Group, Tenant, User

Onboarding = Tenant.Onboarding


def may_protect(caller: Caller, tenant: Tenant) -> bool:
    """Whether the organisation lets `caller`, one of its people or services, protect documents."""
    if caller.tenant_id != tenant.id:
        return False
    if tenant.onboarding == Onboarding.EVERYONE or caller.is_service:
        return True
    if tenant.onboarding == Onboarding.LICENSED:
        return caller.licensed
    return tenant.onboarding_group_id in standing_of(caller, tenant.id).groups


def people_under(tenant: Tenant, rule: str, group: Group | None = None) -> QuerySet[User]:
    """The active members who may protect under `rule`; what `may_protect` says of one person, for all at once."""
    people = User.objects.for_tenant(tenant).filter(is_active=True)
    if rule == Onboarding.LICENSED:
        return people.filter(licensed=True)
    if rule == Onboarding.GROUP:
        inside = groups_inside(group.id) if group is not None else set()
        return people.filter(memberships__group_id__in=inside).distinct()
    return people


def people_losing(tenant: Tenant, rule: str, group: Group | None = None) -> QuerySet[User]:
    """The active members who may protect now and could not under `rule`, by address."""
    now = people_under(tenant, tenant.onboarding, tenant.onboarding_group)
    then = people_under(tenant, rule, group)
    return now.filter(~Q(id__in=then.values("id"))).order_by("email")


def set_onboarding(tenant: Tenant, rule: str, *, actor: Actor, group: Group | None = None) -> None:
    """Decide who may protect; `group` is named with the rule "group" only. Raises `ChangeRefusedError`."""
    if rule not in Onboarding.values:
        raise ChangeRefusedError(
            "no_such_rule", _("Protecting is for everyone, for one group, or for licensed people.")
        )
    if (rule == Onboarding.GROUP) != (group is not None):
        raise ChangeRefusedError("group_missing", _("Choose the group whose people may protect."))
    if group is not None and group.tenant_id != tenant.id:
        raise ChangeRefusedError("no_such_group", _("There is no such group in your organization."))
    with transaction.atomic():
        locked = (
            Tenant.objects.select_for_update(of=("self",))
            .select_related("onboarding_group")
            .get(id=tenant.id)
        )
        before = _described(locked)
        locked.onboarding, locked.onboarding_group = rule, group
        after = _described(locked)
        if after != before:
            locked.save(update_fields=["onboarding", "onboarding_group"])
            log_change(
                locked,
                actor,
                "ChangeOnboarding",
                target=locked.name,
                target_id=locked.id,
                before=before,
                after=after,
            )
    tenant.refresh_from_db()


def _described(tenant: Tenant) -> dict[str, str]:
    group = tenant.onboarding_group
    return {"who": tenant.onboarding} | ({"group": group.name, "group_id": str(group.id)} if group else {})
