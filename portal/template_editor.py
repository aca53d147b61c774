"""The editor of templates: a new one, the draft of one, and what to do when two people wrote at once."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from policies.content import Content, content_of
from policies.differences import compare, fields_of, merge
from policies.editing import TemplateChangedError, create_template, save_draft
from policies.models import PolicyTemplate
from policies.reading import ContentRefusedError, read_content
from portal.access import MemberRequest, member_page
from portal.forms.templates import TemplateForm, content_from_post, content_json, revision_of
from portal.template_words import changes_in_words
from portal.templates_pages import find_or_404, title
from tenants.changes import Actor, ChangeRefusedError
from tenants.groups import group_names
from tenants.membership import MANAGE_TEMPLATES

_GROUPS_OFFERED = 200


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_TEMPLATES)
def new(request: MemberRequest) -> HttpResponse:
    """Write a template."""
    return _edit(request, None)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_TEMPLATES)
def edit(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """Write the draft of a template."""
    return _edit(request, find_or_404(request, template_id))


def _edit(request: MemberRequest, template: PolicyTemplate | None) -> HttpResponse:
    if request.method != "POST":
        content = content_of(template) if template else None
        form = (
            TemplateForm.of_content(content, request.tenant)
            if content
            else TemplateForm.empty(request.tenant)
        )
        return _page(request, template, form, revision=template.revision if template else 0, base=content)
    do = request.POST.get("do", "save")
    if do == "merge" and template is not None:
        return _merge(request, template)
    form = TemplateForm.of_post(request.POST, request.tenant)
    if do == "add":
        form.add_grant()
    elif do.startswith("remove-") and do[7:].isdigit():
        form.remove_grant(int(do[7:]))
    if do not in ("save", "publish", "preview"):
        return _again(request, template, form)
    try:
        content = read_content(form.raw(), request.tenant)
    except ContentRefusedError as refused:
        form.place(refused.problems)
        return _again(request, template, form, preview=do == "preview", status=400)
    if do == "preview":
        return _again(request, template, form, preview=True)
    return _save(request, template, form, content, then_publish=do == "publish")


def _save(
    request: MemberRequest,
    template: PolicyTemplate | None,
    form: TemplateForm,
    content: Content,
    *,
    then_publish: bool,
) -> HttpResponse:
    actor = Actor.of(request.user)
    try:
        if template is None:
            saved = create_template(request.tenant, content, actor=actor)
        else:
            saved = save_draft(template, content, actor=actor, seen=revision_of(request.POST))
    except TemplateChangedError as changed:
        return _conflict(request, changed, content)
    except ChangeRefusedError as refused:
        form.errors["form"] = [str(refused)]
        return _again(request, template, form, status=409)
    if saved.draft is None:
        messages.info(request, _("Nothing differs from what is published."))
    elif then_publish:
        return redirect("template_publish", saved.id)
    else:
        messages.success(request, _("Saved as a draft. It decides about documents when you publish it."))
    return redirect("template", saved.id)


def _conflict(request: MemberRequest, changed: TemplateChangedError, mine: Content) -> HttpResponse:
    """Theirs and yours beside each other; what only one of the two changed is chosen already."""
    base = content_from_post(request.POST.get("base", ""))
    before, own = fields_of(base), fields_of(mine)
    context = {
        "template": changed.template,
        "title": title(changed.template),
        "message": str(changed),
        "changes": [
            {"words": words, "mine": base is None or own.get(words.field) != before.get(words.field)}
            for words in changes_in_words(changed.changes, request.tenant)
        ],
        "mine": content_json(mine),
        "revision": changed.template.revision,
    }
    return render(request, "portal/template_conflict.html", context, status=409)


def _merge(request: MemberRequest, template: PolicyTemplate) -> HttpResponse:
    """The editor with the fields that were chosen from both; nothing is saved yet."""
    theirs, mine = content_of(template), content_from_post(request.POST.get("mine", ""))
    if theirs is None or mine is None:
        raise Http404
    differing = [change.field for change in compare(theirs, mine)]
    chosen = [name for name in differing if request.POST.get(f"take-{name}") == "mine"]
    form = TemplateForm.of_content(merge(theirs, mine, chosen), request.tenant)
    return _page(request, template, form, revision=revision_of(request.POST), base=theirs, unsaved=True)


def _again(
    request: MemberRequest,
    template: PolicyTemplate | None,
    form: TemplateForm,
    *,
    preview: bool = False,
    status: int = 200,
) -> HttpResponse:
    """The editor with what was typed."""
    base = content_from_post(request.POST.get("base", ""))
    return _page(
        request,
        template,
        form,
        revision=revision_of(request.POST),
        base=base,
        unsaved=True,
        preview=preview,
        status=status,
    )


def _page(
    request: MemberRequest,
    template: PolicyTemplate | None,
    form: TemplateForm,
    *,
    revision: int,
    base: Content | None,
    unsaved: bool = False,
    preview: bool = False,
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        "template": template,
        "title": title(template) if template else "",
        "form": form,
        "revision": revision,
        "base": content_json(base) if base else "",
        "unsaved": unsaved,
        "preview": preview,
        "failed": status == 400,
        "groups": group_names(request.tenant, limit=_GROUPS_OFFERED),
    }
    return render(request, "portal/template_edit.html", context, status=status)
