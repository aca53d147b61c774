"""The operators' site: its name, its sign-in, and the tables of the libraries, which show what they must not."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client, Token
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.urls import reverse

from audit.admin import ReadOnlyAdmin
from tenants.factors import has_factor

admin.site.site_header = "Rightskeep operators"
admin.site.site_title = "Rightskeep operators"
admin.site.index_title = "This installation"
for model in (
    EmailAddress,
    Client,
    Token,
    Group,
    SocialAccount,
    SocialApp,  # none is ever stored: identity providers are `tenants.IdentityProvider`
    SocialToken,
    Authenticator,
    UserSession,
):  # permission groups are not used: operators may look at everything
    admin.site.unregister(model)


class OperatorSignInForm(AdminAuthenticationForm):
    """Checks passwords where everyone else's are checked, so that guessing is slowed down here too.

    There is no second step here, so whoever has a second factor signs in where it is asked for.
    """

    def clean(self) -> dict[str, Any]:
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if email and password:
            self.user_cache = get_adapter().authenticate(self.request, email=email, password=password)
            if self.user_cache is None:
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(self.user_cache)
            if has_factor(self.user_cache):
                raise ValidationError(
                    "This account has a second factor. Sign in at %(page)s and come back here.",
                    code="second_factor",
                    params={"page": f"{reverse('account_login')}?next={reverse('admin:index')}"},
                )
        return self.cleaned_data


admin.site.login_form = OperatorSignInForm


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnlyAdmin):
    owner = "user.tenant_id"
    list_display = ("email", "user", "verified", "primary")
    list_filter = ("verified", "primary")
    list_select_related = ("user",)
    search_fields = ("email",)
    id_fields = ("user_id",)
    ordering = ("email", "id")


@admin.register(Client)
class ClientAdmin(ReadOnlyAdmin):
    owner = "service.tenant_id"
    list_select_related = ("service",)
    list_display = ("name", "id", "type", "created_at")
    list_filter = ("type",)
    search_fields = ("=id", "name")
    id_fields = ()
    ordering = ("name", "id")
    fields = ("id", "name", "type", "scopes", "grant_types", "redirect_uris", "created_at")


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    owner = "user.tenant_id"
    list_display = ("user", "client", "type", "created_at", "expires_at")
    list_filter = ("type", "expires_at")
    list_select_related = ("user", "client")
    search_fields = ("^user__email", "=client__id")
    id_fields = ("user_id",)
    ordering = ("-id",)
    fields = ("user", "client", "type", "scopes", "created_at", "expires_at")


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Second factors without what makes them work."""

    owner = "user.tenant_id"
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("^user__email",)
    id_fields = ("user_id",)
    ordering = ("-id",)
    fields = ("user", "type", "created_at", "last_used_at")


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin):
    """Browsers without the keys of their sessions."""

    owner = "user.tenant_id"
    list_display = ("user", "ip", "created_at", "last_seen_at")
    list_select_related = ("user",)
    search_fields = ("^user__email", "=ip")
    id_fields = ("user_id",)
    ordering = ("-id",)
    fields = ("user", "ip", "user_agent", "created_at", "last_seen_at")
