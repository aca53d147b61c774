"""Settings: who holds which role, who is a super user, who may protect, which services act for the organization."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.powers import ProtectingForm, RoleForm, SuperUserForm
from portal.wording import ACTIONS
from tenants import super_users
from tenants.changes import Actor, ChangeRefusedError
from tenants.membership import ADMINISTER, READ_SETTINGS, allowed_to, may
from tenants.models import RoleAssignment, SuperUserAppointment
from tenants.onboarding import people_losing, people_under, set_onboarding
from tenants.roles import give_role, holders_of, take_role
from tracking.models import Document

_SHOWN = 25
_APPOINTED = {
    "acts": gettext_lazy("%(who)s is a super user."),
    "waits": gettext_lazy("%(who)s waits for a second administrator."),
    "announced": gettext_lazy("%(who)s becomes a super user in 24 hours. All administrators have been told."),
}


@require_safe
@member_page(READ_SETTINGS)
def roles(request: MemberRequest) -> HttpResponse:
    """What each role may do, from the one table that decides, and who holds it since when."""
    choices = RoleAssignment.Role.choices
    context = {
        "roles": choices,
        "actions": [
            {"word": word, "allowed": [(label, action in allowed_to(role)) for role, label in choices]}
            for action, word in ACTIONS.items()
        ],
        "holders": holders_of(request.tenant),
        "may_change": may(request.user, ADMINISTER),
    }
    return render(request, "portal/roles.html", context)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def role_give(request: MemberRequest) -> HttpResponse:
    """Choose who gets which role, then give it."""
    form = RoleForm(request.POST or None, tenant=request.tenant)
    if request.method == "POST" and form.is_valid():
        role = form.cleaned_data["role"]
        try:
            given = give_role(request.tenant, role, actor=Actor.of(request.user), **form.found)
        except ChangeRefusedError as error:
            form.add_error("holder", str(error))
        else:
            values = {"who": given.user or given.group, "role": given.get_role_display()}
            messages.success(request, _("%(who)s holds the role “%(role)s”.") % values)
            return redirect("roles")
    return ask(
        request,
        title=_("Give a role"),
        warning=_("A role acts at once. All global administrators are told by mail."),
        button=_("Give the role"),
        back="roles",
        form=form,
    )


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def role_take(request: MemberRequest, role_id: uuid.UUID) -> HttpResponse:
    """Ask once, then take the role away."""
    held = RoleAssignment.objects.for_tenant(request.tenant).select_related("user", "group", "tenant")
    found = held.filter(id=role_id).first()
    if found is None:
        raise Http404
    values = {"who": found.user or found.group, "role": found.get_role_display()}
    if request.method == "POST":
        try:
            take_role(found, actor=Actor.of(request.user))
        except ChangeRefusedError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("%(who)s no longer holds the role “%(role)s”.") % values)
        return redirect("roles")
    return ask(
        request,
        title=_("Take a role away"),
        warning=_("%(who)s can no longer do what the role “%(role)s” allows, from this moment on.") % values,
        button=_("Take the role away"),
        back="roles",
        danger=True,
    )


@require_safe
@member_page(READ_SETTINGS)
def super_user_list(request: MemberRequest) -> HttpResponse:
    """Whether the feature is on, and everybody who is appointed, waits, or was."""
    appointments = list(super_users.appointments_of(request.tenant))
    context = {
        "tenant": request.tenant,
        "rows": [{"one": one, "state": super_users.state_of(one)} for one in appointments],
        "documents": Document.objects.for_tenant(request.tenant).count(),
        "may_change": may(request.user, ADMINISTER),
    }
    return render(request, "portal/super_users.html", context)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def super_user_switch(request: MemberRequest) -> HttpResponse:
    """Say in numbers what switching means, then switch the feature on or off."""
    tenant, on = request.tenant, not request.tenant.super_users_enabled
    if request.method == "POST":
        super_users.set_feature(tenant, enabled=on, actor=Actor.of(request.user))
        messages.success(
            request, _("Super users are switched on.") if on else _("Super users are switched off.")
        )
        return redirect("super_users")
    warning = (
        _consequence(request) if on else _("Nobody can open documents as a super user. Appointments stay.")
    )
    return ask(
        request,
        title=_("Switch super users on") if on else _("Switch super users off"),
        warning=warning,
        button=_("Switch on") if on else _("Switch off"),
        back="super_users",
        danger=on,
    )


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def super_user_approval(request: MemberRequest) -> HttpResponse:
    """Decide whether an appointment needs a second administrator."""
    tenant = request.tenant
    needed = not tenant.needs_approval or tenant.approval_ends_at is not None
    if request.method == "POST":
        super_users.set_approval(tenant, needed=needed, actor=Actor.of(request.user))
        messages.success(request, _("Your choice has been saved."))
        return redirect("super_users")
    return ask(
        request,
        title=_("Require a second administrator") if needed else _("Require no second administrator"),
        warning=_(
            "An appointment then begins when another global administrator, who has been one for at least 24 hours, "
            "approves it."
        )
        if needed
        else _(
            "After 24 hours one administrator alone can appoint super users. All administrators are told by mail now, and "
            "each can keep the second one till then."
        ),
        button=_("Require a second administrator") if needed else _("Require no second administrator"),
        back="super_users",
        danger=not needed,
    )


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def super_user_appoint(request: MemberRequest) -> HttpResponse:
    """Say in numbers what a super user reads, then appoint."""
    initial = {"holder": request.GET.get("holder", "")[:254]}
    form = SuperUserForm(request.POST or None, tenant=request.tenant, initial=initial)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            made = super_users.appoint(
                request.tenant,
                actor=Actor.of(request.user),
                reason=values["reason"],
                until=values["until"],
                **form.found,
            )
        except ChangeRefusedError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _APPOINTED[super_users.state_of(made)] % {"who": made})
            return redirect("super_users")
    return ask(
        request,
        title=_("Appoint a super user"),
        warning=_consequence(request),
        button=_("Appoint"),
        back="super_users",
        form=form,
        danger=True,
    )


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def super_user_approve(request: MemberRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Show what was asked for, then approve it as the second administrator."""
    found = _appointment(request, appointment_id)
    if request.method == "POST":
        try:
            super_users.approve(found, actor=request.user)
        except ChangeRefusedError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("%(who)s is a super user.") % {"who": found})
        return redirect("super_users")
    values = {"who": found, "asked_by": found.appointed_by, "reason": found.reason}
    return ask(
        request,
        title=_("Approve a super user"),
        warning=_("%(asked_by)s wants to make %(who)s a super user. Reason: %(reason)s") % values,
        more=_consequence(request),
        button=_("Approve"),
        back="super_users",
        danger=True,
    )


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def super_user_end(request: MemberRequest, appointment_id: uuid.UUID) -> HttpResponse:
    """Ask once, then end an appointment."""
    found = _appointment(request, appointment_id)
    if request.method == "POST":
        super_users.end(found, actor=Actor.of(request.user))
        messages.success(request, _("The appointment of %(who)s has ended.") % {"who": found})
        return redirect("super_users")
    return ask(
        request,
        title=_("End an appointment"),
        warning=_("Within five seconds %(who)s opens only what their own rights allow.") % {"who": found},
        button=_("End the appointment"),
        back="super_users",
        danger=True,
    )


