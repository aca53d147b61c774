"""What belongs to exactly one organization, and the only way to it."""

import uuid
from typing import TYPE_CHECKING, Self, TypeVar

from django.db import models

if TYPE_CHECKING:
    from tenants.models.organizations import Tenant

M = TypeVar("M", bound=models.Model)


class TenantQuerySet(models.QuerySet[M]):
    """The only way interface code reaches objects that belong to an organisation."""

    def for_tenant(self, tenant: "Tenant") -> Self:
        return self.filter(tenant=tenant)


class TenantOwned(models.Model):
    """Base of everything that belongs to exactly one organisation."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")

    class Meta:
        abstract = True
