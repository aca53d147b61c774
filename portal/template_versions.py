"""The published versions of a template: who made which when, what it changed, and the way back to it."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from policies.content import content_of_version
from policies.differences import compare
from policies.editing import find_version, restore_version
from policies.models import TemplateVersion
from portal.access import MemberRequest, member_page
from portal.forms.templates import revision_of
from portal.paging import page_of
from portal.template_words import Names, changes_in_words, rules_in_words
from portal.templates_pages import STATE_TONES, find_or_404, title
from tenants.changes import Actor, ChangeRefusedError
from tenants.membership import MANAGE_TEMPLATES, READ_TEMPLATES, may


@require_safe
@member_page(READ_TEMPLATES, MANAGE_TEMPLATES)
def version_list(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """All versions, the newest first, each with the number of fields it changed."""
    template = find_or_404(request, template_id)
    versions = template.versions.prefetch_related("names", "grants", "scope")
    page = page_of(versions, request.GET, "-number")
    older = {version.number: version for version in page.rows}
    last = page.rows[-1].number if page.rows else 0
    if last > 1 and (before := find_version(template, last - 1)) is not None:
        older[before.number] = before
    rows = []
    for version in page.rows:
        before = older.get(version.number - 1)
        changes = compare(content_of_version(before) if before else None, content_of_version(version))
        rows.append({"version": version, "changes": len(changes), "is_first": before is None})
    context = {
        "template": template,
        "title": title(template),
        "tone": STATE_TONES[template.state],
        "page": page,
        "rows": rows,
        "tab": "versions",
        "sees_all": True,
    }
    return render(request, "portal/template_versions.html", context)


@require_safe
@member_page(READ_TEMPLATES, MANAGE_TEMPLATES)
def version(request: MemberRequest, template_id: uuid.UUID, number: int) -> HttpResponse:
    """One version: its rules, and what it changed."""
    template = find_or_404(request, template_id)
    found = find_version(template, number)
    if found is None:
        raise Http404
    before = find_version(template, number - 1)
    content = content_of_version(found)
    changes = compare(content_of_version(before), content) if before else []
    context = {
        "template": template,
        "title": title(template),
        "version": found,
        "is_current": template.current_id == found.id,
        "may_change": may(request.user, MANAGE_TEMPLATES),
        "changes": changes_in_words(changes, request.tenant),
        "has_before": before is not None,
    } | rules_in_words(content, Names(request.tenant, [content]), (get_language() or "en",))
    return render(request, "portal/template_version.html", context)


@require_POST
@member_page(MANAGE_TEMPLATES)
def restore(request: MemberRequest, template_id: uuid.UUID, number: int) -> HttpResponse:
    """Make the rules of this version the draft; a draft that waits is replaced only if it was seen."""
    template = find_or_404(request, template_id)
    seen = revision_of(request.POST)
    try:
        restored = restore_version(template, number, actor=Actor.of(request.user), seen=seen)
    except TemplateVersion.DoesNotExist as error:
        raise Http404 from error
    except ChangeRefusedError as refused:
        messages.error(request, str(refused))
        return redirect("template_version", template_id, number)
    if restored.draft is None:
        messages.info(request, _("These rules are published already."))
        return redirect("template", template_id)
    messages.success(request, _("The draft has the rules of version %(number)s.") % {"number": number})
    return redirect("template_publish", template_id)
