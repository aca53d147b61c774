"""What administrators type about roles, super users, who may protect, and services."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from tenants.holders import find_group, find_person, find_service
from tenants.models import RoleAssignment, Tenant


class HolderForm(forms.Form):
    """Somebody or something of the organization, found by what is typed; `found` is how domain functions take it."""

    holder = forms.CharField(max_length=254, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    services = False

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tenant = tenant
        self.found: dict[str, Any] = {}

    def clean_holder(self) -> str:
        text: str = self.cleaned_data["holder"]
        kinds = [("user", find_person), ("group", find_group)]
        for kind, find in kinds:
            found = find(self._tenant, text)
            if found is not None:
                self.found = {kind: found}
                return text
        service = find_service(self._tenant, text) if self.services else None
        if service is None:
            raise ValidationError(_("Nobody and nothing in your organization has this address or name."))
        self.found = {"service": service}
        return text


class RoleForm(HolderForm):
    """Who gets which role."""

    holder = forms.CharField(
        label=_("Person or group"),
        help_text=_("The address of a person, or the name of a group."),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(label=_("Role"), choices=RoleAssignment.Role.choices)


class SuperUserForm(HolderForm):
    """Who becomes a super user, why, and until when."""

    services = True
    holder = forms.CharField(
        label=_("Person, group or service"),
        help_text=_("The address of a person, or the name of a group or of a service."),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    reason = forms.CharField(
        label=_("Reason"), help_text=_("All administrators read it."), max_length=500, widget=forms.Textarea
    )
    until = forms.DateTimeField(
        label=_("Ends"),
        help_text=_("Without a time it lasts until somebody ends it."),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
    )


class ProtectingForm(forms.Form):
    """Who may protect."""

    who = forms.ChoiceField(label=_("Who may protect"), choices=Tenant.Onboarding.choices)
    group = forms.CharField(
        label=_("Group"),
        help_text=_("Needed only where one group may protect."),
        max_length=254,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tenant = tenant

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = self.cleaned_data
        text = values.get("group", "")
        values["found"] = None
        if values.get("who") == Tenant.Onboarding.GROUP:
            values["found"] = find_group(self._tenant, text) if text else None
            if values["found"] is None:
                self.add_error("group", _("There is no group of this name in your organization."))
        return values


class ServiceForm(forms.Form):
    """A new service."""

    name = forms.CharField(
        label=_("Name"), max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    protect_for_others = forms.BooleanField(
        label=_("May protect in somebody else's name"),
        help_text=_("The person named becomes the owner of the document."),
        required=False,
    )
