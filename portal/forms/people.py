"""What people type about themselves."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from portal.preferences import zone_choices


class ProfileForm(forms.Form):
    """Name, language, time zone."""

    name = forms.CharField(
        label=_("Name"),
        help_text=_("How others see you beside your address."),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    language = forms.ChoiceField(
        label=_("Language"), help_text=_("Of these pages, and of mail to you."), choices=settings.LANGUAGES
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        help_text=_("Times on these pages are shown in it."),
        required=False,
        choices=lambda: [("", _("As in this browser")), *zone_choices()],
    )
