"""Pages that make templates decide, or no longer: publish, archive and back, copy, order, delete."""

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from policies import editing, states
from policies.consequences import grant_changes
from policies.content import content_of_version, from_json
from policies.differences import compare
from policies.editing import TemplateChangedError
from policies.models import PolicyTemplate
from portal.access import MemberRequest, member_page
from portal.forms.groups import TypedNameForm
from portal.forms.templates import content_from_post, content_json, revision_of
from portal.template_words import Names, changes_in_words, gains_in_words
from portal.templates_pages import find_or_404, title
from tenants.changes import Actor, ChangeRefusedError
from tenants.membership import MANAGE_TEMPLATES
from tracking.template_use import count_documents, delete_template, licenses_end_if_published


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_TEMPLATES)
def publish(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """Say what publishing does to whom and to how many documents, then do it."""
    template = find_or_404(request, template_id)
    if request.method != "POST":
        return _publish_page(request, template)
    shown = content_from_post(request.POST.get("shown", ""))
    try:
        published = states.publish(
            template,
            actor=Actor.of(request.user),
            seen=revision_of(request.POST),
            shown=shown,
        )
    except TemplateChangedError as changed:
        return _publish_page(request, changed.template, refused=changed, status=409)
    except ChangeRefusedError as refused:
        return _publish_page(request, find_or_404(request, template_id), refused=refused, status=409)
    assert published.current is not None  # it was made this moment
    messages.success(request, _("Version %(number)s decides now.") % {"number": published.current.number})
    return redirect("template", template_id)


def _publish_page(
    request: MemberRequest,
    template: PolicyTemplate,
    *,
    refused: ChangeRefusedError | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "template": template,
        "title": title(template),
        "refused": refused,
        "revision": template.revision,
    }
    if isinstance(refused, TemplateChangedError):
        context["meanwhile"] = changes_in_words(refused.changes, request.tenant)
    if template.draft is not None:
        draft = from_json(template.draft)
        published = content_of_version(template.current) if template.current else None
        gains = grant_changes(published, draft)
        names = Names(request.tenant, [draft] if published is None else [draft, published])
        context |= {
            "draft": draft,
            "shown": content_json(draft),
            "changes": changes_in_words(compare(published, draft), request.tenant),
            "gains": gains_in_words(gains, names),
            "losing": sum(bool(change.lost) for change in gains),
            "documents": count_documents(template),
            "licenses_end": licenses_end_if_published(template, now=timezone.now()),
        }
    return render(request, "portal/template_publish.html", context, status=status)


@require_POST
@member_page(MANAGE_TEMPLATES)
def archive(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """Offer the template to nobody any more; the same page offers it again."""
    done = _("Archived. Nobody can choose it any more; what it protects still opens.")
    return _do(request, template_id, lambda found, actor: states.archive(found, actor=actor), done)


@require_POST
@member_page(MANAGE_TEMPLATES)
def unarchive(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """Offer an archived template again."""
    done = _("The template is offered again.")
    return _do(request, template_id, lambda found, actor: states.unarchive(found, actor=actor), done)


@require_POST
@member_page(MANAGE_TEMPLATES)
def discard(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """Drop the draft that was looked at."""
    seen = revision_of(request.POST)
    done = _("The draft was discarded.")
    return _do(
        request, template_id, lambda found, actor: editing.discard_draft(found, actor=actor, seen=seen), done
    )


@require_POST
@member_page(MANAGE_TEMPLATES)
def copy(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """Make a draft with the same rules and open it."""
    try:
        made = editing.copy_template(find_or_404(request, template_id), actor=Actor.of(request.user))
    except ChangeRefusedError as refused:
        messages.error(request, str(refused))
        return redirect("template", template_id)
    messages.success(request, _("This is the copy, a draft. Give it a name of its own."))
    return redirect("template_edit", made.id)


@require_POST
@member_page(MANAGE_TEMPLATES)
def move(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """One place up or down in the list."""
    by = -1 if request.POST.get("do") == "up" else 1
    try:
        states.move_template(find_or_404(request, template_id), by=by, actor=Actor.of(request.user))
    except ChangeRefusedError as refused:
        messages.error(request, str(refused))
    cursor = {name: request.POST[name] for name in ("after", "before") if request.POST.get(name)}
    return redirect(reverse("templates", query=cursor, fragment=f"t-{template_id}"))


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_TEMPLATES)
def delete(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """Have the name typed and delete, or say what hangs on the template and lead to archiving."""
    template = find_or_404(request, template_id)
    name = title(template)
    form = TypedNameForm(request.POST or None, expected=name)
    if request.method == "POST" and form.is_valid():
        try:
            delete_template(template, actor=Actor.of(request.user))
        except ChangeRefusedError as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("The template %(name)s has been deleted.") % {"name": name})
            return redirect("templates")
    context = {"template": template, "title": name, "form": form, "documents": count_documents(template)}
    return render(request, "portal/template_delete.html", context, status=400 if form.errors else 200)


def _do(
    request: MemberRequest,
    template_id: uuid.UUID,
    change: Callable[[PolicyTemplate, Actor], object],
    done: str,
) -> HttpResponse:
    try:
        change(find_or_404(request, template_id), Actor.of(request.user))
    except ChangeRefusedError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, done)
    return redirect("template", template_id)
