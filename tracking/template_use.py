"""Documents that hang on a template, and deleting a template on which none does."""

import datetime as dt

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from policies.consequences import licenses_end
from policies.editing import lock
from policies.models import PolicyTemplate, TemplateVersion
from policies.states import remove_template
from tenants.changes import Actor, ChangeRefusedError
from tenants.models import Tenant
from tracking.lasting import LONGEST, longest_days_since
from tracking.models import Document


def count_documents(template: PolicyTemplate) -> int:
    """How many documents were protected with the template, whatever became of them."""
    return Document.objects.for_tenant(template.tenant).filter(template_id=template.id).count()


def old_licenses_end(template: PolicyTemplate, *, now: dt.datetime) -> dt.datetime | None:
    """Until when a license by an earlier version than the current one may still be kept; None when there is none."""
    if template.current is None:
        return None
    earlier = template.versions.filter(number__lt=template.current.number)
    return _end(template.tenant, earlier, template.current.modified_at, now)


def licenses_end_if_published(template: PolicyTemplate, *, now: dt.datetime) -> dt.datetime | None:
    """Until when a license by the rules of now could be kept if others were published at `now`."""
    return _end(template.tenant, template.versions.all(), now, now)


def _end(
    tenant: Tenant, versions: QuerySet[TemplateVersion], until: dt.datetime, now: dt.datetime
) -> dt.datetime | None:
    replaced = list(versions.order_by("number"))
    if not replaced:
        return None
    days = longest_days_since(tenant, now - LONGEST)
    end = licenses_end(replaced, until=until, max_days=days)
    return end if end is not None and end > now else None


def delete_template(template: PolicyTemplate, *, actor: Actor) -> None:
    """Delete a template for good. Raises `ChangeRefusedError` while something hangs on it.

    A document protected in this very moment would go on by the copy of the rules in its license (ADR 0055).
    """
    with transaction.atomic():
        locked = lock(template)
        documents = count_documents(locked)
        if documents:
            raise ChangeRefusedError(
                "protects_documents",
                _(
                    "This template protects documents (%(documents)s), which open by its rules. Archive it instead."
                ),
                documents=documents,
            )
        remove_template(locked, actor=actor)
