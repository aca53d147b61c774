"""Settings of single sign-on: set up, tried, in use, and what went wrong last."""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal import sign_on
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.sign_on import FORMS, ReleaseForm, UseForm
from portal.sign_on_addresses import our_addresses
from tenants import sso
from tenants.changes import ChangeRefusedError
from tenants.fetching import FetchError
from tenants.membership import ADMINISTER
from tenants.models import IdentityProvider, Tenant, VerifiedDomain
from tenants.provider_metadata import MetadataError, expires_at
from tenants.second_sight import waits_for_second
from tenants.sign_on_reasons import sentence

_WARN_BEFORE = dt.timedelta(days=30)
REFUSALS = (sso.SignOnSettingsError, MetadataError, FetchError)


@require_safe
@member_page(ADMINISTER)
def sign_in_settings(request: MemberRequest) -> HttpResponse:
    """The state of single sign-on, or the choice of a kind where there is none."""
    provider = sso.find_provider(request.tenant)
    context: dict[str, Any] = {
        "provider": provider,
        "domains": list(_domains(request.tenant)),
        "tested": request.session.pop(sign_on.TESTED, None),
    }
    if provider is not None:
        context |= {
            "use_form": UseForm(initial={"use": provider.use}),
            "release_form": ReleaseForm(),
            "addresses": our_addresses(request.tenant.id),
            "certificates": [_certificate(one) for one in provider.settings.get("certificates", [])],
            "waits": waits_for_second(provider),
            "last_error": sentence(provider.last_error) if provider.last_error else "",
            "people": sso.bound_people(provider),
        }
    return render(request, "portal/sign_in_settings.html", context)


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def sign_in_setup(request: MemberRequest, kind: str) -> HttpResponse:
    """Enter what the identity provider says, beside what it wants to know of us."""
    provider = sso.find_provider(request.tenant)
    form = FORMS[kind](request.POST or None, request.FILES or None, provider=provider)
    if request.method == "POST" and form.is_valid():
        try:
            sso.configure(request.tenant, form.setup(), actor=request.user)
        except REFUSALS as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Saved. Test the sign-in before your people use it."))
            return redirect("sign_in_settings")
    context = {
        "form": form,
        "kind": kind,
        "provider": provider,
        "replaces": provider is not None and provider.kind != kind,
        "addresses": our_addresses(request.tenant.id),
        "domains": list(_domains(request.tenant)),
    }
    return render(request, "portal/sign_in_setup.html", context, status=400 if form.errors else 200)


@require_POST
@member_page(ADMINISTER)
def sign_in_test(request: MemberRequest) -> HttpResponse:
    """A real sign-in, as far as its judgment."""
    return sign_on.ask(request, _found(request), test=True)


@require_POST
@member_page(ADMINISTER)
@fresh_sign_in
def sign_in_use(request: MemberRequest) -> HttpResponse:
    """Switch single sign-on off, offer it, or make it the only way in."""
    provider = _found(request)
    form = UseForm(request.POST)
    if form.is_valid():
        try:
            sso.set_use(provider, form.cleaned_data["use"], actor=request.user)
        except (sso.SignOnSettingsError, ChangeRefusedError) as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("Saved. It counts from the next sign-in on."))
    return redirect("sign_in_settings")


@require_POST
@member_page(ADMINISTER)
def sign_in_release(request: MemberRequest) -> HttpResponse:
    """Let a person be bound to a new account of theirs."""
    form = ReleaseForm(request.POST)
    if form.is_valid() and sso.release(_found(request), form.cleaned_data["address"], actor=request.user):
        messages.success(request, _("Released. The next sign-in with this address is bound anew."))
    else:
        messages.error(
            request, _("Nobody with this address is bound to an account of the identity provider.")
        )
    return redirect("sign_in_settings")


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def sign_in_remove(request: MemberRequest) -> HttpResponse:
    """Say in numbers what ends, then forget the identity provider."""
    provider = _found(request)
    if request.method == "POST":
        sso.remove(provider, actor=request.user)
        messages.success(request, _("Removed. Your people sign in with their password here."))
        return redirect("sign_in_settings")
    context = {"provider": provider, "people": sso.bound_people(provider)}
    return render(request, "portal/sign_in_remove.html", context)


def _found(request: MemberRequest) -> IdentityProvider:
    provider = sso.find_provider(request.tenant)
    if provider is None:
        raise Http404
    return provider


def _domains(tenant: Tenant) -> Any:
    return VerifiedDomain.objects.for_tenant(tenant).order_by("domain").values_list("domain", flat=True)


def _certificate(facts: dict[str, Any]) -> dict[str, Any]:
    ends = expires_at(facts)
    now = timezone.now()
    tone = "bad" if ends <= now else "warn" if ends - now < _WARN_BEFORE else "good"
    return {**facts, "ends": ends, "tone": tone}
