"""What an admin types about groups."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


class GroupForm(forms.Form):
    """Name and address of a group."""

    name = forms.CharField(label=_("Name of the group"), max_length=100)
    mail = forms.EmailField(
        label=_("Address of the group"),
        help_text=_("Whoever protects can name the group by it. It need not receive mail."),
        max_length=254,
        required=False,
    )


class TypedNameForm(forms.Form):
    """A name, typed, so that nothing is deleted by a slip."""

    name = forms.CharField(label=_("Type the name"), widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._expected = expected

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name.strip() != self._expected:
            raise ValidationError(_("This is not the name. Type it exactly as shown."))
        return name
