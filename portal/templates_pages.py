"""Templates: the rules an organization offers under a name. (Not `templates.py`: that name means HTML here.)"""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from policies.content import Content, content_of, content_of_version
from policies.editing import find_template, title_of
from policies.models import PolicyTemplate, TemplateQuerySet
from policies.publishing import offers
from portal.access import MemberRequest, member_page
from portal.paging import page_of
from portal.template_words import Names, rules_in_words
from tenants.identity import Caller
from tenants.membership import MANAGE_TEMPLATES, READ_TEMPLATES, may
from tenants.onboarding import may_protect
from tracking.template_use import count_documents, old_licenses_end

STATE_TONES = {"published": "good", "draft": "", "archived": "warn"}
_GRANTS_SHOWN = 4


@require_safe
@member_page()
def template_list(request: MemberRequest) -> HttpResponse:
    """All templates for those who look after them; for everybody else those they may protect with."""
    text, state = request.GET.get("q", "").strip()[:200], request.GET.get("state", "")
    found = _named(_visible(request), text) if text else _visible(request)
    if state in PolicyTemplate.State.values:
        found = found.filter(state=state)
    page = page_of(found.with_current(), request.GET, "position", "id")
    context = {
        "text": text,
        "state": state,
        "states": PolicyTemplate.State.choices,
        "page": page,
        "rows": _in_words(page.rows, request),
        "shown": _GRANTS_SHOWN,
        "sees_all": _sees_all(request),
        "may_change": may(request.user, MANAGE_TEMPLATES),
    }
    return render(request, "portal/templates.html", context)


@require_safe
@member_page()
def template(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """One template: what it allows to whom, for how long, and what waits to be published."""
    found = _visible(request).with_current().select_related("tenant").filter(id=template_id).first()
    if found is None:
        raise Http404
    context = _in_words([found], request)[0]
    context |= {
        "sees_all": _sees_all(request),
        "may_change": may(request.user, MANAGE_TEMPLATES),
        "tab": "rules",
    }
    if context["sees_all"]:
        context["documents"] = count_documents(found)
        context["old_licenses_end"] = old_licenses_end(found, now=timezone.now())
    return render(request, "portal/template.html", context)


def find_or_404(request: MemberRequest, template_id: uuid.UUID) -> PolicyTemplate:
    """One of the organization's templates."""
    found = find_template(request.tenant, template_id)
    if found is None:
        raise Http404
    return found


def title(template: PolicyTemplate) -> str:
    """What the template is called in the reader's language."""
    return title_of(template, (get_language() or "en",))


def _sees_all(request: MemberRequest) -> bool:
    return may(request.user, READ_TEMPLATES) or may(request.user, MANAGE_TEMPLATES)


def _visible(request: MemberRequest) -> TemplateQuerySet:
    if _sees_all(request):
        return PolicyTemplate.objects.for_tenant(request.tenant)
    caller = Caller.of(request.user)
    found = offers(caller, request.tenant)
    return found if may_protect(caller, request.tenant) else found.none()


def _named(templates: TemplateQuerySet, text: str) -> TemplateQuerySet:
    """Those with `text` in one of their names; what was never published is looked at one by one."""
    drafts = [
        row.id
        for row in templates.filter(current=None).only("id", "draft")
        if (content := content_of(row)) and any(text.lower() in each.name.lower() for each in content.texts)
    ]
    named = templates.filter(current__names__name__icontains=text).values("id")
    return templates.filter(Q(id__in=named) | Q(id__in=drafts))


def _in_words(templates: Sequence[PolicyTemplate], request: MemberRequest) -> list[dict[str, Any]]:
    """What pages show of templates: as published, for one that never was as drafted."""
    contents: list[Content | None] = [
        content_of(each) if each.current is None else content_of_version(each.current) for each in templates
    ]
    names = Names(request.tenant, [content for content in contents if content])
    languages = (get_language() or "en",)
    return [
        {"template": each, "version": each.current, "tone": STATE_TONES[each.state]}
        | ({"more": max(0, len(content.grants) - _GRANTS_SHOWN)} if content else {})
        | (rules_in_words(content, names, languages) if content else {})
        for each, content in zip(templates, contents, strict=True)
    ]
