"""How allauth's sign-in pages and token provider are joined to this installation."""

from typing import Any, Literal

from allauth.account.adapter import DefaultAccountAdapter
from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from allauth.idp.oidc.internal.private_keys import filter_keys
from allauth.idp.oidc.models import PrivateKey
from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from keys.custody import oidc_signing_key
from portal import sign_on
from tenants.freshness import FactCache
from tenants.sso import enforced_for, note_sign_in_beside
from tenants.tokens import hash_token

_signing_key: FactCache = FactCache(1)


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in and sign-up by address; people have no user names here."""

    def populate_username(self, request: Any, user: Any) -> None:
        return None

    def is_safe_url(self, url: str | None) -> bool:
        """Whether a page may lead on to `url`. What cannot even be read ("//[") is not safe, rather than an error."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

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
