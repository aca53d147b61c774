"""How allauth's sign-in pages and token provider are joined to this installation."""

from typing import Any, Literal

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from allauth.idp.oidc.internal.private_keys import filter_keys
from allauth.idp.oidc.models import PrivateKey
from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from keys.custody import oidc_signing_key
from portal import sign_on
from portal.access import is_fresh
from portal.brute_force import guess_for, too_many
from tenants.domain_names import canonical_address
from tenants.freshness import FactCache
from tenants.sso import enforced_for, note_sign_in_beside
from tenants.throttle import TooManyTriesError
from tenants.tokens import hash_token

_signing_key: FactCache = FactCache(1)


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in and sign-up by address; people have no user names here."""

    def populate_username(self, request: Any, user: Any) -> None:
        return None

    def clean_email(self, email: str) -> str:
        """The one form in which addresses are stored and compared."""
        return canonical_address(super().clean_email(email))

    def is_safe_url(self, url: str | None) -> bool:
        """Whether a page may lead on to `url`. What cannot even be read ("//[") is not safe, rather than an error."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def pre_authenticate(self, request: Any, **credentials: Any) -> None:
        """Count the guess before the password is looked at; the account itself is never locked."""
        try:
            self._guess = guess_for(request, "password", str(credentials.get("email") or ""))
        except TooManyTriesError as error:
            raise ImmediateHttpResponse(too_many(request, error)) from error

    def _rollback_login_failed_rl_usage(self) -> None:
        self._guess.was_right()

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Not of somebody who proved themselves minutes ago, as by signing in."""
        return bool(super().is_reauthentication_required(app=app, **kwargs)) and not is_fresh(self.request)

    def pre_login(self, request: Any, user: Any, **login: Any) -> HttpResponse | None:
        """Whoever has to sign in at their organization's identity provider is led there, whatever way they came."""
        provider = None if _by_provider(login) else enforced_for(user)
        if provider is not None:
            return sign_on.ask(
                request, provider, next_url=login.get("redirect_url") or "", address=user.email
            )
        response: HttpResponse | None = super().pre_login(request, user, **login)
        return response

    def post_login(self, request: Any, user: Any, **login: Any) -> HttpResponse:
        if not _by_provider(login):
            note_sign_in_beside(user)
        response: HttpResponse = super().post_login(request, user, **login)
        return response


def _by_provider(login: dict[str, Any]) -> bool:
    return "sociallogin" in (login.get("signal_kwargs") or {})


class DeviceTokenAdapter(DefaultOIDCAdapter):
    """The OpenID Connect provider's seams: token hashes under our pepper, the signing key sealed by the KEK."""

    scope_display = {
        **DefaultOIDCAdapter.scope_display,
        "licensing": _("Protect and open documents in your name"),
        "admin": _("Do in your organization what your roles allow"),
        "offline_access": _("Stay signed in on this device"),
    }

    def hash_token(self, token: str) -> str:
        return hash_token(token)

    def get_issuer(self) -> str:
        return str(settings.PUBLIC_URL)

    def list_private_keys(
        self, *, did_activate: Literal[True] | None = None, is_active: Literal[True] | None = None
    ) -> list[PrivateKey]:
        key = _signing_key.get("key")
        if key is None:
            key = _signing_key["key"] = PrivateKey(pem=oidc_signing_key())
        keys: list[PrivateKey] = filter_keys([key], did_activate=did_activate, is_active=is_active)
        return keys
