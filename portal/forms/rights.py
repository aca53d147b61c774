"""What people type about rights: who, how much, why; and what their organization lets them grant."""

from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from licensing.special import SPECIAL_POLICIES
from policies.models import PolicyTemplate
from policies.publishing import localized
from portal.wording import LEVELS
from rms import rights as codes
from tenants.models import Tenant

NO_ACCESS = "none"
CHOICES: list[tuple[str, str | Promise]] = [
    ("", _("Choose")),
    *LEVELS.items(),
    *((role, name) for role, (name, _description) in SPECIAL_POLICIES.items()),
    (NO_ACCESS, _("No access")),
]


class AccessForm(forms.Form):
    """Who may do what with one document from now on."""

    who = forms.CharField(
        label=_("Who"),
        help_text=_("An address, group:NAME, @domain, members or anyone."),
        max_length=300,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    level = forms.ChoiceField(
        label=_("What they may do"),
        help_text=_(
            "For an address, this is what its holder has, whatever groups they are in. For anything wider, it replaces that grant."
        ),
        choices=CHOICES,
    )
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("Kept in the history of the document. Readers do not see it."),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    @property
    def rights(self) -> str:
        """As `licensing.access.change_access` takes it: a level or special policy; empty for none."""
        level: str = self.cleaned_data["level"]
        return "" if level == NO_ACCESS else level


def level_code(rights: tuple[str, ...]) -> str:
    """The choice that stands for exactly these rights; empty when none does."""
    if not rights:
        return NO_ACCESS
    known = {**codes.LEVELS, **codes.SPECIALS}
    return next((role for role, expected in known.items() if set(expected) == set(rights)), "")


class LimitsForm(forms.Form):
    """What people may grant on their own, and the template that is offered first."""

    own_permissions = forms.BooleanField(
        label=_("People may say themselves who may open"),
        help_text=_("Otherwise they protect with templates only, and change no access afterwards."),
        required=False,
    )
    outsiders = forms.BooleanField(
        label=_("People may grant to addresses and domains outside your organization"),
        help_text=_("Outside is whatever is neither in your proven domains nor an address of your people."),
        required=False,
    )
    anyone = forms.BooleanField(
        label=_("People may grant to anybody who signs in"),
        help_text=_("That includes people outside, so it needs the permission above."),
        required=False,
    )
    default_template = forms.ChoiceField(
        label=_("Default template"),
        help_text=_("Offered first, and taken for programs that protect without choosing."),
        required=False,
    )

    def __init__(self, *args: Any, tenant: Tenant, language: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = PolicyTemplate.objects.for_tenant(tenant).offered().prefetch_related("current__names")
        field = self.fields["default_template"]
        assert isinstance(field, forms.ChoiceField)
        names = [
            (str(template.id), localized(template.current, [language]).name)
            for template in offered
            if template.current is not None
        ]
        field.choices = [("", _("None")), *sorted(names, key=lambda entry: entry[1].casefold())]
