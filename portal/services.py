"""Settings: the programs that act for the organization, their secrets and their end."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from administration.devices import PROTECT_FOR_OTHERS, ServiceError, create_service
from administration.services import delete_service, rotate_secret, services_of
from licensing.authentication import LICENSING
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.powers import ServiceForm
from portal.powers import ask
from tenants.changes import Actor
from tenants.membership import ADMINISTER, READ_SETTINGS, may
from tenants.models import ServicePrincipal


@require_safe
@member_page(READ_SETTINGS)
def service_list(request: MemberRequest) -> HttpResponse:
    """All services, and what each may do."""
    context = {"services": services_of(request.tenant), "may_change": may(request.user, ADMINISTER)}
    return render(request, "portal/services.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def service_new(request: MemberRequest) -> HttpResponse:
    """Make a service and show its secret, this once."""
    form = ServiceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        scopes = {LICENSING} | ({PROTECT_FOR_OTHERS} if form.cleaned_data["protect_for_others"] else set())
        try:
            client_id, secret = create_service(
                request.tenant, name, scopes, actor=request.user.email, actor_id=request.user.id
            )
        except ServiceError:
            form.add_error("name", _("There is a service of this name already. Choose another one."))
        else:
            context = {"name": name, "client_id": client_id, "secret": secret}
            return render(request, "portal/service_secret.html", context)
    return ask(
        request,
        title=_("Add a service"),
        warning=_(
            "A service signs in with its own id and secret, and protects and opens for your organization. Reading "
            "everything is a separate step: appoint it as a super user afterwards."
        ),
        button=_("Add the service"),
        back="services",
        form=form,
    )


@never_cache
@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def service_rotate(request: MemberRequest, service_id: uuid.UUID) -> HttpResponse:
    """Ask once, then show the new secret, this once."""
    found = _service(request, service_id)
    if request.method == "POST":
        secret = rotate_secret(found, actor=Actor.of(request.user))
        context = {"name": found.name, "client_id": found.client_id, "secret": secret}
        return render(request, "portal/service_secret.html", context)
    warning = _(
        "The present secret and everything signed in with it end at once. The service works again when it has the new secret."
    )
    if request.tenant.needs_approval:
        warning += " " + _("If it is a super user, that ends too: it has to be appointed and approved again.")
    return ask(
        request,
        title=_("New secret for %(name)s") % {"name": found.name},
        warning=warning,
        button=_("Make a new secret"),
        back="services",
        danger=True,
    )


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def service_delete(request: MemberRequest, service_id: uuid.UUID) -> HttpResponse:
    """Ask once, then end the service."""
    found = _service(request, service_id)
    if request.method == "POST":
        delete_service(found, actor=Actor.of(request.user))
        messages.success(request, _("%(name)s has been deleted.") % {"name": found.name})
        return redirect("services")
    return ask(
        request,
        title=_("Delete %(name)s") % {"name": found.name},
        warning=_("The service cannot sign in any more, at once. What it protected stays as it is."),
        button=_("Delete the service"),
        back="services",
        danger=True,
    )


def _service(request: MemberRequest, service_id: uuid.UUID) -> ServicePrincipal:
    found = services_of(request.tenant).filter(id=service_id).first()
    if found is None:
        raise Http404
    return found
