"""Devices and apps: which can act for a person, from where they last did, and their end."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from administration.programs import end_program, latest_uses, programs_of
from portal.access import MemberRequest, PersonRequest, member_page, person_page
from portal.wording import program_in_words
from tenants.changes import Actor
from tenants.membership import RESET_FACTORS, may_reset
from tenants.models import User


@require_safe
@person_page
def own_devices(request: PersonRequest) -> HttpResponse:
    """What can act for the person signed in."""
    return _page(request, request.user, own=True)


@require_POST
@person_page
def own_device_end(request: PersonRequest) -> HttpResponse:
    """End one program of one's own."""
    _end(request, request.user)
    return redirect("own_devices")


@require_safe
@member_page(RESET_FACTORS)
def person_devices(request: MemberRequest, person_id: uuid.UUID) -> HttpResponse:
    """What can act for another person, for those who help with sign-in."""
    return _page(request, _person(request, person_id), own=False)


@require_POST
@member_page(RESET_FACTORS)
def person_device_end(request: MemberRequest, person_id: uuid.UUID) -> HttpResponse:
    """End one program of another person."""
    _end(request, _person(request, person_id))
    return redirect("person_devices", person_id)


def _page(request: PersonRequest, person: User, *, own: bool) -> HttpResponse:
    uses = [{"use": use, "program": program_in_words(use.program)} for use in latest_uses(person)]
    context = {"found": person, "own": own, "programs": programs_of(person), "uses": uses}
    return render(request, "portal/devices.html", context)


def _end(request: PersonRequest, person: User) -> None:
    program = request.POST.get("program", "")
    if end_program(person, program, actor=Actor.of(request.user)):
        messages.success(request, _("Signed out. The program has to sign in again."))
    else:
        messages.error(request, _("This program was not signed in any more."))


def _person(request: MemberRequest, person_id: uuid.UUID) -> User:
    found = User.objects.for_tenant(request.tenant).select_related("tenant").filter(id=person_id).first()
    if found is None or not (found == request.user or may_reset(request.user, found)):
        raise Http404
    return found
