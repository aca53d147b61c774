"""Templates as people and licenses see them: made, published, offered, turned into the policy that decides."""

import datetime as dt
import math
import uuid
from collections.abc import Iterable

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import override

from policies.content import Content, LocalizedText, best_tag
from policies.evaluation import Grant, Policy
from policies.models import (
    LocalizedName,
    PolicyTemplate,
    ProtectionLimits,
    TemplateGrant,
    TemplateQuerySet,
    TemplateScope,
    TemplateVersion,
)
from rms.rights import LEVELS, VIEW, VIEWRIGHTSDATA
from tenants.freshness import FactCache
from tenants.identity import Caller, standing_of
from tenants.models import Tenant

# A version never changes once written, so what is computed from it may stay.
_versions = FactCache(5_000, max_age=math.inf)


def create_default_templates(tenant: Tenant) -> None:
    """The two templates every activated organisation starts with; does nothing when it has templates already."""
    if PolicyTemplate.objects.for_tenant(tenant).exists():
        return
    for position, view_only in enumerate((True, False)):
        with transaction.atomic():
            template = PolicyTemplate.objects.create(tenant=tenant, position=position)
            template.current = write_version(
                template, _default_content(tenant, view_only=view_only), number=1
            )
            template.state = PolicyTemplate.State.PUBLISHED
            template.save(update_fields=["current", "state"])


def _default_content(tenant: Tenant, *, view_only: bool) -> Content:
    texts = []
    for language in dict.fromkeys([tenant.default_language, *tenant.languages]):
        if language not in dict(settings.LANGUAGES):
            continue
        with override(language):
            if view_only:
                name = _("%(org)s - Confidential View Only") % {"org": tenant.name}
                description = _("Everyone in the organization may read it and see its policy.")
            else:
                name = _("%(org)s - Confidential") % {"org": tenant.name}
                description = _("Everyone in the organization may read, change, copy and print it.")
            texts.append(LocalizedText(language, name[:100], description))
    rights = (VIEW, VIEWRIGHTSDATA) if view_only else LEVELS["AUTHOR"]
    return Content(tenant.default_language, tuple(texts), (Grant("members", rights),))


def write_version(
    template: PolicyTemplate, content: Content, *, number: int, published_by: str = ""
) -> TemplateVersion:
    """Freeze `content` as a version of `template`; to be called in the transaction that makes it the current one."""
    version = TemplateVersion.objects.create(
        template=template,
        number=number,
        published_by=published_by[:254],
        default_language=content.default_language,
        expiry=content.expiry,
        expires_at=content.expires_at,
        expires_after_days=content.expires_after_days,
        offline_days=content.offline_days,
        visible_to_all=content.visible_to_all,
    )
    LocalizedName.objects.bulk_create(
        LocalizedName(version=version, language=text.language, name=text.name, description=text.description)
        for text in content.texts
    )
    TemplateGrant.objects.bulk_create(
        TemplateGrant(version=version, principal=grant.principal, rights=",".join(grant.rights))
        for grant in content.grants
    )
    scope = [entry.partition(":") for entry in content.scope]
    TemplateScope.objects.bulk_create(
        TemplateScope(version=version, **{f"{kind}_id": uuid.UUID(named)}) for kind, _sign, named in scope
    )
    return version


def offers(caller: Caller, tenant: Tenant) -> TemplateQuerySet:
    """The published templates that `caller` may see and choose: the organization's default, then in their order."""
    standing = standing_of(caller, tenant.id)
    named = Q(user_id__in=standing.ids) | Q(group_id__in=standing.groups)
    scoped = TemplateScope.objects.filter(named).values("version_id")
    visible = Q(current__visible_to_all=True) | Q(current_id__in=scoped)
    first = ProtectionLimits.objects.filter(tenant=tenant, default_template_id=OuterRef("id"))
    return (
        PolicyTemplate.objects.for_tenant(tenant)
        .filter(visible, state=PolicyTemplate.State.PUBLISHED)
        .order_by(Exists(first).desc(), "position", "id")
    )


def offered_to(caller: Caller, tenant: Tenant) -> list[PolicyTemplate]:
    """As `offers`, with names loaded."""
    found = offers(caller, tenant).defer("draft").select_related("current")
    return list(found.prefetch_related("current__names"))


def offered_versions(caller: Caller, tenant: Tenant) -> list[tuple[uuid.UUID, int]]:
    """As `offers`, as little as tells everything: template and version. Versions never change, so equal lists mean equal
    templates.
    """
    return list(offers(caller, tenant).values_list("id", "current__id"))


def find_offered(caller: Caller, tenant: Tenant, template_id: uuid.UUID) -> PolicyTemplate | None:
    """The template with this id, if `caller` may protect with it."""
    return offers(caller, tenant).defer("draft").filter(id=template_id).first()


def load_version(version_id: int) -> TemplateVersion:
    """A version with its names and grants. Raises `TemplateVersion.DoesNotExist`."""
    found = load_versions([version_id])
    if version_id not in found:
        raise TemplateVersion.DoesNotExist
    return found[version_id]


def load_versions(version_ids: Iterable[int]) -> dict[int, TemplateVersion]:
    """Versions with their names and grants, by id; the unknown ones are missing."""
    known: dict[int, TemplateVersion | None] = {each: _versions.get(each) for each in version_ids}
    missing = [each for each, version in known.items() if version is None]
    if missing:
        for version in TemplateVersion.objects.prefetch_related("names", "grants").filter(id__in=missing):
            known[version.id] = _versions[version.id] = version
    return {each: version for each, version in known.items() if version is not None}


def policy_of(version: TemplateVersion, *, published_at: dt.datetime) -> Policy:
    """The rules a template version sets for a document protected at `published_at`."""
    expires_at = version.expires_at
    if version.expires_after_days is not None:
        expires_at = published_at + dt.timedelta(days=version.expires_after_days)
    grants = tuple(Grant(grant.principal, tuple(grant.rights.split(","))) for grant in version.grants.all())
    return Policy(grants, expires_at, version.offline_days)


def policy_of_content(content: Content, *, published_at: dt.datetime) -> Policy:
    """As `policy_of`, for rules that are not published (yet)."""
    expires_at = content.expires_at
    if content.expires_after_days is not None:
        expires_at = published_at + dt.timedelta(days=content.expires_after_days)
    return Policy(content.grants, expires_at, content.offline_days)


def localized(version: TemplateVersion, languages: list[str]) -> LocalizedName:
    """Name and description in the first of `languages` that has them ("de-AT" also finds "de"), else the default's."""
    names = {name.language.lower(): name for name in version.names.all()}
    return names[best_tag(names, languages, version.default_language.lower())]


def forget_versions() -> None:
    """For tests that roll the database back: a version's number may come again."""
    _versions.clear()
