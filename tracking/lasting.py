"""How long use licenses that are out already can last: a maximum that was lowered acts on new ones only."""

from datetime import datetime, timedelta

from django.utils import timezone

from audit.models import AdminEvent
from tenants.models import Tenant

_FIELD = "max_use_license_days"
LONGEST = timedelta(days=365)


def longest_days_since(tenant: Tenant, moment: datetime) -> int:
    """The highest maximum that was in force at any time since `moment`, in days."""
    changes = AdminEvent.objects.for_tenant(tenant.id).filter(action="ChangeOrganization", time__gte=moment)
    before = [(change.before or {}).get(_FIELD, 0) for change in changes]
    return max(tenant.max_use_license_days, *before) if before else tenant.max_use_license_days


def licenses_end_by(tenant: Tenant) -> datetime:
    """When the last use license handed out until now ends at the latest."""
    now = timezone.now()
    ends = [now + timedelta(days=tenant.max_use_license_days)]
    changes = AdminEvent.objects.for_tenant(tenant.id).filter(
        action="ChangeOrganization", time__gte=now - LONGEST
    )
    ends += [change.time + timedelta(days=(change.before or {}).get(_FIELD, 0)) for change in changes]
    return max(ends)
