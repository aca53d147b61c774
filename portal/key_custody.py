"""Bringing one's own key, holding it, restoring it, and where keys are kept."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys import importing, keeping
from keys.errors import KeyCustodyError
from keys.models import KeyPolicy, KeyVersion
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.key_custody import BringForm, PlaceForm, WrappedForm
from tenants.membership import MANAGE_KEYS
from tracking.models import Document


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def bring(request: MemberRequest) -> HttpResponse:
    """Make an import key, wrap with it, upload: three steps on one page."""
    form = BringForm(
        request.POST or None,
        request.FILES or None,
        has_token=keeping.has_token(),
        in_effect=keeping.place_for(request.tenant.id),
    )
    if request.method == "POST" and form.is_valid():
        place = form.cleaned_data.get("place", "")
        try:
            importing.import_key(
                request.tenant, form.cleaned_data["wrapped"], actor=request.user, place=place
            )
        except KeyCustodyError as error:
            form.add_error("wrapped", str(error))
        else:
            messages.success(request, _("Your key has been taken in. It becomes active within a minute."))
            return redirect("keys")
    return _page(request, "portal/key_bring.html", form, {})


@require_POST
@member_page(MANAGE_KEYS)
@fresh_sign_in
def import_key_new(request: MemberRequest) -> HttpResponse:
    """Make an import key, then back to the page that needs it."""
    importing.make_import_key(request.tenant, actor=request.user)
    messages.success(request, _("An import key has been made. Download it and wrap your key with it."))
    if request.POST.get("next") == "key_recovery":
        return redirect("key_recovery")
    held = _held(request, request.POST.get("restore", ""))
    return redirect("key_restore", held.id) if held is not None else redirect("key_bring")


@require_safe
@member_page(MANAGE_KEYS)
def import_key_file(request: MemberRequest) -> HttpResponse:
    """The public half of the import key as a file."""
    row = importing.current_import_key(request.tenant)
    if row is None:
        raise Http404
    headers = {"Content-Disposition": 'attachment; filename="import.pem"'}
    return HttpResponse(
        importing.import_public_pem(row), content_type="application/x-pem-file", headers=headers
    )


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def hold(request: MemberRequest, key_id: uuid.UUID) -> HttpResponse:
    """Say what stops working, then hold the key."""
    key = _find(request, key_id)
    if request.method == "POST":
        try:
            importing.hold_key(key, actor=request.user)
        except KeyCustodyError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("The key is held. Bring it again to open what it protects."))
        return redirect("key", key.id)
    if not importing.is_holdable(key):
        return redirect("key", key.id)
    return render(request, "portal/key_hold.html", {"key": key, "documents": _documents(key)})


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def restore(request: MemberRequest, key_id: uuid.UUID) -> HttpResponse:
    """Bring a held key again."""
    key = _find(request, key_id)
    if key.held_at is None:
        return redirect("key", key.id)
    form = WrappedForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            importing.restore_key(key, form.cleaned_data["wrapped"], actor=request.user)
        except KeyCustodyError as error:
            form.add_error("wrapped", str(error))
        else:
            messages.success(request, _("The key is back. What it protects opens again."))
            return redirect("key", key.id)
    return _page(request, "portal/key_restore.html", form, {"key": key, "documents": _documents(key)})


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def place(request: MemberRequest) -> HttpResponse:
    """Decide where new keys are made."""
    policy = KeyPolicy.objects.for_tenant(request.tenant).first()
    chosen = policy.place if policy else ""
    form = PlaceForm(request.POST or None, has_token=keeping.has_token(), initial={"place": chosen})
    if request.method == "POST" and form.is_valid():
        try:
            importing.choose_place(request.tenant, form.cleaned_data["place"], actor=request.user)
        except KeyCustodyError as error:
            form.add_error("place", str(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("keys")
    context = {"form": form, "in_effect": KeyPolicy.Place(keeping.place_for(request.tenant.id)).label}
    return render(request, "portal/key_place.html", context, status=400 if form.errors else 200)


def _page(request: MemberRequest, template: str, form: WrappedForm, more: dict[str, Any]) -> HttpResponse:
    row = importing.current_import_key(request.tenant)
    context = {
        "form": form,
        "import_key": row,
        "fingerprint": importing.import_fingerprint(row) if row else "",
        "pending": KeyVersion.objects.for_tenant(request.tenant)
        .filter(state=KeyVersion.State.PENDING)
        .exists(),
        "openssl": OPENSSL,
        **more,
    }
    return render(request, template, context, status=400 if form.errors else 200)


def _find(request: MemberRequest, key_id: uuid.UUID) -> KeyVersion:
    key = KeyVersion.objects.for_tenant(request.tenant).select_related("tenant").filter(id=key_id).first()
    if key is None:
        raise Http404
    return key


def _held(request: MemberRequest, key_id: str) -> KeyVersion | None:
    held = KeyVersion.objects.for_tenant(request.tenant).exclude(held_at=None)
    return next((key for key in held if str(key.id) == key_id), None)


def _documents(key: KeyVersion) -> int:
    return Document.objects.for_tenant(key.tenant).filter(key=key).count()


# As in docs/administrators.md, where a test runs it.
OPENSSL = """openssl rand -out aes.bin 32
openssl pkeyutl -encrypt -pubin -inkey import.pem -in aes.bin -out wrapped-aes.bin \\
    -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
openssl pkcs8 -topk8 -nocrypt -in key.pem -outform DER |
    openssl enc -id-aes256-wrap-pad -K "$(od -An -v -tx1 aes.bin | tr -d ' \\n')" -iv A65959A6 -out wrapped-key.bin
cat wrapped-aes.bin wrapped-key.bin > wrapped.bin
rm aes.bin wrapped-aes.bin wrapped-key.bin
"""
