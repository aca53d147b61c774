"""The groups of an organization, and who is in them."""

import uuid

from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.access import MemberRequest, member_page
from portal.paging import page_of
from tenants.membership import READ_PEOPLE
from tenants.models import Group, User


@require_safe
@member_page(READ_PEOPLE)
def group_list(request: MemberRequest) -> HttpResponse:
    """All groups by name."""
    text = request.GET.get("q", "").strip()[:200]
    groups = Group.objects.for_tenant(request.tenant)
    if text:
        groups = groups.filter(name__icontains=text)
    page = page_of(groups, request.GET, "name")
    counted = groups.filter(id__in=[group.id for group in page.rows])
    sizes = dict(counted.values_list("id").annotate(Count("members")))
    within = dict(counted.values_list("id").annotate(Count("nested")))
    rows = [{"group": group, "people": sizes[group.id], "groups": within[group.id]} for group in page.rows]
    return render(request, "portal/groups.html", {"text": text, "page": page, "rows": rows})


@require_safe
@member_page(READ_PEOPLE)
def group(request: MemberRequest, group_id: uuid.UUID) -> HttpResponse:
    """One group: the people directly in it and the groups inside it."""
    found = Group.objects.for_tenant(request.tenant).filter(id=group_id).first()
    if found is None:
        raise Http404
    people = User.objects.for_tenant(request.tenant).filter(memberships__group=found)
    context = {
        "group": found,
        "page": page_of(people, request.GET, "email"),
        "nested": Group.objects.for_tenant(request.tenant).filter(nested_in__parent=found).order_by("name"),
    }
    return render(request, "portal/group.html", context)
