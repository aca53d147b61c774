"""Inviting people, and accepting an invitation."""

import uuid

from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal import sign_on
from portal.access import MemberRequest, member_page
from portal.forms.people_changes import AcceptForm, InvitationForm
from portal.paging import page_of
from tenants import invitations
from tenants.changes import Actor, ChangeRefusedError
from tenants.membership import ADMINISTER
from tenants.models import Invitation, User
from tenants.sso import enforced_for

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def invite(request: MemberRequest) -> HttpResponse:
    """Ask people to join by mail."""
    form = InvitationForm(request.POST or None, tenant=request.tenant)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        sent, refused = 0, []
        for address in given["addresses"]:
            try:
                invitations.invite(
                    request.tenant,
                    address,
                    actor=Actor.of(request.user),
                    name=given["name"] if len(given["addresses"]) == 1 else "",
                    language=given["language"],
                    groups=given.get("groups", ()),
                )
                sent += 1
            except ChangeRefusedError as error:
                refused.append(f"{address[:100]}: {error}")
        if sent:
            messages.success(request, ngettext("%d invitation sent.", "%d invitations sent.", sent) % sent)
        if not refused:
            return redirect("invitations")
        for sentence in refused:
            form.add_error("addresses", sentence)
    return render(request, "portal/people_invite.html", {"form": form}, status=400 if form.errors else 200)


@require_safe
@member_page(ADMINISTER)
def invitation_list(request: MemberRequest) -> HttpResponse:
    """Who was invited and has not joined yet."""
    waiting = Invitation.objects.for_tenant(request.tenant).filter(accepted_at=None)
    context = {"page": page_of(waiting, request.GET, "email"), "now": timezone.now()}
    return render(request, "portal/invitations.html", context)


@require_POST
@member_page(ADMINISTER)
def change(request: MemberRequest, invitation_id: uuid.UUID) -> HttpResponse:
    """Send an invitation again, or withdraw it."""
    waiting = Invitation.objects.for_tenant(request.tenant).select_related("tenant")
    found = waiting.filter(id=invitation_id, accepted_at=None).first()
    if found is None:
        raise Http404
    if request.POST.get("do") == "withdraw":
        invitations.withdraw(found, actor=Actor.of(request.user))
        messages.success(request, _("The invitation has been withdrawn."))
        return redirect("invitations")
    try:
        invitations.resend(found, actor=Actor.of(request.user))
    except ChangeRefusedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The invitation has been sent again; the older link no longer works."))
    return redirect("invitations")


@never_cache
@require_http_methods(["GET", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """What an invited person sees: who asks, and what it takes to join."""
    found = invitations.find_invitation(token)
    if found is None:
        return render(request, "portal/invitation.html", {"ended": True}, status=404)
    holder = invitations.holder_of(found)
    person = request.user if isinstance(request.user, User) else None
    form = None if person or holder else AcceptForm(request.POST or None, initial={"name": found.name})
    refusal = ""
    if request.method == "POST" and (person or (form and form.is_valid())):
        try:
            if person:
                invitations.accept_as(token, person)
            elif form:
                made = invitations.accept_as_new(token, **form.cleaned_data)
                provider = enforced_for(made)
                if provider is not None:
                    return sign_on.ask(request, provider, address=made.email)
                login(request, made, backend=_BACKEND)
        except ChangeRefusedError as error:
            refusal = str(error)
        else:
            messages.success(request, _("Welcome to %(organization)s.") % {"organization": found.tenant.name})
            return redirect("home")
    context = {
        "invitation": found,
        "form": form,
        "refusal": refusal,
        "holder": holder is not None,
        "person": person,
    }
    wrong = bool(refusal or (form is not None and form.errors))
    return render(request, "portal/invitation.html", context, status=400 if wrong else 200)
