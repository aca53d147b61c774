"""Proving once more who one is, before something dangerous: password, second factor or passkey, else a new sign-in."""

import time
from typing import Any
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.signals import authentication_step_completed
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_safe

from portal import sign_on
from portal.access import PersonRequest, note_proof, person_page
from tenants.sso import provider_for_address


@receiver(user_logged_in)
def note_sign_in(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """A sign-in is a proof. (At an identity provider that may have been earlier: `sign_on` sets when.)"""
    note_proof(request, time.time())


@receiver(authentication_step_completed)
def note_new_proof(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """So is a password, code or passkey asked for again. (A step of a sign-in counts when that is complete.)"""
    if kwargs.get("reauthenticated") and request.user.is_authenticated:
        note_proof(request, time.time())


@require_safe
@person_page
def sign_in_again(request: PersonRequest) -> HttpResponse:
    """Lead to the first way this person has, or to their organization's provider; who has none signs out and in again."""
    target = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = reverse("home")
    methods = get_adapter().get_reauthentication_methods(request.user)
    if methods:
        return redirect(f"{methods[0]['url']}?{urlencode({'next': target})}")
    provider = provider_for_address(request.user.email)
    if provider is not None and provider.tenant_id == request.user.tenant_id:
        # Not by signing out first: to somebody who comes anew, the provider would vouch without asking.
        return sign_on.ask(request, provider, next_url=target, address=request.user.email)
    back = f"{reverse('account_login')}?{urlencode({'next': target})}"
    return render(request, "account/sign_in_again.html", {"back": back})
