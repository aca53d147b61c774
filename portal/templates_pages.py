"""Templates: the rules an organization offers under a name. (Not `templates.py`: that name means HTML here.)"""

import uuid
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from policies.models import PolicyTemplate, TemplateVersion
from policies.publishing import localized, offered_to
from portal.access import MemberRequest, member_page
from portal.wording import expiry_in_words, grants_in_words, offline_in_words
from tenants.identity import Caller
from tenants.membership import MANAGE_TEMPLATES, READ_TEMPLATES, may
from tenants.models import Tenant
from tenants.onboarding import may_protect
from tracking.models import Document

STATE_TONES = {"published": "good", "draft": "", "archived": "warn"}


@require_safe
@member_page()
def template_list(request: MemberRequest) -> HttpResponse:
    """All templates for those who look after them; for everybody else those they may protect with."""
    templates = _visible(request)
    context = {
        "rows": [_in_words(template, request.tenant) for template in templates],
        "sees_all": _sees_all(request),
    }
    return render(request, "portal/templates.html", context)


@require_safe
@member_page()
def template(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """One template: what it allows to whom, for how long, and how it came to be."""
    found = next((template for template in _visible(request) if template.id == template_id), None)
    if found is None:
        raise Http404
    context = _in_words(found, request.tenant)
    if _sees_all(request):
        context |= {
            "versions": found.versions.order_by("-number"),
            "documents": Document.objects.for_tenant(request.tenant).filter(template_id=found.id).count(),
        }
    return render(request, "portal/template.html", context | {"sees_all": _sees_all(request)})


def _sees_all(request: MemberRequest) -> bool:
    return may(request.user, READ_TEMPLATES) or may(request.user, MANAGE_TEMPLATES)


def _visible(request: MemberRequest) -> list[PolicyTemplate]:
    if not _sees_all(request):
        if not may_protect(Caller.of(request.user), request.tenant):
            return []
        return [
            template
            for template in offered_to(Caller.of(request.user), request.tenant)
            if template.current_id
        ]
    return list(
        PolicyTemplate.objects.for_tenant(request.tenant)
        .with_current()
        .prefetch_related("current__scope__user", "current__scope__group")
        .order_by("created_at", "id")
    )


def _in_words(template: PolicyTemplate, tenant: Tenant) -> dict[str, Any]:
    version: TemplateVersion | None = template.current
    words: dict[str, Any] = {"template": template, "version": version, "tone": STATE_TONES[template.state]}
    if version is None:
        return words
    return words | {
        "name": localized(version, [get_language() or "en"]),
        "names": sorted(version.names.all(), key=lambda name: name.language != template.default_language),
        "grants": grants_in_words(version, tenant),
        "expiry": expiry_in_words(version),
        "offline": offline_in_words(version, tenant),
    }
