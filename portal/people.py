"""The people of an organization: the list, changes of many at once, the list as a file."""

import csv
import uuid
from collections.abc import Iterator
from typing import Any, Final

from django.contrib import messages
from django.db.models import Prefetch
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from portal.access import MemberRequest, member_page
from portal.forms.people_changes import FilterForm
from portal.paging import page_of
from tenants import groups
from tenants.changes import Actor, ChangeRefusedError
from tenants.membership import ADMINISTER, READ_PEOPLE, may
from tenants.models import Group, GroupMember, Invitation, RoleAssignment, Tenant, User
from tenants.people import for_each
from tenants.people_search import ORDERS, people_matching

BULK: Final = ("suspend", "resume", "license", "unlicense", "group")
_MAX_BULK = 100
_COUNT_CAP = 1000
_EXPORT_PAGE = 500
# What a spreadsheet would take for a formula.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """A file for the csv writer that hands back what it is given."""

    def write(self, text: str) -> str:
        return text


@require_safe
@member_page(READ_PEOPLE)
def people_list(request: MemberRequest) -> HttpResponse:
    """Everybody in the organization, as filtered and sorted."""
    wanted = FilterForm(request.GET).wanted()
    sort = request.GET.get("sort", "")
    order = ORDERS.get(sort, ORDERS["address"])
    matching = people_matching(request.tenant, wanted)
    page = page_of(_with_details(matching, request.tenant), request.GET, *order)
    context = {
        "text": wanted.text,
        "wanted": wanted,
        "narrowed": wanted.narrows,
        "sort": sort if sort in ORDERS else "address",
        "roles": RoleAssignment.Role.choices,
        "group": groups.find_group(request.tenant, wanted.group_id) if wanted.group_id else None,
        "page": page,
        "administers": may(request.user, ADMINISTER),
        "invited": Invitation.objects.for_tenant(request.tenant)
        .filter(accepted_at=None, expires_at__gt=timezone.now())
        .count(),
    } | _count(matching)
    partial = request.headers.get("HX-Target") == "people"
    return render(request, "portal/people_rows.html" if partial else "portal/people.html", context)


def _with_details(people: Any, tenant: Tenant) -> Any:
    return people.prefetch_related(
        "emailaddress_set",
        "stated_addresses",
        Prefetch("roles", RoleAssignment.objects.for_tenant(tenant)),
        Prefetch("memberships", GroupMember.objects.filter(group__tenant=tenant).select_related("group")),
    )


def _count(people: Any) -> dict[str, Any]:
    """How many match, counted no further than is cheap."""
    found = len(people.order_by().values_list("id", flat=True)[: _COUNT_CAP + 1])
    return {"count": min(found, _COUNT_CAP), "more": found > _COUNT_CAP}


@require_POST
@member_page(ADMINISTER)
def bulk(request: MemberRequest) -> HttpResponse:
    """Change everybody who was ticked: first say whom, then do it."""
    action = request.POST.get("action", "")
    if action not in BULK:
        raise Http404
    ids = [found for text in request.POST.getlist("person")[:_MAX_BULK] if (found := _uuid(text))]
    people = list(User.objects.for_tenant(request.tenant).filter(id__in=ids).order_by("email"))
    if not people:
        messages.error(request, _("Tick the people first."))
        return redirect("people")
    if request.POST.get("confirmed"):
        return _apply(request, action, people)
    offered = Group.objects.for_tenant(request.tenant).filter(from_directory=False).order_by("name")[:200]
    context = {"action": action, "people": people, "offered": offered if action == "group" else []}
    return render(request, "portal/people_bulk.html", context)


def _apply(request: MemberRequest, action: str, people: list[User]) -> HttpResponse:
    actor = Actor.of(request.user)
    if action == "group":
        chosen = _uuid(request.POST.get("group", ""))
        group = groups.find_group(request.tenant, chosen) if chosen else None
        if group is None:
            raise Http404
        try:
            changed, refused = groups.add_people(group, people, actor=actor), []
        except ChangeRefusedError as error:
            changed, refused = 0, [str(error)]
    else:
        changed, refused = for_each(people, action, actor=actor)
    for sentence in refused:
        messages.error(request, sentence)
    messages.success(request, ngettext("%d person changed.", "%d people changed.", changed) % changed)
    return redirect("people")


@require_safe
@member_page(READ_PEOPLE)
def export(request: MemberRequest) -> HttpResponse:
    """The people as filtered, as a CSV file; read page by page, however many there are."""
    people = people_matching(request.tenant, FilterForm(request.GET).wanted())
    response = StreamingHttpResponse(_lines(people, request.tenant), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="people.csv"'
    return response  # type: ignore[return-value]  # a response in all but its type


def _lines(people: Any, tenant: Tenant) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow(
        ["address", "name", "groups", "licensed", "language", "aliases", "active"]
    )
    after = ""
    while True:
        rows = list(_with_details(people.filter(email__gt=after), tenant).order_by("email")[:_EXPORT_PAGE])
        for person in rows:
            yield writer.writerow([_plain(cell) for cell in _cells(person)])
        if len(rows) < _EXPORT_PAGE:
            return
        after = rows[-1].email


def _cells(person: User) -> list[str]:
    return [
        person.email,
        person.name,
        ";".join(sorted(one.group.name for one in person.memberships.all())),
        "yes" if person.licensed else "no",
        person.language,
        ";".join(sorted(_aliases(person))),
        "yes" if person.is_active else "no",
    ]


def _aliases(person: User) -> set[str]:
    stated = {one.address for one in person.stated_addresses.all()}
    return {one.email for one in person.emailaddress_set.all() if one.email != person.email} | stated


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
