"""Why a key is destroyed, and how long that can be taken back."""

from django import forms
from django.utils.translation import gettext_lazy as _

from tracking.destruction import GRACE_DAYS, LONGEST_GRACE, LONGEST_REASON, SHORTEST_GRACE


class DestructionForm(forms.Form):
    """What the second administrator reads before approving."""

    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("All administrators read it."),
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    grace_days = forms.IntegerField(
        label=_("Days of grace"),
        help_text=_("So long after the approval it can be taken back."),
        min_value=SHORTEST_GRACE,
        max_value=LONGEST_GRACE,
        initial=GRACE_DAYS,
    )
