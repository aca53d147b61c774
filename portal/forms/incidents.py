"""What is chosen in an incident of a key."""

import uuid
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from administration.incident_end import ASK, MOVES
from administration.incidents import Choice
from keys.incidents import USED
from keys.models import KeyIncident, KeyVersion
from keys.rollover import ALLOWED_BITS
from portal.forms.key_ends import DestructionForm
from tenants.models import Tenant

_MOST_NAMED = 1000
_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]


_STATES = {
    KeyVersion.State.ACTIVE: _("Active"),
    KeyVersion.State.ARCHIVED: _("Archived"),
    KeyVersion.State.DISABLED: _("Disabled"),
}


def _named(key: KeyVersion) -> str:
    """A key by its fingerprint, its state and since when it was in use."""
    since = date_format(timezone.localtime(key.activated_at or key.created_at), "SHORT_DATE_FORMAT")
    return f"{key.fingerprint[:16]} · {_STATES[KeyVersion.State(key.state)]} · {since}"


class OpenForm(forms.Form):
    """What happened, to which key."""

    kind = forms.ChoiceField(label=_("What happened"), choices=KeyIncident.Kind.choices)
    key = forms.ModelChoiceField(
        label=_("Key"),
        queryset=KeyVersion.objects.none(),  # unscoped: none, until the form knows the organization
        empty_label=None,
    )
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("What is known. All administrators read it in their mail."),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    drill = forms.BooleanField(
        label=_("An exercise"), help_text=_("Every step only says what it would do."), required=False
    )

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        keys = KeyVersion.objects.for_tenant(tenant).filter(state__in=USED).order_by("-activated_at")
        field: Any = self.fields["key"]
        field.queryset, field.label_from_instance = keys, _named
        field.initial = keys.filter(state=KeyVersion.State.ACTIVE).first()


class StepForm(forms.Form):
    """A step without a choice."""

    @property
    def choice(self) -> Choice:
        """What was chosen, once it is valid."""
        return Choice()


class SizeForm(StepForm):
    bits = forms.TypedChoiceField(
        label=_("Size of the new key"), choices=[(bits, f"RSA {bits}") for bits in ALLOWED_BITS], coerce=int
    )

    @property
    def choice(self) -> Choice:
        return Choice(bits=self.cleaned_data["bits"])


class EndForm(StepForm):
    """What comes next in the end of the old key, as it was shown; with a reason where its destruction is asked for."""

    move = forms.ChoiceField(choices=[(move, move) for move in MOVES], widget=forms.HiddenInput)
    destruction = forms.UUIDField(required=False, widget=forms.HiddenInput)
    reason = DestructionForm.base_fields["reason"]
    grace_days = DestructionForm.base_fields["grace_days"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if (self.data.get("move") if self.is_bound else self.initial.get("move")) != ASK:
            del self.fields["reason"], self.fields["grace_days"]

    @property
    def choice(self) -> Choice:
        return Choice(**self.cleaned_data)


class RevokeForm(StepForm):
    """Documents by their ids, or by the time in which they were protected with the key."""

    documents = forms.CharField(
        label=_("Documents"),
        help_text=_("Ids of documents, one a line, as in their addresses and in the log. Empty: by time."),
        required=False,
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    since = forms.DateTimeField(
        label=_("Protected from"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        input_formats=_FORMATS,
    )
    until = forms.DateTimeField(
        label=_("Protected before"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        input_formats=_FORMATS,
    )

    def clean_documents(self) -> str:
        words = self.cleaned_data["documents"].split()
        try:
            ids = [str(uuid.UUID(word.strip("{}"))) for word in words]
        except ValueError:
            raise ValidationError(_("One of these is not the id of a document.")) from None
        if len(ids) > _MOST_NAMED:
            raise ValidationError(_("Name at most 1,000 documents at a time."))
        return "\n".join(ids)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = self.cleaned_data
        if not self.errors and not any(values.get(name) for name in ("documents", "since", "until")):
            raise ValidationError(_("Name documents, or the time in which they were protected."))
        return values

    @property
    def choice(self) -> Choice:
        ids = tuple(uuid.UUID(word) for word in self.cleaned_data["documents"].split())
        return Choice(content_ids=ids, since=self.cleaned_data["since"], until=self.cleaned_data["until"])
