"""Reading without an account: address, code by mail, in. The code belongs to the browser that asked for it."""

import time
from typing import Any, Final
from urllib.parse import urlencode

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.account.signals import password_reset, password_set
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from portal.brute_force import too_many, tries_for
from portal.forms.guests import GuestAddressForm, GuestCodeForm
from tenants import guests
from tenants.domain_names import canonical_address
from tenants.models import User
from tenants.throttle import TooManyTriesError

_UNTIL: Final = "guest_until"
_SESSION_SECONDS: Final = 12 * 3600
_SECONDS: Final = guests.CODE_MINUTES * 60
# Where a guest has something to do. Programs and devices get no tokens from a session that has no account behind it.
_FOR_GUESTS: Final = (
    "/open/", "/guest/", "/help/", "/profile/", "/preferences/", "/sign-in-again/", "/accounts/", "/static/",
)  # fmt: skip


@never_cache
@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """Have a code sent. What follows is the same page whether one was sent or the advice to sign in."""
    if request.user.is_authenticated:
        return redirect(_target(request))
    form = GuestAddressForm(request.POST or None, initial={"email": request.GET.get("email", "")})
    context = {"form": form, "next": _target(request)}
    if request.method != "POST" or not form.is_valid():
        return render(request, "account/guest.html", context, status=400 if form.errors else 200)
    address = canonical_address(form.cleaned_data["email"])
    try:
        tries_for(request, "guest-mail", address, limit=6, limit_of_network=100, seconds=3600)
    except TooManyTriesError as error:
        return too_many(request, error)
    with transaction.atomic():
        digest = guests.send_code(address)
    request.session[guests.ASKED] = {
        "address": address,
        "hash": digest,
        "until": time.time() + _SECONDS,
        "tries": guests.TRIES,
        "next": _target(request),
    }
    return redirect("guest_code")


@never_cache
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Enter the code. It is looked at five times at most, and used up by the first right answer."""
    if request.user.is_authenticated:
        return redirect("open")
    asked = request.session.get(guests.ASKED)
    if not asked:
        return redirect("guest")
    form = GuestCodeForm(request.POST or None)
    context = {"form": form, "address": asked["address"], "minutes": guests.CODE_MINUTES}
    if request.method == "POST" and form.is_valid():
        tried = guests.use_try(request.session.session_key or "", form.cleaned_data["code"])
        if tried.proven:
            return _let_in(request, tried.proven, next_url=asked["next"])
        if tried.left <= 0:
            messages.error(request, _("This code is no longer good. Ask for a new one."))
            return redirect(f"{reverse('guest')}?{urlencode({'next': asked['next']})}")
        form.add_error("code", _("This is not the code. Look into your latest mail from us."))
    return render(request, "account/guest_code.html", context, status=400 if form.errors else 200)


def _let_in(request: HttpRequest, address: str, *, next_url: str) -> HttpResponse:
    request.session.pop(guests.ASKED, None)
    try:
        guest = guests.admit(address)
    except guests.NotForGuestsError:
        messages.error(request, _("This address has an account by now. Sign in with it."))
        return redirect("account_login")
    record_authentication(request, guest, method="code")
    response: HttpResponse = perform_login(request, Login(user=guest, redirect_url=next_url))
    return response


def _target(request: HttpRequest) -> str:
    target = request.POST.get("next") or request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        return target
    return reverse("open")


@receiver(user_logged_in)
def limit_session(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """A guest's session ends with the browser, and after twelve hours at the latest."""
    if user.is_guest:
        request.session.set_expiry(0)
        request.session[_UNTIL] = time.time() + _SESSION_SECONDS


@receiver(password_set)
@receiver(password_reset)
def leave_guesthood(sender: Any, user: User, **kwargs: Any) -> None:
    """Whoever chose a password has an account."""
    if user.is_guest:
        guests.become_account(user)


class GuestMiddleware:
    """Ends a guest's session when it no longer counts, and keeps it to the pages that guests have a use for."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User) and user.is_guest:
            if request.session.get(_UNTIL, 0) <= time.time() or not guests.is_still_guest(user):
                logout(request)
                return redirect(f"{settings.ACCOUNT_LOGOUT_REDIRECT_URL}?{urlencode({'next': '/open/'})}")
            if request.path != "/" and not request.path.startswith(_FOR_GUESTS):
                return redirect("home")
        response: HttpResponse = self.get_response(request)
        return response
