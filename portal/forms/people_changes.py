"""What an admin types about people, and an invited person about themselves."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from tenants.models import Group, Tenant
from tenants.people_search import PeopleFilter

MAX_INVITED = 50
_GROUPS_OFFERED = 200


class InvitationForm(forms.Form):
    """Whom to ask to join, in which language, and into which groups."""

    addresses = forms.CharField(
        label=_("Addresses"),
        help_text=_("One a line, 50 at most. Each gets a mail with a link that is valid for 14 days."),
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off"}),
    )
    name = forms.CharField(
        label=_("Name"), help_text=_("Only when you invite a single person."), max_length=100, required=False
    )
    language = forms.ChoiceField(label=_("Language of the mail"), choices=settings.LANGUAGES)
    groups: "forms.ModelMultipleChoiceField[Group]" = forms.ModelMultipleChoiceField(
        label=_("Groups"), queryset=None, required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"].initial = tenant.default_language
        offered = Group.objects.for_tenant(tenant).filter(from_directory=False).order_by("name")
        choices = self.fields["groups"]
        assert isinstance(choices, forms.ModelMultipleChoiceField)
        choices.queryset = (
            Group.objects.for_tenant(tenant)
            .filter(id__in=list(offered.values_list("id", flat=True)[:_GROUPS_OFFERED]))
            .order_by("name")
        )
        if not choices.queryset.exists():
            del self.fields["groups"]

    def clean_addresses(self) -> list[str]:
        text: str = self.cleaned_data["addresses"]
        found = list(dict.fromkeys(part.lower() for part in text.replace(",", " ").replace(";", " ").split()))
        if len(found) > MAX_INVITED:
            raise forms.ValidationError(_("Invite 50 people at most at once."))
        return found


class AcceptForm(forms.Form):
    """Name and password of somebody who accepts an invitation."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label=_("Password"),
        help_text=_("At least 10 characters."),
        max_length=256,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password


class PersonForm(forms.Form):
    """What an admin may change of a person."""

    name = forms.CharField(label=_("Name"), max_length=100, required=False)
    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES, required=False)
    licensed = forms.BooleanField(
        label=_("Licensed"),
        help_text=_("Counts where only licensed people may protect."),
        required=False,
    )


class FilterForm(forms.Form):
    """The filters of the list of people, as they stand in the address; what makes no sense filters nothing."""

    q = forms.CharField(required=False, max_length=200)
    state = forms.CharField(required=False, max_length=20)
    role = forms.CharField(required=False, max_length=20)
    group = forms.UUIDField(required=False)
    licensed = forms.CharField(required=False, max_length=3)
    directory = forms.CharField(required=False, max_length=3)

    def wanted(self) -> PeopleFilter:
        self.is_valid()
        given = self.cleaned_data
        return PeopleFilter(
            text=(given.get("q") or "").strip(),
            state=given.get("state") or "",
            role=given.get("role") or "",
            group_id=given.get("group"),
            licensed=given.get("licensed") or "",
            directory=given.get("directory") or "",
        )
