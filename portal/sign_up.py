"""From an account to a running organization, step by step. Where somebody stands is read from the database, so the way
can be left and taken up again on another day, in another browser, by another administrator."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from administration.activation import OrganizationError, SignUpRefusedError, create_organization
from administration.sign_up import invitation_of, refusal
from portal.access import MemberRequest, PersonRequest, member_page, person_page
from portal.domains import record_context
from portal.forms.organization import DomainForm, OrganizationForm
from tenants import domains
from tenants.domain_list import WAITING, ListedDomain, domains_of
from tenants.domain_names import is_free_mail
from tenants.identity import domain_of
from tenants.membership import ADMINISTER
from tenants.models import Tenant
from tracking.models import Document

NAME, DOMAIN, ACTIVATE, PROTECT = "name", "domain", "activate", "protect"
STEPS = (NAME, DOMAIN, ACTIVATE, PROTECT)


@dataclass(frozen=True, slots=True)
class Setup:
    """The steps behind an organization and the one before it. The domain can wait: later steps pass it by."""

    step: str
    proven: tuple[ListedDomain, ...] = ()
    waiting: tuple[ListedDomain, ...] = ()

    def state(self, step: str) -> str:
        if step == self.step:
            return "current"
        if step == DOMAIN and not self.proven:
            return "todo"
        return "done" if STEPS.index(step) < STEPS.index(self.step) else "todo"

    @property
    def states(self) -> dict[str, str]:
        return {step: self.state(step) for step in STEPS}


def setup_of(tenant: Tenant, *, later: bool = False) -> Setup:
    """How far the organization is; `later`: the domain is put off for this visit."""
    listed = domains_of(tenant)
    waiting = tuple(entry for entry in listed if entry.state == WAITING)
    proven = tuple(entry for entry in listed if entry.state != WAITING)
    before = ACTIVATE if proven or later or tenant.activated_at else DOMAIN
    return Setup(PROTECT if tenant.is_active else before, proven, waiting)


@require_http_methods(["GET", "POST"])
@person_page
def new_organization(request: PersonRequest) -> HttpResponse:
    """The name of an organization of one's own; refused where the installation does not let people start any."""
    if request.user.tenant is not None:
        return redirect("home")
    if refused := refusal(request.user):
        return render(request, "portal/organization_refused.html", {"refused": refused}, status=403)
    form = OrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            create_organization(form.cleaned_data["name"], founder=request.user)
        except SignUpRefusedError:
            return redirect("organization_new")
        except OrganizationError as error:
            form.add_error("name", str(error))
        else:
            return redirect("organization_setup")
    context = {"form": form, "setup": Setup(NAME)}
    return render(request, "portal/organization_new.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def setup(request: MemberRequest) -> HttpResponse:
    """The next step of the organization: prove the domain, activate, protect a first document."""
    progress = setup_of(request.tenant, later="later" in request.GET)
    if progress.step == PROTECT and Document.objects.for_tenant(request.tenant).exists():
        return redirect("home")
    own = domain_of(request.user.email)
    form = DomainForm(request.POST or None, initial={"domain": "" if is_free_mail(own) else own})
    if request.method == "POST" and form.is_valid():
        try:
            domains.claim(request.tenant, form.cleaned_data["domain"], actor=request.user)
        except domains.DomainError as error:
            form.add_error("domain", _(str(error)))
        else:
            return redirect("organization_setup")
    context = {
        "setup": progress,
        "tenant": request.tenant,
        "form": form,
        "free_mail": own if is_free_mail(own) else "",
    }
    if progress.waiting:
        entry = progress.waiting[0]
        context |= record_context(entry, entry.result) | {"then": "setup"}
    return render(request, "portal/organization_setup.html", context, status=400 if form.errors else 200)


@require_safe
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """The link in an operator's invitation: leads to sign-up with the invited address, or on to the first step."""
    found = invitation_of(token)
    if found is None:
        return render(request, "portal/organization_invitation.html", {"invitation": None}, status=410)
    if request.user.is_authenticated and not refusal(request.user):
        return redirect("organization_new")
    if request.user.is_authenticated:
        messages.info(request, _("You are signed in with another address than the one that was invited."))
    return render(request, "portal/organization_invitation.html", {"invitation": found})
