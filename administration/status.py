"""How an organization's protection stands, as everybody in it sees it."""

from typing import Final

from keys.custody import check_usable
from keys.errors import KeyCustodyError
from keys.models import KeyVersion
from tenants.models import Tenant

ACTIVE: Final = "active"
INACTIVE: Final = "inactive"
UNAVAILABLE: Final = "unavailable"


def status_of(tenant: Tenant) -> str:
    """Active; inactive: switched off; unavailable: switched on, but this server cannot use the organization's key."""
    if not tenant.is_active:
        return INACTIVE
    key = KeyVersion.objects.for_tenant(tenant).filter(state=KeyVersion.State.ACTIVE).first()
    if key is None:
        return UNAVAILABLE
    try:
        check_usable(key)
    except KeyCustodyError:
        return UNAVAILABLE
    return ACTIVE
