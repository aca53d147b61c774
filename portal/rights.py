"""Who can open this, and why not? For documents and templates; changing it for documents; the organization's limits."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from licensing.access import change_access, may_change_access
from licensing.errors import BadInputError
from licensing.special import SPECIAL_POLICIES
from licensing.what_if import ask, before_publishing, case_of_document, case_of_draft, case_of_template
from policies.evaluation import Grant
from policies.limits import Limits, limits_of, set_limits
from policies.reach import Case, count_changes, count_openers, listed, outside
from portal.access import MemberRequest, member_page
from portal.documents import find_document, state_of
from portal.explaining import answer_in_words, granted_in_words
from portal.forms.rights import AccessForm, LimitsForm, level_code
from portal.paging import page_of
from portal.templates_pages import find_or_404, title
from rms.rights import special_of
from tenants.changes import Actor, ChangeRefusedError
from tenants.membership import ADMINISTER, READ_PEOPLE, READ_SETTINGS, READ_TEMPLATES, may
from tracking.lasting import licenses_end_by
from tracking.models import AccessChange, Document
from tracking.overrides import history_of, is_undoable, undo
from tracking.revocation import access_until

_HISTORY_SHOWN = 100


@require_safe
@member_page()
def document_access(request: MemberRequest, content_id: uuid.UUID) -> HttpResponse:
    """Who can open a document: one person with the reasons, what was granted, everybody, what was changed."""
    document = find_document(request, content_id)
    context: dict[str, Any] = {
        "document": document,
        "state": state_of(document),
        "may_change": may_change_access(request.user, document) and document.template_id is None,
        "history": _history(document),
    }
    try:
        case = case_of_document(document)
    except ChangeRefusedError as error:
        context["unknown"] = str(error)
        return render(request, "portal/document_access.html", context)
    special = special_of((grant.principal, grant.rights) for grant in _all_grants(case) if grant.rights)
    context |= {
        "special": SPECIAL_POLICIES.get(special, ("", ""))[0],
        "grants": _rows(case, document),
    } | _asked(request, case)
    return render(request, "portal/document_access.html", context)


@require_http_methods(["GET", "POST"])
@member_page()
def document_access_change(request: MemberRequest, content_id: uuid.UUID) -> HttpResponse:
    """Grant, change or withdraw access to a document that was sent already."""
    document = find_document(request, content_id)
    if not may_change_access(request.user, document):
        raise PermissionDenied
    form = AccessForm(request.POST or None, initial=_initial(document, request.GET.get("who", "")))
    if request.method == "POST" and form.is_valid():
        before = _case(document)
        wanted = [(form.cleaned_data["who"], form.rights)]
        try:
            changed = change_access(document, wanted, actor=request.user, reason=form.cleaned_data["reason"])
        except (ChangeRefusedError, BadInputError) as error:
            form.add_error("who", str(error))
        else:
            messages.success(request, _consequence(before, _case(changed)))
            return redirect("document_access", content_id)
    context = {"document": document, "form": form, "access_until": access_until(document)}
    return render(request, "portal/document_access_change.html", context, status=400 if form.errors else 200)


@require_POST
@member_page()
def document_access_undo(request: MemberRequest, content_id: uuid.UUID, change_id: uuid.UUID) -> HttpResponse:
    """Let count again what counted before one change."""
    document = find_document(request, content_id)
    if not may_change_access(request.user, document):
        raise PermissionDenied
    before = _case(document)
    try:
        changed = undo(document, change_id, actor=request.user)
    except AccessChange.DoesNotExist as error:
        raise Http404 from error
    except ChangeRefusedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _consequence(before, _case(changed)))
    return redirect("document_access", content_id)


@require_safe
@member_page(READ_TEMPLATES)
def template_what_if(request: MemberRequest, template_id: uuid.UUID) -> HttpResponse:
    """Who could open content protected with a template now, or by the rules that wait to be published."""
    template = find_or_404(request, template_id)
    of_draft = template.draft is not None and (
        template.current_id is None or request.GET.get("of") == "draft"
    )
    case = case_of_draft(template) if of_draft else case_of_template(template)
    show = request.GET.get("show", "")
    context = {
        "template": template,
        "title": title(template),
        "tab": "what-if",
        "sees_all": True,
        "of_draft": of_draft,
        "show": show,
    } | _asked(request, case, before=before_publishing(template, case) if of_draft else None, show=show)
    return render(request, "portal/template_what_if.html", context)


@require_http_methods(["GET", "POST"])
@member_page(READ_SETTINGS)
def limits(request: MemberRequest) -> HttpResponse:
    """What people may grant when they protect."""
    tenant, now = request.tenant, limits_of(request.tenant)
    may_change = may(request.user, ADMINISTER)
    initial = {
        "own_permissions": now.own_permissions,
        "outsiders": now.outsiders,
        "anyone": now.anyone,
        "default_template": str(now.default_template_id or ""),
    }
    form = LimitsForm(request.POST or None, initial=initial, tenant=tenant, language=get_language() or "en")
    if request.method == "POST" and not may_change:
        raise PermissionDenied
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        chosen = values.pop("default_template")
        wanted = Limits(**values, default_template_id=uuid.UUID(chosen) if chosen else None)
        try:
            set_limits(tenant, wanted, actor=Actor.of(request.user))
        except ChangeRefusedError as error:
            form.add_error("anyone" if error.code == "anyone_is_outside" else "default_template", str(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("limits")
    context = {"tenant": tenant, "form": form, "may_change": may_change, "end": licenses_end_by(tenant)}
    return render(request, "portal/limits.html", context, status=400 if form.errors else 200)


def _asked(
    request: MemberRequest, case: Case, *, before: Case | None = None, show: str = ""
) -> dict[str, Any]:
    """The answer about the person in the query, and everybody who can open (where `before` changes into `case`, by `show`
    those who gain or lose that), for those who may see people.
    """
    lists = may(request.user, READ_PEOPLE)
    who = request.GET.get("person", "").strip()[:300]
    counts = count_openers(case) if before is None else count_changes(before, case)
    found: dict[str, Any] = {
        "person": who,
        "lists_people": lists,
        "counts": counts,
        "page": page_of(listed(case, counts, before=before, which=show), request.GET, "email")
        if lists
        else None,
        "outside": granted_in_words(outside(case.policy, case.tenant), case.tenant),
    }
    if who:
        try:
            found["answer"] = answer_in_words(ask(case, who, names_groups=lists), case.tenant)
        except ChangeRefusedError as error:
            found["problem"] = str(error)
    return found


def _all_grants(case: Case) -> tuple[Grant, ...]:
    return (*case.policy.grants, *case.policy.decided)


def _rows(case: Case, document: Document) -> list[dict[str, Any]]:
    """What was granted, as it counts now, with what was decided afterwards."""
    grants = _all_grants(case)
    return [
        {"words": words, "principal": grant.principal, "changed": grant.principal in document.overrides}
        for words, grant in zip(granted_in_words(grants, case.tenant), grants, strict=True)
    ]


def _history(document: Document) -> list[dict[str, Any]]:
    changes = list(history_of(document)[:_HISTORY_SHOWN])
    after = [Grant(change.principal, tuple(change.after or ())) for change in changes]
    words = granted_in_words(after, document.tenant)
    return [
        {"change": change, "words": said, "undoable": is_undoable(document, change)}
        for change, said in zip(changes, words, strict=True)
    ]


def _initial(document: Document, who: str) -> dict[str, str]:
    held = next((grant.rights for grant in _all_grants(_case(document)) if grant.principal == who), None)
    return {"who": who} if held is None else {"who": who, "level": level_code(held)}


def _case(document: Document) -> Case:
    try:
        return case_of_document(document)
    except ChangeRefusedError as error:
        raise Http404 from error


def _consequence(before: Case, after: Case) -> str:
    counts = count_changes(before, after)
    parts = [_("Saved. It counts from the next opening on.")]
    if counts.gaining:
        text = ngettext(
            "%(n)d person of your organization can open it now.",
            "%(n)d people of your organization can open it now.",
            counts.gaining,
        )
        parts.append(text % {"n": counts.gaining})
    if counts.losing:
        text = ngettext(
            "%(n)d person of your organization cannot open it any more.",
            "%(n)d people of your organization cannot open it any more.",
            counts.losing,
        )
        parts.append(text % {"n": counts.losing})
    return " ".join(parts)
