"""What an admin types about the organization's identity provider."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from tenants.models import IdentityProvider
from tenants.provider_metadata import MAX_METADATA
from tenants.sso import Setup


class SignOnForm(forms.Form):
    """What both kinds have in common."""

    kind = ""
    name = forms.CharField(
        label=_("Name on the sign-in page"),
        help_text=_("What your people call it. 1 to 40 characters."),
        max_length=40,
    )
    creates_accounts = forms.BooleanField(
        label=_("Make accounts at the first sign-in"),
        help_text=_(
            "For addresses in your proven domains only. Else people are invited, imported or synced first."
        ),
        required=False,
    )
    trust_addresses = forms.BooleanField(
        label=_("Trust addresses it calls not verified"),
        help_text=_("Only if nobody can choose their own address there."),
        required=False,
    )

    def __init__(self, data: Any = None, files: Any = None, *, provider: IdentityProvider | None) -> None:
        known = provider if provider is not None and provider.kind == self.kind else None
        initial: dict[str, Any] = {"creates_accounts": True}
        if known is not None:
            facts = known.settings
            initial = {**facts, "name": known.name, "creates_accounts": known.creates_accounts}
        super().__init__(data, files, initial=initial)
        self.known = known
        self.order_fields(["name", "issuer", "client_id", "client_secret", "metadata_url", "metadata"])

    def setup(self) -> Setup:
        """What was entered, for `tenants.sso.configure`."""
        values = {name: value for name, value in self.cleaned_data.items() if name != "metadata"}
        upload = self.cleaned_data.get("metadata")
        return Setup(kind=self.kind, metadata=upload.read() if upload else b"", **values)


class OpenIDForm(SignOnForm):
    kind = IdentityProvider.Kind.OPENID_CONNECT
    issuer = forms.CharField(
        label=_("Issuer"),
        help_text=_(
            "The address before /.well-known/openid-configuration, for instance https://login.example.com/"
        ),
        max_length=500,
        widget=forms.URLInput,
    )
    client_id = forms.CharField(label=_("Client ID"), max_length=191)
    client_secret = forms.CharField(
        label=_("Client secret"),
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.known is not None:
            self.fields["client_secret"].required = False
            self.fields["client_secret"].help_text = _("Leave it empty to keep the one there is.")


class SamlForm(SignOnForm):
    kind = IdentityProvider.Kind.SAML
    metadata_url = forms.CharField(
        label=_("Address of its metadata"),
        help_text=_("It is read again when a signature fits no certificate, so that renewed ones are found."),
        max_length=500,
        required=False,
        widget=forms.URLInput,
    )
    metadata = forms.FileField(
        label=_("Or its metadata as a file"),
        required=False,
        widget=forms.ClearableFileInput(attrs={"accept": ".xml,application/xml,text/xml"}),
    )

    def clean_metadata(self) -> Any:
        upload = self.cleaned_data["metadata"]
        if upload and upload.size > MAX_METADATA:
            raise ValidationError(_("This metadata is longer than 512 KB."))
        return upload


class UseForm(forms.Form):
    """How people of the organization sign in."""

    use = forms.ChoiceField(
        label=_("How your people sign in"),
        choices=[
            (IdentityProvider.Use.OFF, _("With their password here")),
            (IdentityProvider.Use.OPTIONAL, _("With their password, or with the identity provider")),
            (IdentityProvider.Use.ENFORCED, _("With the identity provider only")),
        ],
        widget=forms.RadioSelect,
    )


class ReleaseForm(forms.Form):
    """A person whose account at the identity provider is a new one."""

    address = forms.EmailField(
        label=_("Email address"),
        help_text=_(
            "The next account that the identity provider vouches for with this address is bound to the person."
        ),
        max_length=254,
    )


FORMS: dict[str, type[SignOnForm]] = {form.kind: form for form in (OpenIDForm, SamlForm)}
