"""The operators' page on which an organization arrives: choose the package, compare what it says, take it over.

The recipient's private key passes through memory once: no upload to this page may reach a disk, so it has an upload handler
of its own. The package itself is carried by the page from one step to the next, so that nothing is kept here (docs/adr/0092).
"""

import base64
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from administration.activation import OrganizationError
from administration.arrival import Look, founder_at, import_package, look_at
from keys.errors import KeyCustodyError
from rms.errors import FormatError
from rms.key_package import RecipientKey
from tenants.changes import Actor, ChangeRefusedError
from tenants.models import User

# Carried in a form as base64, below the limit for that (DATA_UPLOAD_MAX_MEMORY_SIZE).
MOST: Final = 20 * 2**20
_MAX_KEY: Final = 32 * 1024


class InMemory(MemoryFileUploadHandler):
    """Whatever is uploaded stays in memory: a private key must not be written down."""

    def handle_raw_input(self, *_: Any, **__: Any) -> None:
        self.activated = True


class PackageForm(forms.Form):
    """The package; `cleaned_data["package"]` is its bytes."""

    package = forms.FileField(
        label="Key package", help_text="The ZIP file of the export of keys, such as keys.zip."
    )

    def clean_package(self) -> bytes:
        data: bytes = self.cleaned_data["package"].read(MOST + 1)
        if len(data) > MOST:
            raise ValidationError(
                f"This page takes packages of up to {MOST // 2**20} MiB. Use manage.py import_key_package for this one."
            )
        return data


class TakeOverForm(forms.Form):
    """What it takes beside the package that was looked at."""

    packed = forms.CharField(widget=forms.HiddenInput)
    recipient_key = forms.FileField(
        label="Private key of the recipient",
        help_text="The one that the package was made for, as PEM or DER. It is used once, in memory, and kept nowhere.",
    )
    password = forms.CharField(
        label="Password of that key",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    administrator = forms.EmailField(
        label="First administrator",
        help_text="Somebody who has signed up here and belongs to no organization. They activate it.",
    )
    name = forms.CharField(
        label="Name of the organization",
        help_text="Type it when the organization has confirmed the fingerprint of the key that signed the package.",
    )

    def clean_packed(self) -> bytes:
        try:
            return base64.b64decode(self.cleaned_data["packed"], validate=True)
        except ValueError:
            raise ValidationError("Choose the package once more.") from None

    def clean(self) -> dict[str, Any]:
        """With the recipient's key, and the founder, where they are as they should be."""
        values: dict[str, Any] = self.cleaned_data
        if "recipient_key" in values:
            data, password = values["recipient_key"].read(_MAX_KEY), values.get("password", "").encode()
            try:
                values["recipient"] = RecipientKey(data, password or None)
            except ValueError as error:
                self.add_error("recipient_key", str(error))
            except TypeError:
                self.add_error(
                    "password", "The key has no password." if password else "The key has a password."
                )
        if "administrator" in values:
            try:
                values["founder"] = founder_at(values["administrator"])
            except OrganizationError as error:
                self.add_error("administrator", str(error))
        return values


def arrive(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """For operators who may change something. Raises `PermissionDenied`.

    The address is exempt from the middleware's look for the token, which would read the uploads before their handler is set.
    """
    if not (isinstance(request.user, User) and request.user.is_superuser):
        raise PermissionDenied
    request.upload_handlers = [InMemory(request)]
    return _arrive(request, site)


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("password", "packed")
@csrf_protect
def _arrive(request: HttpRequest, site: AdminSite) -> HttpResponse:
    form: forms.Form = PackageForm()
    try:
        if "packed" in request.POST:
            return _take_over(request, site)
        if request.method == "POST":
            form = PackageForm(request.POST, request.FILES)
            if form.is_valid():
                return _confirm(request, site, form.cleaned_data["package"])
    except FormatError as error:
        form.add_error(None, str(error)) if form.is_bound else messages.error(request, str(error))
    return _page(request, site, form, None)


def _confirm(request: HttpRequest, site: AdminSite, data: bytes) -> HttpResponse:
    packed = base64.b64encode(data).decode("ascii")
    return _page(request, site, TakeOverForm(initial={"packed": packed}), look_at(data))


def _take_over(request: HttpRequest, site: AdminSite) -> HttpResponse:
    form = TakeOverForm(request.POST, request.FILES)
    form.is_valid()
    data = form.cleaned_data.get("packed", b"")
    look, typed = look_at(data), form.cleaned_data.get("name")
    if typed is not None and typed != look.name:
        form.add_error("name", f"The package is of {look.name}. Type that name.")
    if form.is_valid():
        assert isinstance(request.user, User)  # `arrive` has looked
        values = form.cleaned_data
        try:
            done = import_package(
                data, values["recipient"], founder=values["founder"], actor=Actor.of(request.user)
            )
        except (FormatError, OrganizationError, KeyCustodyError, ChangeRefusedError) as error:
            form.add_error(None, str(error))
        else:
            messages.success(
                request,
                f"{done.tenant.name} has arrived, inactive: {done.keys} keys, {done.templates} templates and {done.documents} "
                f"documents with withdrawn or changed access. {values['founder'].email} activates it: nothing opens before.",
            )
            return redirect("admin:tenants_tenant_change", done.tenant.id)
    return _page(request, site, form, look)


def _page(request: HttpRequest, site: AdminSite, form: forms.Form, look: Look | None) -> HttpResponse:
    context = {**site.each_context(request), "title": "Take an organization over", "form": form, "look": look}
    status = 400 if form.is_bound and form.errors else 200
    return TemplateResponse(request, "admin/arrive.html", context, status=status)
