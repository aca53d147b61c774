"""What an organization lets its people grant on their own, and the template it offers first.

The limits are about what people decide themselves when they protect or change access later. Templates are made by those
who may; what is protected already keeps opening.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from policies.evaluation import is_address
from policies.models import PolicyTemplate, ProtectionLimits
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.identity import domain_of, person_with_address
from tenants.models import Tenant, VerifiedDomain


@dataclass(frozen=True, slots=True)
class Limits:
    """`outsiders` covers everybody whose address is not in a proven domain; `anyone` any person who signs in."""

    own_permissions: bool = True
    outsiders: bool = True
    anyone: bool = True
    default_template_id: uuid.UUID | None = None


def limits_of(tenant: Tenant) -> Limits:
    """The limits in force now."""
    row = ProtectionLimits.objects.filter(tenant=tenant).first()
    if row is None:
        return Limits()
    return Limits(row.own_permissions, row.outsiders, row.anyone, row.default_template_id)


def set_limits(tenant: Tenant, wanted: Limits, *, actor: Actor) -> None:
    """Put other limits in force, at once. Raises `ChangeRefusedError`."""
    if wanted.anyone and not wanted.outsiders:
        raise ChangeRefusedError(
            "anyone_is_outside",
            _("Anybody who signs in may be from outside, so that cannot be allowed while outsiders are not."),
        )
    with transaction.atomic():
        Tenant.objects.select_for_update().get(id=tenant.id)
        template = None
        if wanted.default_template_id is not None:
            offered = PolicyTemplate.objects.for_tenant(tenant).filter(state=PolicyTemplate.State.PUBLISHED)
            template = offered.filter(id=wanted.default_template_id).first()
            if template is None:
                raise ChangeRefusedError("no_such_template", _("Choose one of your published templates."))
        before = limits_of(tenant)
        if before == wanted:
            return
        ProtectionLimits.objects.update_or_create(
            tenant=tenant,
            defaults={
                "own_permissions": wanted.own_permissions,
                "outsiders": wanted.outsiders,
                "anyone": wanted.anyone,
                "default_template": template,
            },
        )
        log_change(
            tenant,
            actor,
            "ChangeProtectionLimits",
            target=tenant.name,
            target_id=tenant.id,
            before=_described(before),
            after=_described(wanted),
        )


def beyond(limits: Limits, tenant: Tenant, principals: Iterable[str]) -> str | None:
    """The first principal (as `licensing.principals.resolve` writes it) that `limits` keep people from granting to."""
    if limits.outsiders and limits.anyone:
        return None
    proven = set(VerifiedDomain.objects.for_tenant(tenant).values_list("domain", flat=True))
    for principal in principals:
        if principal == "anyone":
            if not limits.anyone:
                return principal
        elif not limits.outsiders and _is_outside(principal, tenant, proven):
            return principal
    return None


def _is_outside(principal: str, tenant: Tenant, proven: set[str]) -> bool:
    if principal.startswith("tenant:"):
        return principal != f"tenant:{tenant.id}"
    if principal.startswith("@"):
        return principal[1:] not in proven
    if not is_address(principal) or domain_of(principal) in proven:
        return False
    return person_with_address(tenant, principal) is None


def _described(limits: Limits) -> dict[str, object]:
    return {
        "own_permissions": limits.own_permissions,
        "outsiders": limits.outsiders,
        "anyone": limits.anyone,
        "default_template": str(limits.default_template_id or ""),
    }
