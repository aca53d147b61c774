"""What key administrators say when they export keys."""

from django import forms
from django.utils.translation import gettext_lazy as _

from keys.export import LONGEST_REASON, LONGEST_WAIT_HOURS, MAX_PEM, SHORTEST_WAIT_HOURS


class ExportForm(forms.Form):
    """The recipient's public key as a file, whose content is `cleaned_data["recipient"]`, and a reason."""

    recipient = forms.FileField(
        label=_("The recipient’s public key"),
        help_text=_("RSA with at least 3072 bits, as PEM. Never upload the private half."),
    )
    reason = forms.CharField(
        label=_("Reason"), help_text=_("All administrators read it."), max_length=LONGEST_REASON
    )

    def clean_recipient(self) -> bytes:
        data: bytes = self.cleaned_data["recipient"].read(MAX_PEM + 1)
        return data


class WaitForm(forms.Form):
    """The waiting time."""

    hours = forms.IntegerField(label=_("Hours"), min_value=SHORTEST_WAIT_HOURS, max_value=LONGEST_WAIT_HOURS)
