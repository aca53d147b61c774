"""Onboarding control: who may protect. It never limits who may open."""

from tenants.identity import Caller, standing_of
from tenants.models import Tenant


def may_protect(caller: Caller, tenant: Tenant) -> bool:
    """Whether the organisation lets `caller`, one of its people or services, protect documents."""
    if caller.tenant_id != tenant.id:
        return False
    if tenant.onboarding == Tenant.Onboarding.EVERYONE or caller.is_service:
        return True
    if tenant.onboarding == Tenant.Onboarding.LICENSED:
        return caller.licensed
    return tenant.onboarding_group_id in standing_of(caller, tenant.id).groups
