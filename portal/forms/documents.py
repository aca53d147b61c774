"""What people type about a document."""

from django import forms
from django.utils.translation import gettext_lazy as _


class RevocationForm(forms.Form):
    """Why access is taken away."""

    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("Kept with the document for you and your administrators. Readers do not see it."),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