@require_http_methods(["GET", "POST"])
@member_page(READ_SETTINGS)
def protecting(request: MemberRequest) -> HttpResponse:
    """Who may protect: the rule, what another rule would mean in numbers, and the change."""
    tenant = request.tenant
    may_change = may(request.user, ADMINISTER)
    now = {"who": tenant.onboarding, "group": tenant.onboarding_group or ""}
    asked = request.POST if request.method == "POST" else request.GET if "who" in request.GET else None
    form = ProtectingForm(asked, tenant=tenant, initial=now)
    preview: dict[str, Any] = {}
    if may_change and asked is not None and form.is_valid():
        who, group = form.cleaned_data["who"], form.cleaned_data["found"]
        if request.method == "POST":
            set_onboarding(tenant, who, actor=Actor.of(request.user), group=group)
            messages.success(request, _("Your choice has been saved."))
            return redirect("protecting")
        losing = people_losing(tenant, who, group)
        preview = {
            "who": who,
            "group": group,
            "people": people_under(tenant, who, group).count(),
            "losing": losing.count(),
            "shown": losing[:_SHOWN],
        }
    elif request.method == "POST" and not may_change:
        return render(request, "errors/403.html", status=403)
    people = people_under(tenant, tenant.onboarding, tenant.onboarding_group).count()
    context = {"tenant": tenant, "form": form, "people": people, "preview": preview, "may_change": may_change}
    return render(request, "portal/protecting.html", context, status=400 if form.errors else 200)


def ask(
    request: HttpRequest,
    *,
    title: str,
    warning: str,
    button: str,
    back: str,
    back_to: Sequence[object] = (),
    crumb: str = "",
    more: str = "",
    form: Any = None,
    danger: bool = False,
) -> HttpResponse:
    """A page that says what follows and asks once; with fields where something has to be chosen."""
    context = {
        "title": title,
        "warning": warning,
        "more": more,
        "button": button,
        "back": reverse(back, args=back_to),
        "crumb": crumb,
        "form": form,
        "danger": danger,
    }
    return render(
        request, "portal/ask.html", context, status=400 if form is not None and form.errors else 200
    )


def _consequence(request: MemberRequest) -> str:
    documents = Document.objects.for_tenant(request.tenant).count()
    return ngettext(
        "A super user has full control over the %(n)d document your organization has protected, and over all to come.",
        "A super user has full control over the %(n)d documents your organization has protected, and over all to come.",
        documents,
    ) % {"n": documents}


def _appointment(request: MemberRequest, appointment_id: uuid.UUID) -> SuperUserAppointment:
    found = super_users.appointments_of(request.tenant).filter(id=appointment_id).first()
    if found is None:
        raise Http404
    return found
