"""Deletion of the organization: what goes, the export first, the request, taking it back."""

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from administration.export import export_of, has_failed, open_export, request_export
from administration.removal import RemovalError, cancel_removal, pending_of, request_removal
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.organization import RemovalForm
from tenants.membership import ADMINISTER
from tenants.models import Group, User
from tracking.models import Document


@require_safe
@member_page(ADMINISTER)
def removal_page(request: MemberRequest) -> HttpResponse:
    """Where the organization stands between staying and going."""
    export = export_of(request.tenant)
    context = {
        "tenant": request.tenant,
        "pending": pending_of(request.tenant),
        "export": export,
        "failed": export is not None and has_failed(export),
        "grace": settings.REMOVAL_GRACE_DAYS,
    }
    partial = request.headers.get("HX-Target") == "export"
    return render(request, "portal/removal_export.html" if partial else "portal/removal.html", context)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def removal_request(request: MemberRequest) -> HttpResponse:
    """Say in numbers what is going to be gone, have the name typed, then ask for it."""
    if pending_of(request.tenant) is not None:
        return redirect("removal")
    form = RemovalForm(request.POST or None, tenant=request.tenant)
    if request.method == "POST" and form.is_valid():
        try:
            request_removal(request.tenant, reason=form.cleaned_data["reason"], actor=request.user)
        except RemovalError:
            messages.info(request, _("Somebody else asked for it already."))
        else:
            messages.success(request, _("The deletion has been asked for. All administrators get a mail."))
        return redirect("removal")
    tenant = request.tenant
    context = {
        "tenant": tenant,
        "form": form,
        "grace": settings.REMOVAL_GRACE_DAYS,
        "documents": Document.objects.for_tenant(tenant).count(),
        "people": User.objects.for_tenant(tenant).count(),
        "groups": Group.objects.for_tenant(tenant).count(),
    }
    return render(request, "portal/removal_request.html", context, status=400 if form.errors else 200)


@require_POST
@member_page(ADMINISTER)
def removal_cancel(request: MemberRequest) -> HttpResponse:
    """Take it back."""
    try:
        cancel_removal(request.tenant, actor=request.user)
    except RemovalError:
        messages.error(request, _("There is no deletion to take back, or it has begun."))
    else:
        messages.success(request, _("The organization is not going to be deleted."))
    return redirect("removal")


@require_POST
@member_page(ADMINISTER)
@fresh_sign_in
def export_request(request: MemberRequest) -> HttpResponse:
    """Have an export made."""
    request_export(request.tenant, actor=request.user)
    return redirect("removal")


@require_safe
@member_page(ADMINISTER)
@fresh_sign_in
def export_download(request: MemberRequest) -> HttpResponse:
    """The finished archive."""
    export = export_of(request.tenant)
    if export is None or export.finished_at is None:
        raise Http404
    name = f"{request.tenant.slug}-{export.finished_at:%Y-%m-%d}.zip"
    file = open_export(export, actor=request.user)
    return FileResponse(file, as_attachment=True, filename=name)  # type: ignore[return-value]  # one too, for Django
