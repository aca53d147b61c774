"""Mail domains of the organization: list, record to publish, check now, give up."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.access import MemberRequest, member_page
from portal.forms.organization import DomainForm
from tenants import domains
from tenants.domain_list import WAITING, ListedDomain, check_now, domains_of, find_domain, remove
from tenants.membership import ADMINISTER

TTL_SECONDS = 3600


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def domain_list(request: MemberRequest) -> HttpResponse:
    """All domains with their states; adds one."""
    form = DomainForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            added = domains.claim(request.tenant, form.cleaned_data["domain"], actor=request.user)
        except domains.DomainError as error:
            form.add_error("domain", _(str(error)))
        else:
            return redirect("domain", added.id)
    context = {"domains": domains_of(request.tenant), "form": form}
    return render(request, "portal/domains.html", context, status=400 if form.errors else 200)


@require_safe
@member_page(ADMINISTER)
def domain(request: MemberRequest, domain_id: uuid.UUID) -> HttpResponse:
    """One domain: its state, and the record that proves it."""
    entry = _found(request, domain_id)
    return render(request, "portal/domain.html", record_context(entry, entry.result))


@require_POST
@member_page(ADMINISTER)
def domain_check(request: MemberRequest, domain_id: uuid.UUID) -> HttpResponse:
    """Ask the DNS now and say what was found."""
    result = check_now(_found(request, domain_id), actor=request.user)
    entry = _found(request, domain_id)
    if request.headers.get("HX-Target") == "domain-record":
        return render(request, "portal/domain_record.html", record_context(entry, result))
    # What a look at a waiting domain found is kept with it and stands on the page; the rest is said here.
    if result == domains.PROVEN:
        messages.success(request, _(domains.SENTENCES[result]))
    elif entry.state != WAITING:
        messages.warning(request, _(domains.SENTENCES[result]))
    return redirect(
        "organization_setup" if request.POST.get("then") == "setup" else "domain", *_target(request, entry)
    )


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def domain_remove(request: MemberRequest, domain_id: uuid.UUID) -> HttpResponse:
    """Say in numbers what giving the domain up means, then do it."""
    entry = _found(request, domain_id)
    if request.method == "POST":
        remove(entry, actor=request.user)
        messages.success(request, _("%(domain)s has been removed.") % {"domain": entry.domain})
        return redirect("domains")
    people = 0 if entry.state == WAITING else domains.addresses_in(request.tenant, entry.domain)
    return render(request, "portal/domain_remove.html", {"entry": entry, "people": people})


def record_context(entry: ListedDomain, result: str) -> dict[str, object]:
    """What the card with the record shows: `result` is the code of the last look, empty when there was none."""
    return {
        "entry": entry,
        "result": result,
        "sentence": _(domains.SENTENCES[result]) if result else "",
        "ttl": TTL_SECONDS,
    }


def _target(request: MemberRequest, entry: ListedDomain) -> tuple[uuid.UUID, ...]:
    return () if request.POST.get("then") == "setup" else (entry.id,)


def _found(request: MemberRequest, domain_id: uuid.UUID) -> ListedDomain:
    entry = find_domain(request.tenant, domain_id)
    if entry is None:
        raise Http404
    return entry
