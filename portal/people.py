"""The people of an organization, with their addresses, roles and groups."""

import uuid

from django.db.models import Prefetch, Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.access import MemberRequest, member_page
from portal.paging import page_of
from tenants.identity import Caller, standing_of
from tenants.membership import READ_PEOPLE
from tenants.models import Group, GroupMember, RoleAssignment, User


@require_safe
@member_page(READ_PEOPLE)
def people_list(request: MemberRequest) -> HttpResponse:
    """Everybody in the organization, by address."""
    text = request.GET.get("q", "").strip()[:200]
    people = User.objects.for_tenant(request.tenant).prefetch_related(
        "emailaddress_set",
        Prefetch("roles", RoleAssignment.objects.for_tenant(request.tenant)),
        Prefetch(
            "memberships", GroupMember.objects.filter(group__tenant=request.tenant).select_related("group")
        ),
    )
    if text:
        found = Q(name__icontains=text) | Q(email__icontains=text) | Q(emailaddress__email__icontains=text)
        people = people.filter(found).distinct()
    context = {"text": text, "page": page_of(people, request.GET, "email")}
    partial = request.headers.get("HX-Target") == "people"
    return render(request, "portal/people_rows.html" if partial else "portal/people.html", context)


@require_safe
@member_page(READ_PEOPLE)
def person(request: MemberRequest, person_id: uuid.UUID) -> HttpResponse:
    """One person: addresses and whether they count, roles, groups."""
    found = User.objects.for_tenant(request.tenant).filter(id=person_id).first()
    if found is None:
        raise Http404
    standing = standing_of(Caller.of(found), request.tenant.id)
    addresses = [
        {
            "email": address.email,
            "counts": address.email.lower() in standing.addresses,
            "primary": address.primary,
        }
        for address in found.emailaddress_set.order_by("-primary", "email")
    ]
    context = {
        "found": found,
        "addresses": addresses,
        "roles": RoleAssignment.objects.for_tenant(request.tenant).filter(user=found).order_by("since"),
        "groups": Group.objects.for_tenant(request.tenant).filter(id__in=standing.groups).order_by("name"),
    }
    return render(request, "portal/person.html", context)
