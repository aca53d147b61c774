"""Pages that change groups: make, rename, fill, empty, delete."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.access import MemberRequest, member_page
from portal.forms.groups import GroupForm, TypedNameForm
from tenants import groups
from tenants.changes import Actor, ChangeRefusedError
from tenants.membership import ADMINISTER
from tenants.models import Group
from tenants.people import find_person
from tenants.people_search import PeopleFilter, people_matching

_CANDIDATES = 20


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def new(request: MemberRequest) -> HttpResponse:
    """Make a group."""
    form = GroupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = groups.create_group(request.tenant, actor=Actor.of(request.user), **form.cleaned_data)
        except ChangeRefusedError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The group %(name)s has been made.") % {"name": made.name})
            return redirect("group_add", made.id)
    return render(request, "portal/group_edit.html", {"form": form}, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def edit(request: MemberRequest, group_id: uuid.UUID) -> HttpResponse:
    """Rename a group or give it another address."""
    group = _find(request, group_id)
    form = GroupForm(request.POST or None, initial={"name": group.name, "mail": group.mail})
    if request.method == "POST" and form.is_valid():
        try:
            groups.change_group(group, actor=Actor.of(request.user), **form.cleaned_data)
        except ChangeRefusedError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The group has been saved."))
            return redirect("group", group.id)
    context = {"form": form, "group": group}
    return render(request, "portal/group_edit.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
def delete(request: MemberRequest, group_id: uuid.UUID) -> HttpResponse:
    """Say in numbers what ends, have the name typed, then delete."""
    group = _find(request, group_id)
    form = TypedNameForm(request.POST or None, expected=group.name)
    if request.method == "POST" and form.is_valid():
        try:
            groups.delete_group(group, actor=Actor.of(request.user))
        except ChangeRefusedError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The group %(name)s has been deleted.") % {"name": group.name})
            return redirect("groups")
    context = {"form": form, "group": group, "people": group.members.count(), "groups": group.nested.count()}
    return render(request, "portal/group_delete.html", context, status=400 if form.errors else 200)


@require_POST
@member_page(ADMINISTER)
def take_over(request: MemberRequest, group_id: uuid.UUID) -> HttpResponse:
    """From now on the group is changed here and not by the directory."""
    group = _find(request, group_id)
    groups.keep_by_hand(group, actor=Actor.of(request.user))
    messages.success(request, _("%(name)s is now changed here.") % {"name": group.name})
    return redirect("group", group.id)


@require_safe
@member_page(ADMINISTER)
def candidates(request: MemberRequest, group_id: uuid.UUID) -> HttpResponse:
    """People and groups that match what was typed, to be put into the group."""
    group = _find(request, group_id)
    text = request.GET.get("q", "").strip()[:200]
    context = {"group": group, "text": text, "people": [], "groups": []}
    if text:
        people = people_matching(request.tenant, PeopleFilter(text=text)).exclude(memberships__group=group)
        others = (
            Group.objects.for_tenant(request.tenant).exclude(id=group.id).exclude(nested_in__parent=group)
        )
        context["people"] = list(people.order_by("email")[:_CANDIDATES])
        context["groups"] = list(others.filter(name__icontains=text).order_by("name")[:_CANDIDATES])
    partial = request.headers.get("HX-Target") == "candidates"
    return render(request, "portal/group_candidates.html" if partial else "portal/group_add.html", context)


@require_POST
@member_page(ADMINISTER)
def change_members(request: MemberRequest, group_id: uuid.UUID) -> HttpResponse:
    """Put a person or a group in, or take one out."""
    group, actor = _find(request, group_id), Actor.of(request.user)
    adds = request.POST.get("do") == "add"
    try:
        if request.POST.get("group"):
            inner = _find(request, _uuid(request.POST["group"]))
            changed = int((groups.nest if adds else groups.unnest)(group, inner, actor=actor))
        else:
            person = find_person(request.tenant, _uuid(request.POST.get("person", "")))
            if person is None:
                raise Http404
            changed = (groups.add_people if adds else groups.remove_people)(group, [person], actor=actor)
    except ChangeRefusedError as error:
        messages.error(request, str(error))
    else:
        done = ngettext("%d entry changed.", "%d entries changed.", changed) % changed
        messages.success(request, done)
    return redirect("group_add" if adds else "group", group.id)


def _find(request: MemberRequest, group_id: uuid.UUID) -> Group:
    found = groups.find_group(request.tenant, group_id)
    if found is None:
        raise Http404
    return found


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise Http404 from error
