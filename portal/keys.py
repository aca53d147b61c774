"""The keys of an organization: which there are, what hangs on them, rolling in a new one."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from keys.errors import RollInProgressError
from keys.models import KeyVersion
from keys.rollover import start_roll
from portal.access import MemberRequest, fresh_sign_in, member_page
from tenants.membership import MANAGE_KEYS, READ_KEYS, may
from tracking.models import Document

STATE_TONES = {"active": "good", "pending": "info", "archived": "", "destroyed": "bad"}


@require_safe
@member_page(MANAGE_KEYS, READ_KEYS)
def key_list(request: MemberRequest) -> HttpResponse:
    """All key versions, newest first, with the documents that hang on each."""
    keys = list(KeyVersion.objects.for_tenant(request.tenant).order_by("-created_at"))
    hanging = Document.objects.for_tenant(request.tenant).values_list("key_id").annotate(Count("id"))
    counts = dict(hanging)
    context = {
        "rows": [
            {"key": key, "documents": counts.get(key.id, 0), "tone": STATE_TONES[key.state]} for key in keys
        ],
        "pending": any(key.state == KeyVersion.State.PENDING for key in keys),
        "active": next((key for key in keys if key.state == KeyVersion.State.ACTIVE), None),
        "may_roll": may(request.user, MANAGE_KEYS),
    }
    partial = request.headers.get("HX-Target") == "keys"
    return render(request, "portal/keys_rows.html" if partial else "portal/keys.html", context)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def roll(request: MemberRequest) -> HttpResponse:
    """Say what rolling means, then start it."""
    if request.method == "POST":
        try:
            start_roll(request.tenant, actor=request.user)
        except RollInProgressError:
            messages.error(request, _("A new key is already on its way. Wait until it is active."))
        else:
            messages.success(request, _("A new key has been made. It becomes active within a minute."))
        return redirect("keys")
    keys = KeyVersion.objects.for_tenant(request.tenant)
    active = keys.filter(state=KeyVersion.State.ACTIVE).first()
    if active is None:
        return redirect("keys")
    context = {
        "active": active,
        "documents": Document.objects.for_tenant(request.tenant).filter(key=active).count(),
        "pending": keys.filter(state=KeyVersion.State.PENDING).exists(),
    }
    return render(request, "portal/key_roll.html", context)
