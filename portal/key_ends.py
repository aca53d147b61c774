"""The end of a key: disabling it, enabling it again, destroying it by two people, the certificate."""

import uuid
from collections.abc import Callable, Sequence

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from keys.models import KeyVersion
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.key_ends import DestructionForm
from portal.paging import page_of
from tenants.changes import ChangeRefusedError
from tenants.membership import MANAGE_KEYS, READ_KEYS
from tracking import destruction as ends
from tracking.disabling import (
    destruction_of,
    disable_key,
    documents_on,
    enable_key,
    last_readers,
    losses_of,
)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def disable(request: MemberRequest, key_id: uuid.UUID) -> HttpResponse:
    """Name what opens for nobody then, and whose it is; then disable the key."""
    key = _find(request, key_id)
    if request.method == "POST":
        return _do(
            request, key, lambda: disable_key(key.tenant, key, actor=request.user), _("The key is disabled.")
        )
    said = [
        _(
            "Documents that were sealed to another key go on opening. Nothing is removed, and you can undo it."
        ),
        _keep_open(request),
    ]
    return _page(request, key, _("Disable the key"), said)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def enable(request: MemberRequest, key_id: uuid.UUID) -> HttpResponse:
    """Ask once, then let the key open again."""
    key = _find(request, key_id)
    if request.method == "POST":
        return _do(
            request, key, lambda: enable_key(key.tenant, key, actor=request.user), _("The key opens again.")
        )
    said = [_("Everything that is sealed to this key opens again, to whom it is granted.")]
    return _page(request, key, _("Enable the key"), said, danger=False)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def destroy(request: MemberRequest, key_id: uuid.UUID) -> HttpResponse:
    """Say what is lost for good and name it; then ask for the destruction, with a reason."""
    key = _find(request, key_id)
    form = DestructionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _do(
            request,
            key,
            lambda: ends.ask_destruction(key.tenant, key, actor=request.user, **form.cleaned_data),
            _("The destruction has been asked for. Another administrator has to approve it."),
        )
    said = [
        _("After that nothing and nobody can open them again. Get off this key first to keep them."),
        _(
            "It is carried out when another person, who has held their role for 24 hours, has approved it and the days of grace are over. All administrators are told by mail."
        ),
    ]
    return _page(request, key, _("Destroy the key"), said, form=form)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def approve(request: MemberRequest, key_id: uuid.UUID) -> HttpResponse:
    """What is asked for, by whom and why; then the approval of a second person."""
    key = _find(request, key_id)
    asked = destruction_of(key)
    if asked is None:
        return redirect("key", key.id)
    if request.method == "POST":
        return _do(
            request,
            key,
            lambda: ends.approve_destruction(asked, actor=request.user),
            _("Approved. The days of grace have begun."),
        )
    said = [
        _("%(who)s asks for it. Reason: %(reason)s") % {"who": asked.asked_by, "reason": asked.reason},
        ngettext(
            "It is carried out %(n)d day after your approval, and can be canceled until then.",
            "It is carried out %(n)d days after your approval, and can be canceled until then.",
            asked.grace_days,
        )
        % {"n": asked.grace_days},
    ]
    return _page(request, key, _("Approve the destruction"), said)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def cancel(request: MemberRequest, key_id: uuid.UUID) -> HttpResponse:
    """Ask once, then take the destruction back."""
    key = _find(request, key_id)
    asked = destruction_of(key)
    if asked is None:
        return redirect("key", key.id)
    if request.method == "POST":
        return _do(
            request,
            key,
            lambda: ends.cancel_destruction(asked, actor=request.user),
            _("The destruction is canceled. The key stays disabled."),
        )
    said = [_("The key is not destroyed. It stays disabled, and can be enabled again.")]
    return _page(request, key, _("Cancel the destruction"), said, danger=False)


@require_safe
@member_page(MANAGE_KEYS, READ_KEYS)
def certificate(request: MemberRequest, key_id: uuid.UUID) -> HttpResponse:
    """The signed certificate as a file."""
    key = _find(request, key_id)
    found = destruction_of(key)
    if found is None or found.finished_at is None:
        raise Http404
    name = f"destroyed-key-{key.fingerprint[:16]}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(found.certificate, content_type="application/json", headers=headers)


def _page(
    request: MemberRequest,
    key: KeyVersion,
    title: str,
    said: Sequence[str],
    *,
    form: DestructionForm | None = None,
    danger: bool = True,
) -> HttpResponse:
    """One page for every step: what it means, in words and numbers, and where it hurts, by name."""
    context = {"key": key, "title": title, "said": said, "form": form, "danger": danger}
    if danger:
        page = page_of(documents_on(request.tenant, key), request.GET, "-published_at", "id")
        readers = last_readers(page.rows)
        context |= {
            "losses": losses_of(request.tenant, key),
            "page": page,
            "rows": [(document, readers.get(document.content_id, [])) for document in page.rows],
        }
    return render(
        request, "portal/key_end.html", context, status=400 if form is not None and form.errors else 200
    )


def _do(request: MemberRequest, key: KeyVersion, change: Callable[[], object], done: str) -> HttpResponse:
    try:
        change()
    except ChangeRefusedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("key", key.id)


def _keep_open(request: MemberRequest) -> str:
    days = request.tenant.max_use_license_days
    return ngettext(
        "Who has opened a document before may be able to read it for up to %(n)d more day.",
        "Who has opened a document before may be able to read it for up to %(n)d more days.",
        days,
    ) % {"n": days}


def _find(request: MemberRequest, key_id: uuid.UUID) -> KeyVersion:
    key = KeyVersion.objects.for_tenant(request.tenant).select_related("tenant").filter(id=key_id).first()
    if key is None:
        raise Http404
    return key
