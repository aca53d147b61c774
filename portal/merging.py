"""Merging another account of the same person into this one: choose it, see what follows, say so, done."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from administration.merging import merge_people, preview
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.groups import TypedNameForm
from tenants.changes import Actor, ChangeRefusedError
from tenants.membership import ADMINISTER
from tenants.models import RoleAssignment, User
from tenants.people import find_person
from tenants.people_search import PeopleFilter, people_matching

_CANDIDATES = 20


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def merge(request: MemberRequest, person_id: uuid.UUID) -> HttpResponse:
    """`person_id` stays. Without a choice, the page to choose on; with one, its consequences; posted, it happens."""
    keep, actor = _find(request, str(person_id)), Actor.of(request.user)
    chosen = request.POST.get("other", "") or request.GET.get("other", "")
    if not chosen:
        return _choose(request, keep)
    gone = _find(request, chosen)
    found = preview(keep, gone, actor=actor)
    form = TypedNameForm(request.POST or None, expected=gone.email)
    form.fields["name"].label = _("Type the address of the account that is closed")
    if request.method == "POST" and found.refusal is None and form.is_valid():
        address = gone.email
        try:
            merge_people(keep, gone, actor=actor)
        except ChangeRefusedError as error:
            form.add_error(None, str(error))
        else:
            said = _("%(gone)s has been merged into %(keep)s.") % {"gone": address, "keep": keep.email}
            messages.success(request, said)
            return redirect("person", keep.id)
    roles = (
        [RoleAssignment.Role(role).label for role in found.consequences.roles] if found.consequences else []
    )
    context = {"found": keep, "gone": gone, "form": form, "preview": found, "roles": roles}
    return render(request, "portal/person_merge.html", context, status=400 if form.errors else 200)


def _choose(request: MemberRequest, keep: User) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:200]
    candidates = []
    if text:
        others = people_matching(request.tenant, PeopleFilter(text=text)).exclude(id=keep.id)
        candidates = list(others.order_by("email")[:_CANDIDATES])
    context = {"found": keep, "text": text, "candidates": candidates}
    return render(request, "portal/person_merge_choose.html", context)


def _find(request: MemberRequest, person_id: str) -> User:
    try:
        found = find_person(request.tenant, uuid.UUID(person_id))
    except ValueError:
        found = None
    if found is None:
        raise Http404
    return found
