"""Export of keys: what would be handed over, asking, approving as the second person, downloading."""

import uuid
from collections import Counter

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from administration.handover import download_package
from keys import export as exports
from keys.errors import KeyCustodyError
from keys.models import KeyExport
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.key_export import ExportForm, WaitForm
from portal.paging import page_of
from portal.powers import ask
from tenants.changes import ChangeRefusedError
from tenants.membership import MANAGE_KEYS, READ_KEYS, may
from tracking.models import Document


@require_safe
@member_page(MANAGE_KEYS, READ_KEYS)
def overview(request: MemberRequest) -> HttpResponse:
    """What an export hands over and what it cannot, what is under way, and what there was."""
    tenant = request.tenant
    newest = exports.exports_of(tenant).first()  # the only one that can be under way
    state = exports.state_of(newest) if newest else ""
    current = newest if state in (exports.WAITING, exports.APPROVED) else None
    refusal = exports.why_not_second(current, request.user) if current and state == exports.WAITING else None
    earlier = exports.exports_of(tenant).exclude(id=current.id) if current else exports.exports_of(tenant)
    page = page_of(earlier, request.GET, "-requested_at", "id")
    context = {
        "keys": Counter(exports.why_not_exportable(key) or "handed" for key in exports.keys_of(tenant)),
        "page": page,
        "rows": [{"one": one, "state": exports.state_of(one)} for one in page.rows],
        "current": current,
        "state": state,
        "may_export": may(request.user, MANAGE_KEYS),
        "refusal": str(refusal) if refusal else "",
        "hours": exports.wait_of(tenant),
        "planned": exports.planned_wait(tenant),
    }
    return render(request, "portal/key_export.html", context)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def new(request: MemberRequest) -> HttpResponse:
    """Say what an export means, then ask for it."""
    tenant = request.tenant
    form = ExportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            exports.request_export(
                tenant, form.cleaned_data["recipient"], reason=form.cleaned_data["reason"], actor=request.user
            )
        except KeyCustodyError as error:
            form.add_error("recipient", str(error))
        except ChangeRefusedError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The export has been asked for. All administrators get a mail."))
            return redirect("key_export")
    keys = list(exports.keys_of(tenant))
    context = {
        "form": form,
        "handed": sum(not exports.why_not_exportable(key) for key in keys),
        "staying": [key for key in keys if exports.why_not_exportable(key) in ("token", "held")],
        "documents": Document.objects.for_tenant(tenant).count(),
        "hours": exports.wait_of(tenant),
        "openssl": OPENSSL,
    }
    return render(request, "portal/key_export_new.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def approve(request: MemberRequest, export_id: uuid.UUID) -> HttpResponse:
    """Show what is asked for and for whom, then approve it as the second person."""
    export = _find(request, export_id)
    if request.method == "POST":
        try:
            exports.approve_export(export, actor=request.user)
        except ChangeRefusedError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("The export has been approved. All administrators get a mail."))
        return redirect("key_export")
    if exports.state_of(export) != exports.WAITING:
        return redirect("key_export")
    refusal = exports.why_not_second(export, request.user)
    context = {
        "one": export,
        "refusal": str(refusal) if refusal else "",
        "documents": Document.objects.for_tenant(request.tenant).count(),
    }
    return render(request, "portal/key_export_approve.html", context)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def end(request: MemberRequest, export_id: uuid.UUID) -> HttpResponse:
    """Ask once, then reject or cancel."""
    export = _find(request, export_id)
    if request.method == "POST":
        try:
            exports.end_export(export, actor=request.user)
        except ChangeRefusedError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("The export has been ended. All administrators get a mail."))
        return redirect("key_export")
    if exports.state_of(export) not in (exports.WAITING, exports.APPROVED):
        return redirect("key_export")
    return ask(
        request,
        title=_("End the export"),
        warning=_("The export for the key %(recipient)s ends: nothing is downloaded any more.")
        % {"recipient": export.recipient_fingerprint[:16]},
        more=ngettext(
            "It was downloaded %(n)d time; that is not undone.",
            "It was downloaded %(n)d times; that is not undone.",
            export.downloads,
        )
        % {"n": export.downloads}
        if export.downloads
        else "",
        button=_("End the export"),
        back="key_export",
        crumb=_("Export of keys"),
        danger=True,
    )


@require_POST
@member_page(MANAGE_KEYS)
@fresh_sign_in
def package(request: MemberRequest, export_id: uuid.UUID) -> HttpResponse:
    """The package, made now; logged and told of."""
    export = _find(request, export_id)
    try:
        data = download_package(export, actor=request.user)
    except (ChangeRefusedError, KeyCustodyError) as error:
        messages.error(request, str(error))
        return redirect("key_export")
    name = f"{request.tenant.slug}-keys-{export.requested_at:%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(data, content_type="application/zip", headers=headers)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def waiting(request: MemberRequest) -> HttpResponse:
    """Decide how long whoever approves has held the role."""
    form = WaitForm(request.POST or None, initial={"hours": exports.wait_of(request.tenant)})
    if request.method == "POST" and form.is_valid():
        try:
            exports.set_wait(request.tenant, form.cleaned_data["hours"], actor=request.user)
        except ChangeRefusedError as error:
            form.add_error("hours", str(error))
        else:
            messages.success(request, _("Your choice has been saved."))
            return redirect("key_export")
    return ask(
        request,
        title=_("Waiting time"),
        warning=_(
            "Whoever approves an export has held the role for this long, so that nobody makes an accomplice and has them approve at once."
        ),
        more=_(
            "A longer time counts at once, a shorter one when the present one has passed. All administrators get a mail."
        ),
        button=_("Save"),
        back="key_export",
        crumb=_("Export of keys"),
        form=form,
    )


def _find(request: MemberRequest, export_id: uuid.UUID) -> KeyExport:
    export = exports.exports_of(request.tenant).filter(id=export_id).first()
    if export is None:
        raise Http404
    return export


# As in docs/administrators.md, where a test runs it.
OPENSSL = """openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -aes256 -out recipient-key.pem
openssl pkey -in recipient-key.pem -pubout -out recipient.pem
"""
