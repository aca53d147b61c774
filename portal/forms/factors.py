"""Forms about second factors, in the product's words; guesses at codes are slowed as guesses at passwords are."""

from typing import Any

from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as mfa_forms
from allauth.mfa.totp.forms import ActivateTOTPForm as AllauthActivateTOTPForm
from allauth.mfa.webauthn import forms as webauthn_forms
from django import forms
from django.core.cache import cache
from django.utils.translation import gettext_lazy as _

from portal.brute_force import guess_for, too_many
from portal.forms.sign_in import PlainWords
from tenants.models import Tenant
from tenants.throttle import TooManyTriesError

# A code of an app is accepted for three times 30 seconds; used ones are remembered longer than that.
_USED_SECONDS = 150


class _SlowCode(PlainWords):
    """A code is counted before it is looked at, and works once."""

    user: Any
    cleaned_data: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs.update(autocomplete="one-time-code", autofocus=True)

    def clean_code(self) -> str:
        try:
            guess = guess_for(context.request, "factor", self.user.email)
        except TooManyTriesError as error:
            raise ImmediateHttpResponse(too_many(context.request, error)) from error
        code: str = super().clean_code()  # type: ignore[misc]  # of the form this is mixed into
        guess.was_right()
        if not cache.add(
            f"factor-code-used:{self.user.pk}:{''.join(code.split())}", 1, timeout=_USED_SECONDS
        ):
            raise get_adapter().validation_error("incorrect_code")
        return code


class AuthenticateForm(_SlowCode, mfa_forms.AuthenticateForm):  # type: ignore[misc]  # allauth is untyped
    """The second step of a sign-in."""


class ReauthenticateForm(_SlowCode, mfa_forms.ReauthenticateForm):  # type: ignore[misc]  # allauth is untyped
    """A code before something dangerous."""


class ActivateTOTPForm(_SlowCode, AllauthActivateTOTPForm):  # type: ignore[misc]  # allauth is untyped
    """The first code of a new app."""


class AddPasskeyForm(webauthn_forms.AddWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    """A new passkey or security key."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")
        self.fields["name"].help_text = _("So that you know it again, for example “Phone” or “Blue key”.")
        self.fields["name"].max_length = 60
        self.fields["name"].widget.attrs["maxlength"] = 60
        self.fields["passwordless"].initial = True
        self.fields["passwordless"].label = _("Sign in with it alone, without a password")
        self.fields["passwordless"].help_text = _("It then asks for your fingerprint, face or PIN.")


class RenamePasskeyForm(webauthn_forms.EditWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    """Another name for a passkey."""

    name = forms.CharField(label=_("Name"), max_length=60)


class PolicyForm(forms.Form):
    """Who in the organization has to have a second factor."""

    second_factor = forms.ChoiceField(label=_("Second factor"), choices=Tenant.SecondFactor.choices)
