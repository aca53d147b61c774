"""What people type about their organization."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from tenants.languages import LANGUAGES, language_name
from tenants.models import Tenant


class OrganizationForm(forms.Form):
    """The name of a new organization."""

    name = forms.CharField(
        label=_("Name of your organization"),
        help_text=_("People you share documents with will see it. 2 to 100 characters."),
        min_length=2,
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )


class SettingsForm(forms.Form):
    """What an administrator may change about the organization."""

    name = forms.CharField(
        label=_("Name of your organization"),
        help_text=_("People you share documents with will see it. 2 to 100 characters."),
        min_length=2,
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    default_language = forms.ChoiceField(
        label=_("Language of the organization"),
        help_text=_("For templates and mails to people who have not chosen one."),
        choices=settings.LANGUAGES,
    )
    languages = forms.MultipleChoiceField(
        label=_("Languages of the templates"),
        help_text=_("Names and descriptions of templates are asked for in these."),
        choices=lambda: [(tag, language_name(tag)) for tag in LANGUAGES],
        widget=forms.CheckboxSelectMultiple,
    )
    max_use_license_days = forms.IntegerField(
        label=_("Longest use license, in days"),
        help_text=_(
            "How long a reader may go on without asking again, and so how long a revocation may take to reach everybody."
        ),
        min_value=1,
        max_value=365,
    )


class DomainForm(forms.Form):
    """A mail domain to be proven."""

    domain = forms.CharField(
        label=_("Domain"),
        help_text=_("What stands after the @ in your people's addresses, for example example.org."),
        max_length=254,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        ),
    )


class DeactivationForm(forms.Form):
    """The name, typed, so that nobody switches protection off by a slip."""

    name = forms.CharField(
        label=_("Type the name of the organization"), widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._expected = tenant.name

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name.strip() != self._expected:
            raise ValidationError(_("This is not the name of the organization. Type it exactly as shown."))
        return name


class RemovalForm(DeactivationForm):
    """As there, and why; the reason stands in the mail to the administrators and in the receipt."""

    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("All administrators read it."),
        min_length=3,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
