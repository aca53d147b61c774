"""The groups of an organization, and who is in them."""

import uuid

from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.access import MemberRequest, member_page
from portal.paging import page_of
from tenants.groups import find_group, may_change_by_hand, powers_of, reach_of
from tenants.membership import ADMINISTER, READ_PEOPLE, may
from tenants.models import Group, GroupMember, GroupNesting, User

# So many memberships are looked at to say how many people a group reaches; with more, it is "more than".
REACH_ROWS = 5_000


@require_safe
@member_page(READ_PEOPLE)
def group_list(request: MemberRequest) -> HttpResponse:
    """All groups by name."""
    text = request.GET.get("q", "").strip()[:200]
    groups = Group.objects.for_tenant(request.tenant)
    if text:
        groups = groups.filter(name__icontains=text)
    page = page_of(groups, request.GET, "name")
    shown = [group.id for group in page.rows]
    members = GroupMember.objects.filter(group_id__in=shown).values_list("group_id")
    within = GroupNesting.objects.filter(parent_id__in=shown).values_list("parent_id")
    sizes, inner = dict(members.annotate(Count("id"))), dict(within.annotate(Count("id")))
    rows = [
        {"group": group, "people": sizes.get(group.id, 0), "groups": inner.get(group.id, 0)}
        for group in page.rows
    ]
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
    reach, complete = reach_of(found, rows=REACH_ROWS)
    administers = may(request.user, ADMINISTER)
    context = {
        "group": found,
        "page": page_of(people, request.GET, "email"),
        "nested": Group.objects.for_tenant(request.tenant).filter(nested_in__parent=found).order_by("name"),
        "outer": Group.objects.for_tenant(request.tenant).filter(nested__child=found).order_by("name"),
        "reach": reach,
        "reach_capped": not complete,
        "powers": sorted(powers_of(found)),
        "administers": administers,
        "may_change": administers and may_change_by_hand(found),
    }
    return render(request, "portal/group.html", context)
