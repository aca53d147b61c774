"""People from a CSV file: upload, look at what it would do row by row, confirm. Nothing is kept in between: the file
travels in the form, so that what is confirmed is what was shown."""

import base64
import binascii
import csv
import io

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from portal.access import MemberRequest, member_page
from tenants.changes import Actor, ChangeRefusedError
from tenants.membership import ADMINISTER
from tenants.people_import import Plan, import_people, plan_import
from tenants.people_table import COLUMNS, MAX_BYTES

_SHOWN_COMPLAINTS = 100
_SHOWN_PEOPLE = 10


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def import_page(request: MemberRequest) -> HttpResponse:
    """The three steps on one address."""
    if request.method != "POST":
        return _page(request)
    data = _data(request)
    if data is None:
        return _page(request, error=_("Choose a file."))
    try:
        if request.POST.get("do") == "left_out":
            return _left_out(plan_import(request.tenant, data))
        if request.POST.get("do") == "import":
            return _import(request, data)
        return _preview(request, data, plan_import(request.tenant, data))
    except ChangeRefusedError as error:
        return _page(request, error=str(error))


def _import(request: MemberRequest, data: bytes) -> HttpResponse:
    try:
        plan = import_people(
            request.tenant,
            data,
            actor=Actor.of(request.user),
            fingerprint=request.POST.get("fingerprint", ""),
            leave_out=True,  # the page said so, with the number, and the fingerprint covers it
        )
    except ChangeRefusedError as error:
        messages.error(request, str(error))
        return _preview(request, data, plan_import(request.tenant, data), status=409)
    new, changed = len(plan.new), len(plan.changed)
    done = [
        ngettext("%d person added.", "%d people added.", new) % new,
        ngettext("%d person changed.", "%d people changed.", changed) % changed,
    ]
    messages.success(request, " ".join(done))
    return redirect("people")


def _preview(request: MemberRequest, data: bytes, plan: Plan, *, status: int = 200) -> HttpResponse:
    context = {
        "plan": plan,
        "new": len(plan.new),
        "changed": len(plan.changed),
        "left_out": len(plan.left_out),
        "works": len(plan.new) + len(plan.changed),
        "sample": [*plan.new, *plan.changed][:_SHOWN_PEOPLE],
        "complaints": plan.complaints[:_SHOWN_COMPLAINTS],
        "more": len(plan.complaints) - _SHOWN_COMPLAINTS,
        "content": base64.b64encode(data).decode("ascii"),
    }
    return render(request, "portal/people_import_preview.html", context, status=status)


def _left_out(plan: Plan) -> HttpResponse:
    """The rows that are wrong, as a file of their own with what is wrong with them, to be mended and sent again."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    writer.writerow([*plan.table.columns, "error"])
    for row in plan.left_out:
        cells = [row.cells.get(column, "") for column in plan.table.columns]
        writer.writerow([*cells, " ".join(complaint.text for complaint in row.complaints)])
    response = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="people-left-out.csv"'
    return response


def _data(request: MemberRequest) -> bytes | None:
    uploaded = request.FILES.get("file")
    if uploaded is not None:
        return bytes(uploaded.read(MAX_BYTES + 1))
    try:
        return base64.b64decode(request.POST.get("content", ""), validate=True) or None
    except binascii.Error:
        return None


def _page(request: MemberRequest, *, error: str = "") -> HttpResponse:
    context = {"columns": COLUMNS, "error": error}
    return render(request, "portal/people_import.html", context, status=400 if error else 200)
