"""One person: what is known, what counts, what happened, and the changes an admin may make."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.models import AdminEvent
from portal.access import MemberRequest, member_page
from portal.forms.groups import TypedNameForm
from portal.forms.people_changes import PersonForm
from tenants import people
from tenants.changes import Actor, ChangeRefusedError
from tenants.domain_names import canonical_address
from tenants.identity import Caller, standing_of
from tenants.membership import ADMINISTER, READ_LOGS, READ_PEOPLE, may, may_reset
from tenants.models import DirectoryEntry, Group, GroupMember, GroupNesting, RoleAssignment, User
from tracking.models import Document

_HISTORY = 20


@require_safe
@member_page(READ_PEOPLE)
def person(request: MemberRequest, person_id: uuid.UUID) -> HttpResponse:
    """One person: addresses and whether they count, roles, groups and by which way, what was changed."""
    found = _find(request, person_id)
    standing = standing_of(Caller.of(found), request.tenant.id)
    addresses = [
        {
            "email": address.email,
            "counts": canonical_address(address.email) in standing.addresses,
            "primary": address.email == found.email,
        }
        for address in found.emailaddress_set.order_by("-primary", "email")
    ]
    addresses += [
        {"email": stated.address, "counts": False, "primary": False}
        for stated in found.stated_addresses.order_by("address")
    ]
    within = list(Group.objects.for_tenant(request.tenant).filter(id__in=standing.groups).order_by("name"))
    context = {
        "found": found,
        "addresses": addresses,
        "roles": RoleAssignment.objects.for_tenant(request.tenant).filter(user=found).order_by("since"),
        "groups": within,
        "ways": _ways(found, within),
        "entry": DirectoryEntry.objects.for_tenant(request.tenant).filter(user=found).first(),
        "history": _history(request, found),
        "administers": may(request.user, ADMINISTER),
        "may_reset": may_reset(request.user, found),
    }
    return render(request, "portal/person.html", context)


def _ways(found: User, within: list[Group]) -> list[dict[str, object]]:
    """Each group with the groups by which the person is in it; none for those they are directly in."""
    direct = set(GroupMember.objects.filter(user=found, group__in=within).values_list("group_id", flat=True))
    inner: dict[uuid.UUID, list[str]] = {}
    for link in GroupNesting.objects.filter(parent__in=within, child__in=within).select_related("child"):
        inner.setdefault(link.parent_id, []).append(link.child.name)
    return [
        {"group": group, "by": [] if group.id in direct else sorted(inner.get(group.id, []))}
        for group in within
    ]


def _history(request: MemberRequest, found: User) -> list[AdminEvent]:
    if not may(request.user, READ_LOGS):
        return []
    events = AdminEvent.objects.for_tenant(request.tenant.id).filter(target_id=str(found.id))
    return list(events.order_by("-id")[:_HISTORY])


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def edit(request: MemberRequest, person_id: uuid.UUID) -> HttpResponse:
    """Name, language, licensed."""
    found = _find(request, person_id)
    initial = {"name": found.name, "language": found.language, "licensed": found.licensed}
    form = PersonForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            people.change_person(found, actor=Actor.of(request.user), **given)
        except ChangeRefusedError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The changes have been saved."))
            return redirect("person", found.id)
    context = {"form": form, "found": found}
    return render(request, "portal/person_edit.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def suspend(request: MemberRequest, person_id: uuid.UUID) -> HttpResponse:
    """Say what stops, then suspend."""
    found = _find(request, person_id)
    if request.method == "POST":
        try:
            people.suspend(found, actor=Actor.of(request.user))
        except ChangeRefusedError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("%(person)s is suspended.") % {"person": found.get_full_name()})
        return redirect("person", found.id)
    return render(request, "portal/person_suspend.html", {"found": found, "documents": _documents(found)})


@require_POST
@member_page(ADMINISTER)
def resume(request: MemberRequest, person_id: uuid.UUID) -> HttpResponse:
    """Give access back."""
    found = _find(request, person_id)
    people.resume(found, actor=Actor.of(request.user))
    messages.success(request, _("%(person)s has access again.") % {"person": found.get_full_name()})
    return redirect("person", found.id)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def remove(request: MemberRequest, person_id: uuid.UUID) -> HttpResponse:
    """Have a person leave: what it means, the address typed, then it happens."""
    found = _find(request, person_id)
    form = TypedNameForm(request.POST or None, expected=found.email)
    if request.method == "POST" and form.is_valid():
        address = found.email
        try:
            people.remove_person(found, actor=Actor.of(request.user))
        except ChangeRefusedError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("%(address)s has left the organization.") % {"address": address})
            return redirect("people")
    context = {"found": found, "form": form, "documents": _documents(found)}
    return render(request, "portal/person_remove.html", context, status=400 if form.errors else 200)


_ADDRESS_CHANGES = {"add": people.add_address, "remove": people.remove_address, "main": people.make_main}


@require_POST
@member_page(ADMINISTER)
def addresses(request: MemberRequest, person_id: uuid.UUID) -> HttpResponse:
    """Add or remove an address, or make it the main one."""
    found = _find(request, person_id)
    change = _ADDRESS_CHANGES.get(request.POST.get("do", ""))
    if change is None:
        raise Http404
    try:
        change(found, request.POST.get("address", ""), actor=Actor.of(request.user))
    except ChangeRefusedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The changes have been saved."))
    return redirect("person", found.id)


def _documents(found: User) -> int:
    assert found.tenant is not None  # found by its organization
    return Document.objects.for_tenant(found.tenant).filter(issuer=found).count()


def _find(request: MemberRequest, person_id: uuid.UUID) -> User:
    found = people.find_person(request.tenant, person_id)
    if found is None:
        raise Http404
    return found
