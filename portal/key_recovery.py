"""Bringing keys back that are missing here, from the package of an own export: look first, then once more."""

import base64
from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from administration.recovery import Recovery, look_at_package, recover
from keys import importing
from keys.errors import KeyCustodyError
from keys.recovery import Fate
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.key_recovery import CarriedForm, PackageForm
from portal.key_custody import OPENSSL
from tenants.membership import MANAGE_KEYS

# What comes back bears a badge; why the others do not is said in a sentence, which has to have room on a telephone.
FATES: Final[dict[str, tuple[Promise, str]]] = {
    Fate.BACK: (gettext_lazy("Comes back"), "good"),
    Fate.NEW: (gettext_lazy("Is added, archived"), "good"),
    Fate.HERE: (gettext_lazy("Is here and works"), ""),
    Fate.HELD: (gettext_lazy("You hold it: restore it on its page"), ""),
    Fate.GONE: (gettext_lazy("Destroyed or withdrawn here, for good"), ""),
    Fate.ABSENT: (gettext_lazy("Its private half is not in the package"), ""),
}


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def recovery(request: MemberRequest) -> HttpResponse:
    """Upload the package and the wrapped recipient's key; say what comes back; bring it back."""
    if request.POST.get("do") == "bring":
        carried = CarriedForm(request.POST)
        if carried.is_valid():
            return _bring(request, carried.cleaned_data["package"], carried.cleaned_data["wrapped"])
    form = PackageForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data["package"]
        try:
            return _look(request, look_at_package(request.tenant, data), data, form.cleaned_data["wrapped"])
        except KeyCustodyError as error:
            form.add_error("package", str(error))
    return _page(request, form)


def _look(request: MemberRequest, found: Recovery, data: bytes, wrapped: bytes) -> HttpResponse:
    context = {
        "found": found,
        "rows": [(one.key, *FATES[one.fate]) for one in found.keys],
        "form": CarriedForm(initial={"package": _packed(data), "wrapped": _packed(wrapped)}),
    }
    return render(request, "portal/key_recovery_look.html", context)


def _bring(request: MemberRequest, data: bytes, wrapped: bytes) -> HttpResponse:
    try:
        done = recover(request.tenant, data, wrapped, actor=request.user)
    except KeyCustodyError as error:
        form = PackageForm()
        form.problem = str(error)
        return _page(request, form)
    text = ngettext(
        "%(n)d key is back. What it protects opens again.",
        "%(n)d keys are back. What they protect opens again.",
        done.returning,
    )
    messages.success(request, text % {"n": done.returning})
    return redirect("keys")


def _page(request: MemberRequest, form: PackageForm) -> HttpResponse:
    row = importing.current_import_key(request.tenant)
    context: dict[str, Any] = {
        "form": form,
        "import_key": row,
        "fingerprint": importing.import_fingerprint(row) if row else "",
        "openssl": OPENSSL.replace("-in key.pem", "-in recipient-key.pem"),
        "key_file": "recipient-key.pem",
        "return_to": "key_recovery",
    }
    status = 400 if form.errors or form.problem else 200
    return render(request, "portal/key_recovery.html", context, status=status)


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
