"""The end of a key: disabling it, enabling it again, destroying it by two people, the certificate."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from administration.incident_end import APPROVE, ASK, CANCEL, DISABLE, why_not
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
from tracking.models import Destruction


@dataclass(frozen=True, slots=True)
class End:
    """One step on the way: what its page says of a key before, what it does (with the values of its form), what is said then.

    One without `danger` closes nothing, so it names no documents. `of_asked`: only where a destruction was asked for.
    """

    title: Promise
    said: Callable[[KeyVersion, Destruction], list[str]]
    change: Callable[..., object]
    done: Promise
    danger: bool = True
    form: type[DestructionForm] | None = None
    of_asked: bool = False


def _said_to_disable(key: KeyVersion, asked: Destruction) -> list[str]:
    days = key.tenant.max_use_license_days
    return [
        _(
            "Documents that were sealed to another key go on opening. Nothing is removed, and you can undo it."
        ),
        ngettext(
            "Who has opened a document before may be able to read it for up to %(n)d more day.",
            "Who has opened a document before may be able to read it for up to %(n)d more days.",
            days,
        )
        % {"n": days},
    ]


def _said_to_destroy(key: KeyVersion, asked: Destruction) -> list[str]:
    return [
        _("After that nothing and nobody can open them again. Get off this key first to keep them."),
        _(
            "It is carried out when another person, who has held their role for 24 hours, has approved it and the days of grace are over. All administrators are told by mail."
        ),
    ]


def _said_to_approve(key: KeyVersion, asked: Destruction) -> list[str]:
    return [
        _("%(who)s asks for it. Reason: %(reason)s") % {"who": asked.asked_by, "reason": asked.reason},
        ngettext(
            "It is carried out %(n)d day after your approval, and can be canceled until then.",
            "It is carried out %(n)d days after your approval, and can be canceled until then.",
            asked.grace_days,
        )
        % {"n": asked.grace_days},
    ]


ENABLE = "enable"
ENDS: Mapping[str, End] = {
    DISABLE: End(
        gettext_lazy("Disable the key"),
        _said_to_disable,
        lambda key, asked, actor: disable_key(key.tenant, key, actor=actor),
        gettext_lazy("The key is disabled."),
    ),
    ENABLE: End(
        gettext_lazy("Enable the key"),
        lambda key, asked: [_("Everything that is sealed to this key opens again, to whom it is granted.")],
        lambda key, asked, actor: enable_key(key.tenant, key, actor=actor),
        gettext_lazy("The key opens again."),
        danger=False,
    ),
    ASK: End(
        gettext_lazy("Destroy the key"),
        _said_to_destroy,
        lambda key, asked, actor, **chosen: ends.ask_destruction(key.tenant, key, actor=actor, **chosen),
        gettext_lazy("The destruction has been asked for. Another administrator has to approve it."),
        form=DestructionForm,
    ),
    APPROVE: End(
        gettext_lazy("Approve the destruction"),
        _said_to_approve,
        lambda key, asked, actor: ends.approve_destruction(asked, actor=actor),
        gettext_lazy("Approved. The days of grace have begun."),
        of_asked=True,
    ),
    CANCEL: End(
        gettext_lazy("Cancel the destruction"),
        lambda key, asked: [_("The key is not destroyed. It stays disabled, and can be enabled again.")],
        lambda key, asked, actor: ends.cancel_destruction(asked, actor=actor),
        gettext_lazy("The destruction is canceled. The key stays disabled."),
        danger=False,
        of_asked=True,
    ),
}


def _page(end: End) -> Callable[..., HttpResponse]:
    """The page of a step: what it means, in words and numbers, and where it hurts, by name; then it is done."""

    @require_http_methods(["GET", "POST"])
    @member_page(MANAGE_KEYS)
    @fresh_sign_in
    def page(request: MemberRequest, key_id: uuid.UUID) -> HttpResponse:
        key = _find(request, key_id)
        asked: Any = destruction_of(key)
        if end.of_asked and asked is None:
            return redirect("key", key.id)
        form = end.form(request.POST or None) if end.form else None
        if request.method == "POST" and (form is None or form.is_valid()):
            try:
                if end is ENDS[APPROVE]:
                    asked = ends.destruction_as_shown(key, request.POST.get("destruction", ""))
                end.change(key, asked, request.user, **(form.cleaned_data if form else {}))
            except ChangeRefusedError as error:
                messages.error(request, str(error))
            else:
                messages.success(request, str(end.done))
            return redirect("key", key.id)
        context = {
            "key": key,
            "title": end.title,
            "said": end.said(key, asked),
            "form": form,
            "danger": end.danger,
            "refusal": why_not(key, request.user) if end is ENDS[APPROVE] else None,
            "shown": asked.id if end is ENDS[APPROVE] else None,
            **(closed_by(key, request.GET) if end.danger else {}),
        }
        status = 400 if form is not None and form.errors else 200
        return render(request, "portal/key_end.html", context, status=status)

    return page


disable, enable = _page(ENDS[DISABLE]), _page(ENDS[ENABLE])
destroy, approve, cancel = _page(ENDS[ASK]), _page(ENDS[APPROVE]), _page(ENDS[CANCEL])


def closed_by(key: KeyVersion, query: QueryDict) -> dict[str, Any]:
    """What opens for nobody without this key: in numbers, and by name page by page."""
    page = page_of(documents_on(key.tenant, key), query, "-published_at", "id")
    readers = last_readers(page.rows)
    return {
        "losses": losses_of(key.tenant, key),
        "page": page,
        "rows": [(document, readers.get(document.content_id, [])) for document in page.rows],
    }


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


def _find(request: MemberRequest, key_id: uuid.UUID) -> KeyVersion:
    key = KeyVersion.objects.for_tenant(request.tenant).select_related("tenant").filter(id=key_id).first()
    if key is None:
        raise Http404
    return key
