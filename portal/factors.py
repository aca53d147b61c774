"""Second factors in the portal: sealed at rest, demanded where the organization says so, reset by support."""

import base64
import uuid
from typing import Any, Final

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.signals import authenticator_added, authenticator_removed
from django.conf import settings
from django.contrib import messages
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.factors import PolicyForm
from rms.sealing import seal, unseal
from tenants import factors
from tenants.changes import ChangeRefusedError
from tenants.membership import ADMINISTER, RESET_FACTORS, may_reset
from tenants.models import Tenant, User

_PURPOSE: Final = "rightskeep second factor"
_ASSOCIATED: Final = b"allauth mfa authenticator"
# What somebody without the factor they have to have may still reach: setting it up, and signing out.
_WITHOUT_FACTOR: Final = ("/accounts/", "/sign-in-again/", "/preferences/", "/static/", "/help/")


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is untyped
    """What is stored of factors: secrets under the installation's key, never in clear."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": gettext_lazy("This is not the code. Codes of an app change every 30 seconds."),
        "unverified_email": gettext_lazy("First confirm or remove the addresses that are not confirmed."),
    }

    def encrypt(self, text: str) -> str:
        key: bytes = settings.KEY_ENCRYPTION_KEY.encode()
        return base64.b64encode(seal(key, text.encode(), purpose=_PURPOSE, associated=_ASSOCIATED)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        key: bytes = settings.KEY_ENCRYPTION_KEY.encode()
        sealed = base64.b64decode(encrypted_text)
        return unseal(key, sealed, purpose=_PURPOSE, associated=_ASSOCIATED).decode()

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        return _("Passkey")

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": "Rightskeep"}


@receiver(authenticator_added)
def tell_of_new_factor(sender: Any, user: User, **kwargs: Any) -> None:
    factors.tell_of_change(user, added=True)


@receiver(authenticator_removed)
def tell_of_removed_factor(sender: Any, user: User, **kwargs: Any) -> None:
    factors.tell_of_change(user, added=False)


class FactorMiddleware:
    """Leads whoever must have a second factor and has none to setting one up, before anything else."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if (
            isinstance(user, User)
            and not request.path.startswith(_WITHOUT_FACTOR)
            and factors.must_set_up(user)
        ):
            return redirect("mfa_index")
        response: HttpResponse = self.get_response(request)
        return response


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
