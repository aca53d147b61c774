"""Second factors in the portal: sealed at rest, demanded where the organization says so, reset by support."""

import uuid
from typing import Any, Final
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from django.contrib import messages
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.factors import PolicyForm
from tenants import factors
from tenants.changes import ChangeRefusedError
from tenants.membership import ADMINISTER, RESET_FACTORS, may_reset
from tenants.models import Tenant, User

# What somebody without the factor they have to have may still reach: setting it up, and signing out.
_WITHOUT_FACTOR: Final = ("/accounts/", "/sign-in-again/", "/preferences/", "/static/", "/help/")
# What a session that has not used the factor its person has may reach: using it, and signing out.
_UNPROVEN: Final = (
    "/accounts/2fa/reauthenticate/", "/accounts/2fa/webauthn/reauthenticate/", "/accounts/logout/", "/preferences/",
    "/static/", "/help/",
)  # fmt: skip


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is untyped
    """What is stored of factors: secrets under the installation's key, never in clear."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": gettext_lazy("This is not the code. Codes of an app change every 30 seconds."),
        "unverified_email": gettext_lazy("First confirm or remove the addresses that are not confirmed."),
    }

    def encrypt(self, text: str) -> str:
        return factors.seal_secret(text)

    def decrypt(self, encrypted_text: str) -> str:
        return factors.open_secret(encrypted_text)

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        return _("Passkey")

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": "Rightskeep"}


@receiver(authenticator_added)
def tell_of_new_factor(
    sender: Any, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any
) -> None:
    """Tell the person; and setting a factor up means having used it."""
    factors.tell_of_change(user, added=True)
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)


@receiver(authenticator_removed)
def tell_of_removed_factor(sender: Any, user: User, **kwargs: Any) -> None:
    factors.tell_of_change(user, added=False)


class FactorMiddleware:
    """Where the organization asks for a second factor, leads to setting one up, or to using it, before anything else.

    A session may be older than the factor or than the policy, so it is the session that must have used one.
    """

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User) and factors.is_required_of(user) and not has_used_factor(request, user):
            if not factors.has_factor(user):
                if not request.path.startswith(_WITHOUT_FACTOR):
                    return redirect("mfa_index")
            elif not request.path.startswith(_UNPROVEN):
                return redirect(way_to_use_factor(request, user))
        response: HttpResponse = self.get_response(request)
        return response


def has_used_factor(request: HttpRequest, user: User) -> bool:
    """Whether the person used a second factor, or a recovery code, in this session."""
    return any(record["method"] == "mfa" for record in get_authentication_records(request, user))


def way_to_use_factor(request: HttpRequest, user: User) -> str:
    """Where a person uses a factor they have, and is led back to the page that was asked for; empty without a factor."""
    ways = get_adapter().get_reauthentication_methods(user)
    way = next((way for way in ways if way["id"].startswith("mfa_reauthenticate")), None)
    back = request.get_full_path() if request.method == "GET" else "/"
    return f"{way['url']}?{urlencode({'next': back})}" if way is not None else ""


@require_http_methods(["GET", "POST"])
@member_page(ADMINISTER)
@fresh_sign_in
def security_settings(request: MemberRequest) -> HttpResponse:
    """Who has to have a second factor; says in numbers what a choice brings."""
    tenant = request.tenant
    form = PolicyForm(request.POST or None, initial={"second_factor": tenant.second_factor})
    if request.method == "POST" and form.is_valid():
        factors.set_policy(tenant, form.cleaned_data["second_factor"], actor=request.user)
        messages.success(request, _("Saved. It applies from the next page of everybody on."))
        return redirect("security_settings")
    context = {
        "form": form,
        "tenant": tenant,
        "admins_without": factors.people_without(tenant, Tenant.SecondFactor.ADMINS),
        "all_without": factors.people_without(tenant, Tenant.SecondFactor.EVERYONE),
    }
    return render(request, "portal/security_settings.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@member_page(RESET_FACTORS)
@fresh_sign_in
def reset_factors(request: MemberRequest, person_id: uuid.UUID) -> HttpResponse:
    """For somebody who lost phone and recovery codes: say what it means, then do it."""
    found = User.objects.for_tenant(request.tenant).select_related("tenant").filter(id=person_id).first()
    if found is None:
        raise Http404
    if request.method == "POST":
        try:
            count = factors.reset_factors(found, actor=request.user)
        except ChangeRefusedError as error:
            messages.error(request, str(error))
        else:
            if count:
                messages.success(
                    request, _("The second factors have been reset. The person has been told by mail.")
                )
            else:
                messages.info(request, _("There was no second factor to reset."))
        return redirect("person", found.id)
    context = {
        "found": found,
        "has_factor": factors.has_factor(found),
        "allowed": may_reset(request.user, found),
    }
    return render(request, "portal/factors_reset.html", context)
