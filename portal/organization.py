"""Settings of the organization: what it is called here, and whether its protection is switched on."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from administration.activation import (
    OrganizationError,
    activate_tenant,
    change_organization,
    deactivate_tenant,
)
from administration.status import status_of
from keys.models import KeyVersion
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.organization import DeactivationForm, SettingsForm
from tenants.languages import language_name
from tenants.membership import ADMINISTER, READ_SETTINGS, may
from tenants.models import Tenant, User, VerifiedDomain
from tracking.models import Document


@require_safe
@member_page(ADMINISTER, READ_SETTINGS)
def settings_page(request: MemberRequest) -> HttpResponse:
    """Facts and state of the organization."""
    tenant = request.tenant
    context = {
        "tenant": tenant,
        "may_change": may(request.user, ADMINISTER),
        "status": status_of(tenant),
        "languages": ", ".join(language_name(tag) for tag in tenant.languages),
        "domains": VerifiedDomain.objects.for_tenant(tenant).order_by("domain"),
        "key": KeyVersion.objects.for_tenant(tenant).filter(state=KeyVersion.State.ACTIVE).first(),
    }
    return render(request, "portal/settings.html", context)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def edit(request: MemberRequest) -> HttpResponse:
    """Name, language and the longest use license."""
    tenant = request.tenant
    present = {name: getattr(tenant, name) for name in SettingsForm.base_fields}
    form = SettingsForm(request.POST or None, initial=present)
    if request.method == "POST" and form.is_valid():
        try:
            change_organization(tenant, actor=request.user, **form.cleaned_data)
        except OrganizationError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("settings")
    return render(
        request, "portal/organization_edit.html", {"form": form}, status=400 if form.errors else 200
    )


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def activate(request: MemberRequest) -> HttpResponse:
    """Say what activation brings, then do it."""
    if request.tenant.is_active:
        return redirect("settings")
    if request.method == "POST":
        activate_tenant(request.tenant, actor=request.user)
        messages.success(request, _("Protection is active. Your people can protect and open documents."))
        return redirect("protect" if request.POST.get("then") == "protect" else "home")
    context = {"tenant": request.tenant, "first": request.tenant.activated_at is None} | _numbers(
        request.tenant
    )
    return render(request, "portal/activate.html", context)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def deactivate(request: MemberRequest) -> HttpResponse:
    """Say in numbers what stops, have the name typed, then do it."""
    if not request.tenant.is_active:
        return redirect("settings")
    form = DeactivationForm(request.POST or None, tenant=request.tenant)
    if request.method == "POST" and form.is_valid():
        deactivate_tenant(request.tenant, actor=request.user)
        messages.success(
            request, _("Protection is switched off. Nothing was deleted; activate it again at any time.")
        )
        return redirect("settings")
    context = {"tenant": request.tenant, "form": form} | _numbers(request.tenant)
    return render(request, "portal/deactivate.html", context, status=400 if form.errors else 200)


def _numbers(tenant: Tenant) -> dict[str, int]:
    return {
        "documents": Document.objects.for_tenant(tenant).count(),
        "people": User.objects.for_tenant(tenant).filter(is_active=True).count(),
    }
