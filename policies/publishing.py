"""Templates as people and licenses see them: made, published, offered, turned into the policy that decides."""

import datetime as dt
import math
import uuid

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import override

from policies.evaluation import Grant, Policy
from policies.models import LocalizedName, PolicyTemplate, TemplateGrant, TemplateScope, TemplateVersion
from rms.rights import LEVELS, VIEW, VIEWRIGHTSDATA
from tenants.freshness import FactCache
from tenants.identity import Caller, standing_of
from tenants.models import Tenant

LANGUAGES = ("en", "de")
# A version never changes once written, so what is computed from it may stay.
_versions = FactCache(5_000, max_age=math.inf)


def create_default_templates(tenant: Tenant) -> None:
    """The two templates every activated organisation starts with; does nothing when it has templates already."""
    if PolicyTemplate.objects.for_tenant(tenant).exists():
        return
    _create_default(tenant, view_only=True)
    _create_default(tenant, view_only=False)


def _create_default(tenant: Tenant, *, view_only: bool) -> None:
    with transaction.atomic():
        template = PolicyTemplate.objects.create(tenant=tenant, default_language=tenant.default_language)
        version = TemplateVersion.objects.create(template=template, number=1)
        for language in LANGUAGES:
            with override(language):
                if view_only:
                    name = _("%(org)s - Confidential View Only") % {"org": tenant.name}
                    description = _("Everyone in the organization may read it and see its policy.")
                else:
                    name = _("%(org)s - Confidential") % {"org": tenant.name}
                    description = _("Everyone in the organization may read, change, copy and print it.")
                LocalizedName.objects.create(
                    version=version, language=language, name=name[:100], description=description
                )
        rights = (VIEW, VIEWRIGHTSDATA) if view_only else LEVELS["AUTHOR"]
        TemplateGrant.objects.create(version=version, principal="members", rights=",".join(rights))
        template.current = version
        template.state = PolicyTemplate.State.PUBLISHED
        template.save(update_fields=["current", "state"])


def offered_to(caller: Caller, tenant: Tenant) -> list[PolicyTemplate]:
    """The published templates that `caller` may see and choose, oldest first, with names loaded."""
    groups = standing_of(caller, tenant.id).groups
    scoped = TemplateScope.objects.filter(Q(user_id=caller.id) | Q(group_id__in=groups)).values("version_id")
    visible = Q(current__visible_to_all=True) | Q(current_id__in=scoped)
    return list(
        PolicyTemplate.objects.for_tenant(tenant)
        .filter(visible, state=PolicyTemplate.State.PUBLISHED)
        .select_related("current")
        .prefetch_related("current__names")
        .order_by("created_at", "id")
    )


def load_version(version_id: int) -> TemplateVersion:
    """A version with its names and grants. Raises `TemplateVersion.DoesNotExist`."""
    version: TemplateVersion | None = _versions.get(version_id)
    if version is None:
        version = (
            TemplateVersion.objects.select_related("template")
            .prefetch_related("names", "grants")
            .get(id=version_id)
        )
        _versions[version_id] = version
    return version


def policy_of(version: TemplateVersion, *, published_at: dt.datetime) -> Policy:
    """The rules a template version sets for a document protected at `published_at`."""
    expires_at = version.expires_at
    if version.expires_after_days is not None:
        expires_at = published_at + dt.timedelta(days=version.expires_after_days)
    grants = tuple(Grant(grant.principal, tuple(grant.rights.split(","))) for grant in version.grants.all())
    return Policy(grants, expires_at, version.offline_days)


def localized(version: TemplateVersion, languages: list[str]) -> LocalizedName:
    """Name and description in the first of `languages` that has them ("de-AT" also finds "de"), else the default's."""
    names = {name.language.lower(): name for name in version.names.all()}
    for wanted in languages:
        tag = wanted.lower()
        while tag:
            if tag in names:
                return names[tag]
            tag = tag.rpartition("-")[0]
    return names.get(version.template.default_language.lower()) or next(iter(names.values()))


def find_offered(caller: Caller, tenant: Tenant, template_id: uuid.UUID) -> PolicyTemplate | None:
    """The template with this id, if `caller` may protect with it."""
    return next((template for template in offered_to(caller, tenant) if template.id == template_id), None)


def forget_versions() -> None:
    """For tests that roll the database back: a version's number may come again."""
    _versions.clear()
