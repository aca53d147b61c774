"""The sign-in forms in the product's words: one label for one thing, no placeholder that repeats it."""

from typing import Any

from allauth.account import forms as allauth_forms
from django import forms
from django.utils.translation import gettext_lazy as _

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


LoginForm = _in_plain_words(allauth_forms.LoginForm)
SignupForm = _in_plain_words(allauth_forms.SignupForm, new_password_label=_("Password"))
AddEmailForm = _in_plain_words(allauth_forms.AddEmailForm)
ChangePasswordForm = _in_plain_words(allauth_forms.ChangePasswordForm)
SetPasswordForm = _in_plain_words(allauth_forms.SetPasswordForm)
ResetPasswordForm = _in_plain_words(allauth_forms.ResetPasswordForm)
ResetPasswordKeyForm = _in_plain_words(allauth_forms.ResetPasswordKeyForm)
ReauthenticateForm = _in_plain_words(allauth_forms.ReauthenticateForm)
