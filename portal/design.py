"""The design system on one page, for those who build pages."""

import datetime as dt

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from portal.charts import columns


class _SampleForm(forms.Form):
    name = forms.CharField(label=_("Name"), help_text=_("How others see you beside your address."))
    address = forms.EmailField(label=_("Email address"), required=False)
    level = forms.ChoiceField(label=_("Level"), choices=[("viewer", _("Viewer")), ("author", _("Co-Author"))])
    reason = forms.CharField(label=_("Reason"), widget=forms.Textarea(attrs={"rows": 3}))
    agree = forms.BooleanField(label=_("Tell me when somebody opens it"), help_text=_("By mail."))
    code = forms.CharField(label=_("Code"))


@require_safe
def design(request: HttpRequest) -> HttpResponse:
    """Every component once. Not part of the product: in production only operators see it."""
    if settings.PRODUCTION and not getattr(request.user, "is_staff", False):
        raise Http404
    now = timezone.now()
    context = {
        "form": _SampleForm(prefix="fine"),
        "wrong": _SampleForm({"wrong-name": "", "wrong-address": "nobody"}, prefix="wrong"),
        "times": [
            now,
            now - dt.timedelta(hours=3),
            now + dt.timedelta(days=12),
            now - dt.timedelta(days=400),
        ],
        "columns": columns([4, 0, 7, 12, 3, 1, 0, 5, 9, 14, 2, 0, 1, 6]),
        "icons": (
            "house",
            "file-lock",
            "shield-check",
            "lock-open",
            "users",
            "key-round",
            "scroll-text",
            "ban",
            "undo-2",
        ),
    }
    return render(request, "portal/design.html", context)
