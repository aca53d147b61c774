"""What key administrators upload to bring keys back."""

import base64

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from administration.recovery import MOST
from portal.forms.key_custody import WrappedForm


class PackageForm(WrappedForm):
    """The package and the wrapped key that opens it; both cleaned to bytes. `problem`: why it was not done before."""

    problem = ""
    package = forms.FileField(
        label=_("The package"), help_text=_("The ZIP file of an export of keys of this organization.")
    )
    field_order = ("package", "wrapped")

    def clean_package(self) -> bytes:
        data: bytes = self.cleaned_data["package"].read(MOST + 1)
        return data  # one that is too long is refused where it is read


class CarriedForm(forms.Form):
    """Both, as the page carries them from looking to doing: the one is wrapped, the other sealed."""

    package = forms.CharField(widget=forms.HiddenInput)
    wrapped = forms.CharField(widget=forms.HiddenInput)

    def clean_package(self) -> bytes:
        return _unpacked(self.cleaned_data["package"])

    def clean_wrapped(self) -> bytes:
        return _unpacked(self.cleaned_data["wrapped"])


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ValidationError(_("Choose the files once more.")) from None
