"""A person's own details."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.access import PersonRequest, person_page
from portal.forms.people import ProfileForm
from portal.preferences import remember_language
from tenants.preferences import set_preferences


@require_http_methods(["GET", "POST"])
@person_page
def profile(request: PersonRequest) -> HttpResponse:
    """Name, language, time zone."""
    person = request.user
    initial = {
        "name": person.name,
        "language": person.language or translation.get_language() or settings.LANGUAGE_CODE,
        "time_zone": person.time_zone,
    }
    form = ProfileForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        set_preferences(person, **form.cleaned_data)
        with translation.override(person.language):
            messages.success(request, _("Your details have been saved."))
        response = redirect("profile")
        remember_language(response, person.language)
        return response
    return render(request, "portal/profile.html", {"form": form}, status=400 if form.errors else 200)
