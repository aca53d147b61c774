"""The groups of an organization, and who is in them."""

import uuid

from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.access import MemberRequest, member_page
from portal.paging import page_of
from tenants.groups import find_group, groups_inside, may_change_by_hand, powers_of
from tenants.membership import ADMINISTER, READ_PEOPLE, may
from tenants.models import Group, GroupMember, User

# Beyond this the number of people a group reaches is said to be "more than".
REACH_CAP = 10_000


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
    context = {"text": text, "page": page, "rows": rows, "may_change": may(request.user, ADMINISTER)}
    return render(request, "portal/groups.html", context)


@require_safe
@member_page(READ_PEOPLE)
def group(request: MemberRequest, group_id: uuid.UUID) -> HttpResponse:
    """One group: the people directly in it, the groups inside it, whom it reaches in all, what it brings."""
    found = find_group(request.tenant, group_id)
    if found is None:
        raise Http404
    people = User.objects.for_tenant(request.tenant).filter(memberships__group=found)
    within = GroupMember.objects.filter(group__tenant=request.tenant, group_id__in=groups_inside(found.id))
    reach = len(within.order_by().values_list("user_id", flat=True).distinct()[: REACH_CAP + 1])
    administers = may(request.user, ADMINISTER)
    context = {
        "group": found,
        "page": page_of(people, request.GET, "email"),
        "nested": Group.objects.for_tenant(request.tenant).filter(nested_in__parent=found).order_by("name"),
        "outer": Group.objects.for_tenant(request.tenant).filter(nested__child=found).order_by("name"),
        "reach": min(reach, REACH_CAP),
        "reach_capped": reach > REACH_CAP,
        "powers": sorted(powers_of(found)),
        "administers": administers,
        "may_change": administers and may_change_by_hand(found),
    }
    return render(request, "portal/group.html", context)
