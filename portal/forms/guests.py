"""What people outside type to read with a code."""

from django import forms
from django.utils.translation import gettext_lazy as _


class GuestAddressForm(forms.Form):
    """The address that a document was protected for."""

    email = forms.EmailField(
        label=_("Email address"),
        help_text=_("The address that the document was protected for."),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class GuestCodeForm(forms.Form):
    """The six digits from the mail."""

    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
