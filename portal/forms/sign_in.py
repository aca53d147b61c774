"""The sign-in forms in the product's words: one label for one thing, no placeholder that repeats it."""

import uuid
from typing import Any

from allauth.account import forms as allauth_forms
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from tenants.domain_names import canonical_address
from tenants.sso import enforced_for, enforced_for_address

_ADDRESS = _("Email address")
_PASSWORD_RULE = _("At least 10 characters. A few words in a row are easy to remember and hard to guess.")
_LABELS: dict[str, Any] = {
    "login": _ADDRESS,
    "email": _ADDRESS,
    "password": _("Password"),
    "oldpassword": _("Current password"),
    "password2": _("New password again"),
    "remember": _("Keep me signed in on this browser"),
    "code": _("Code"),
}


class PlainWords(forms.Form):
    """Mixed into allauth's forms: behaviour stays theirs, words are ours."""

    new_password_label: Any = _("New password")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            if name == "password1":
                field.label, field.help_text = self.new_password_label, _PASSWORD_RULE
            elif name in _LABELS:
                field.label, field.help_text = _LABELS[name], ""


def _in_plain_words(form: type[forms.Form], **more: Any) -> type[forms.Form]:
    return type(form.__name__, (PlainWords, form), {"__module__": __name__, "__doc__": form.__doc__, **more})


class AddressForm(forms.Form):
    """The address alone: it decides how its owner signs in."""

    login = forms.EmailField(
        label=_ADDRESS,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )


def _check_not_elsewhere(address: str, *, member_of: uuid.UUID | None = None) -> None:
    """Raise a `ValidationError` where the address's organization, another than one's own, signs in at its identity
    provider only."""
    provider = enforced_for_address(address)
    if provider is not None and provider.tenant_id != member_of:
        raise ValidationError(
            _(
                "Your organization signs in with %(name)s. On the sign-in page, enter your address alone and continue."
            ),
            code="sign_on_enforced",
            params={"name": provider.name},
        )


class LoginForm(PlainWords, allauth_forms.LoginForm):
    """Password sign-in. Where an organization signs in elsewhere, right and wrong passwords read the same."""

    def clean_login(self) -> str:
        return canonical_address(super().clean_login())

    def clean(self) -> Any:
        address = self.cleaned_data.get("login", "")
        try:
            cleaned = super().clean()
        except ValidationError:
            _check_not_elsewhere(address)
            raise
        login = getattr(self, "_login", None)
        if login is not None and enforced_for(login.user) is not None:
            _check_not_elsewhere(login.user.email)
            _check_not_elsewhere(address)
        return cleaned


class SignupForm(PlainWords, allauth_forms.SignupForm):
    new_password_label = _("Password")

    def clean_email(self) -> Any:
        address = super().clean_email()
        _check_not_elsewhere(address)
        return address


class AddEmailForm(PlainWords, allauth_forms.AddEmailForm):
    """One more address, proven by a code; not one whose organization lets people in through its provider alone."""

    def clean_email(self) -> Any:
        address = super().clean_email()
        _check_not_elsewhere(address, member_of=self.user.tenant_id)
        return address


class ResetPasswordForm(PlainWords, allauth_forms.ResetPasswordForm):
    def clean_email(self) -> Any:
        address = super().clean_email()
        _check_not_elsewhere(address)
        self.users: list[Any] = [person for person in self.users if enforced_for(person) is None]
        return address


ChangePasswordForm = _in_plain_words(allauth_forms.ChangePasswordForm)
SetPasswordForm = _in_plain_words(allauth_forms.SetPasswordForm)
ResetPasswordKeyForm = _in_plain_words(allauth_forms.ResetPasswordKeyForm)
ReauthenticateForm = _in_plain_words(allauth_forms.ReauthenticateForm)
