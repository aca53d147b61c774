"""What key administrators upload and choose."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from keys.models import KeyPolicy
from rms.key_wrapping import MAX_WRAPPED


class WrappedForm(forms.Form):
    """A wrapped key; `cleaned_data["wrapped"]` is its bytes."""

    wrapped = forms.FileField(label=_("The wrapped key"), help_text=_("The file wrapped.bin of step 2."))

    def clean_wrapped(self) -> bytes:
        upload = self.cleaned_data["wrapped"]
        data: bytes = upload.read(MAX_WRAPPED + 1)
        if len(data) > MAX_WRAPPED or data.lstrip().startswith(b"-----"):
            raise ValidationError(
                _("This file is not a wrapped key. Wrap yours as in step 2; never upload it as it is.")
            )
        return data


class BringForm(WrappedForm):
    """A wrapped key, and where it is kept when there is a choice."""

    place = forms.ChoiceField(label=_("Where it is kept"), choices=KeyPolicy.Place.choices, required=False)

    def __init__(self, *args: Any, has_token: bool, in_effect: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["place"].initial = in_effect
        if not has_token:
            del self.fields["place"]


class PlaceForm(forms.Form):
    """Where new keys are made."""

    place = forms.ChoiceField(
        label=_("New keys are made"),
        help_text=_("Keys that are there stay where they are; roll the key to move on."),
        required=False,
    )

    def __init__(self, *args: Any, has_token: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        places = [
            choice for choice in KeyPolicy.Place.choices if has_token or choice[0] != KeyPolicy.Place.PKCS11
        ]
        field: Any = self.fields["place"]
        field.choices = [("", _("as the operator has set")), *places]
