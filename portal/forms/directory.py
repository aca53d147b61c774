"""What is typed about directories."""

from datetime import datetime, timedelta

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class TokenForm(forms.Form):
    """A name for people, and how long the secret is good for."""

    name = forms.CharField(
        label=_("Name of the directory"),
        help_text=_("For example Entra ID. It stands in the log beside each change."),
        max_length=100,
    )
    days = forms.TypedChoiceField(
        label=_("Valid for"),
        coerce=int,
        choices=[(365, _("One year")), (180, _("Half a year")), (0, _("Until it is revoked"))],
    )

    @property
    def expires_at(self) -> datetime | None:
        """The moment the choice means; None for never."""
        days = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=days) if days else None
