"""Templates as files: export, and import with a look at what it would do before it is done."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from policies.exchange.exporting import export_templates
from policies.exchange.files import CONTENT_TYPES, FORMATS, JSON
from policies.exchange.identities import Resolution
from policies.exchange.importing import PlanChangedError, UnknownIdentitiesError, import_templates
from policies.exchange.planning import Outcome, Plan, PlannedTemplate, plan_import
from policies.exchange.shapes import FileRefusedError
from policies.models import PolicyTemplate
from portal.access import MemberRequest, member_page
from portal.forms.template_files import UploadForm, mapping_of, packed, unpacked
from portal.template_words import Names, rules_in_words
from portal.templates_pages import find_or_404, title
from portal.wording import Text
from tenants.changes import Actor, ChangeRefusedError
from tenants.groups import group_names
from tenants.membership import MANAGE_TEMPLATES, READ_TEMPLATES, may

_SHOWN = 100
_GROUPS_OFFERED = 200


@require_safe
@member_page(READ_TEMPLATES, MANAGE_TEMPLATES)
def files_page(request: MemberRequest) -> HttpResponse:
    """Where templates leave as a file and arrive from one; `?template=` for a single one."""
    return _files_page(request)


def _files_page(
    request: MemberRequest,
    form: UploadForm | None = None,
    *,
    refused: Exception | None = None,
    status: int = 200,
) -> HttpResponse:
    one = _one(request, request.GET.get("template", ""))
    context = {
        "one": one,
        "title": title(one) if one else "",
        "count": PolicyTemplate.objects.for_tenant(request.tenant).count(),
        "may_change": may(request.user, MANAGE_TEMPLATES),
        "form": form or UploadForm(),
        "refused": refused,
    }
    return render(request, "portal/template_files.html", context, status=status)


def _one(request: MemberRequest, text: str) -> PolicyTemplate | None:
    if not text:
        return None
    try:
        return find_or_404(request, uuid.UUID(text))
    except ValueError as error:
        raise Http404 from error


@require_POST
@member_page(READ_TEMPLATES, MANAGE_TEMPLATES)
def export(request: MemberRequest) -> HttpResponse:
    """The file itself."""
    form = request.POST.get("as", JSON)
    if form not in FORMATS:
        raise Http404
    one = _one(request, request.POST.get("template", ""))
    data = export_templates(
        request.tenant, form, actor=Actor.of(request.user), only=[one.id] if one else None
    )
    response = HttpResponse(data, content_type=CONTENT_TYPES[form])
    response.headers["Content-Disposition"] = f'attachment; filename="templates.{form}"'
    return response


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_TEMPLATES)
def import_page(request: MemberRequest) -> HttpResponse:
    """Show what a file would do; the same page then has it done."""
    if request.method != "POST":
        return redirect("template_files")
    form = UploadForm(request.POST, request.FILES)
    data = unpacked(request.POST["packed"]) if "packed" in request.POST else None
    if data is None:
        if not form.is_valid():
            return _files_page(request, form, status=400)
        data = form.data_of()
    mapping, copies = mapping_of(request.POST), "copies" in request.POST
    try:
        if request.POST.get("do") == "import":
            return _import(request, data, mapping, copies=copies)
        return _preview(
            request, data, plan_import(request.tenant, data, mapping=mapping, copies=copies), mapping
        )
    except FileRefusedError as refused:
        return _files_page(request, refused=refused, status=400)
    except ChangeRefusedError as refused:
        return _files_page(request, refused=refused, status=409)


def _import(request: MemberRequest, data: bytes, mapping: Mapping[str, str], *, copies: bool) -> HttpResponse:
    try:
        done = import_templates(
            request.tenant,
            data,
            actor=Actor.of(request.user),
            mapping=mapping,
            copies=copies,
            seen=request.POST.get("seen", ""),
        )
    except (PlanChangedError, UnknownIdentitiesError) as refused:
        return _preview(request, data, refused.plan, mapping, refused=refused, status=409)
    made, drafts = done.plan.count(Outcome.NEW, Outcome.COPY), done.plan.count(Outcome.DRAFT)
    said = []
    if made:
        text = ngettext(
            "%(n)s template was imported. Nobody is offered it yet.",
            "%(n)s templates were imported. Nobody is offered them yet.",
            made,
        )
        said.append(text % {"n": made})
    if drafts:
        text = ngettext("%(n)s template has a new draft.", "%(n)s templates have a new draft.", drafts)
        said.append(text % {"n": drafts})
    messages.success(request, " ".join(said) or _("There was nothing to import: all of it is here already."))
    return redirect("templates")


def _preview(
    request: MemberRequest,
    data: bytes,
    plan: Plan,
    mapping: Mapping[str, str],
    *,
    refused: Exception | None = None,
    status: int = 200,
) -> HttpResponse:
    shown = plan.templates[:_SHOWN]
    contents = [planned.wanted for planned in plan.templates]
    names = Names(request.tenant, contents)
    context = {
        "plan": plan,
        "refused": refused,
        "packed": packed(data),
        "copies": "copies" in request.POST,
        "known_here": any(planned.existing for planned in plan.templates),
        "asked": [
            {"resolution": each, "label": _named(each), "typed": mapping.get(each.who.label, "")}
            for each in _distinct(plan, "unknown", "mapped", "left_out")
        ],
        "found": [
            {
                "label": _named(each),
                "here": names.who(each.entry)
                if not each.entry.startswith("user:")
                else names.written(each.entry),
                "how": each.how,
            }
            for each in _distinct(plan, "id", "address", "name")
        ],
        "rows": [_row(planned, names) for planned in shown],
        "more": len(plan.templates) - len(shown),
        "changing": len(plan.templates) - plan.count(Outcome.SAME),
        "group_names": group_names(request.tenant, limit=_GROUPS_OFFERED),
    }
    return render(request, "portal/template_import.html", context, status=status)


def _distinct(plan: Plan, *how: str) -> list[Resolution]:
    found = {each.who: each for planned in plan.templates for each in planned.resolutions if each.how in how}
    return list(found.values())


def _row(planned: PlannedTemplate, names: Names) -> dict[str, Any]:
    words = rules_in_words(planned.wanted, names, (get_language() or "en",))
    unknown = [_named(each) for each in planned.unknown]
    return {
        "planned": planned,
        "outcome": "unknown" if unknown else str(planned.outcome),
        "unknown": unknown,
        **words,
    }


def _named(resolution: Resolution) -> Text:
    """The name as the file says it, with what it is."""
    who = resolution.who
    match who.kind:
        case "group":
            return _("Group %(name)s") % {"name": who.name or who.mail or who.id}
        case "organization":
            return _("Organization %(name)s") % {"name": who.id}
    return who.mail or who.id
