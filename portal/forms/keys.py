"""What key administrators choose: the size and time of a new key, and when keys are rolled by themselves."""

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from keys.rollover import ALLOWED_BITS, FURTHEST
from keys.schedule import LONGEST_DAYS, MARGIN, SHORTEST_DAYS, Policy

_SIZES = [(bits, f"RSA {bits}") for bits in ALLOWED_BITS]


class RollForm(forms.Form):
    """A new key, now or at a later time."""

    bits = forms.TypedChoiceField(
        label=_("Size of the new key"),
        help_text=_("2048 bits are enough today and quickest; longer keys make every opening slower."),
        choices=_SIZES,
        coerce=int,
    )
    at = forms.DateTimeField(
        label=_("Takes over"),
        help_text=_("Without a time at once. A planned roll can be withdrawn until then."),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
    )

    def clean_at(self) -> datetime | None:
        at: datetime | None = self.cleaned_data["at"]
        now = timezone.now()
        if at is not None and not now < at <= now + FURTHEST:
            raise ValidationError(_("Choose a time within the next 365 days."))
        return at


class PolicyForm(forms.Form):
    """When keys are rolled by themselves, and how old they may get."""

    every_days = forms.IntegerField(
        label=_("Roll every … days"),
        help_text=_("Empty: by hand only."),
        min_value=SHORTEST_DAYS,
        max_value=LONGEST_DAYS,
        required=False,
    )
    stated_age_days = forms.IntegerField(
        label=_("Stated age, in days"),
        help_text=_(
            "The age no key should exceed. Administrators are warned 30 days before, and when it is reached."
        ),
        min_value=SHORTEST_DAYS,
        max_value=LONGEST_DAYS,
    )
    before_age = forms.BooleanField(
        label=_("Roll by itself before the stated age"),
        help_text=_("14 days before it is reached."),
        required=False,
    )
    bits = forms.TypedChoiceField(label=_("Size of new keys"), choices=_SIZES, coerce=int)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = self.cleaned_data
        age = values.get("stated_age_days")
        if values.get("before_age") and age is not None and age <= MARGIN.days + SHORTEST_DAYS:
            self.add_error("stated_age_days", _("So short an age leaves no time to roll before it."))
        return values

    @property
    def policy(self) -> Policy:
        """What was chosen, once it is valid."""
        return Policy(**self.cleaned_data)
