"""The keys of an organization: which there are, what hangs on them, how they are used, and rolling in a new one."""

import uuid
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from keys.errors import KeyCustodyError, NoRollError, RollInProgressError
from keys.importing import is_holdable
from keys.models import KeyNotice, KeyVersion
from keys.notices import Warning, warnings_of
from keys.rollover import start_roll
from keys.schedule import policy_row, read_policy, set_policy, withdraw_roll
from keys.uses import SHOWN_DAYS, Day, uses_of
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.charts import columns
from portal.forms.keys import PolicyForm, RollForm
from portal.paging import page_of
from portal.powers import ask
from tenants.membership import MANAGE_KEYS, READ_KEYS, may
from tenants.models import Tenant
from tracking.disabling import destruction_of, unregistered_on
from tracking.models import Document
from tracking.resealing import ResealingError, hanging_on, may_be_got_off, request_resealing, resealing_of

STATE_TONES = {
    "active": "good",
    "pending": "info",
    "archived": "",
    "disabled": "warn",
    "destroyed": "bad",
    "withdrawn": "",
}


@require_safe
@member_page(MANAGE_KEYS, READ_KEYS)
def key_list(request: MemberRequest) -> HttpResponse:
    """Key versions, newest first, with the documents that hang on each; what is planned, what there is to know."""
    tenant = request.tenant
    versions = KeyVersion.objects.for_tenant(tenant)
    active = versions.filter(state=KeyVersion.State.ACTIVE).first()
    page = page_of(versions, request.GET, "-created_at", "id")
    ids = [key.id for key in page.rows]
    uses = uses_of(tenant, [*ids, active.id] if active and active.id not in ids else ids)
    counts = _documents_on(tenant, ids)
    row = policy_row(tenant)
    context = {
        "rows": [
            {
                "key": key,
                "documents": counts.get(key.id, 0),
                "tone": tone_of(key),
                "uses": sum(day.total for day in uses[key.id]),
            }
            for key in page.rows
        ],
        "page": page,
        "pending": versions.filter(state=KeyVersion.State.PENDING).first(),
        "active": active,
        "may_roll": may(request.user, MANAGE_KEYS),
        "policy": read_policy(row),
        "row": row,
        "warnings": [
            _in_words(warning)
            for warning in warnings_of(tenant)
            if warning.kind != KeyNotice.Kind.ROLL_PLANNED  # said more fully above them
        ],
        **(_chart(uses[active.id]) if active else {}),
    }
    partial = request.headers.get("HX-Target") == "keys"
    return render(request, "portal/keys_rows.html" if partial else "portal/keys.html", context)


@require_safe
@member_page(MANAGE_KEYS, READ_KEYS)
def key_detail(request: MemberRequest, key_id: uuid.UUID) -> HttpResponse:
    """One version: its facts, and its uses day by day."""
    key = KeyVersion.objects.for_tenant(request.tenant).filter(id=key_id).first()
    if key is None:
        raise Http404
    context = {
        "key": key,
        "tone": tone_of(key),
        "may_hold": may(request.user, MANAGE_KEYS),
        "holdable": is_holdable(key),
        "documents": Document.objects.for_tenant(request.tenant).filter(key=key).count(),
        "need_private_key": hanging_on([key.id])[key.id],
        "resealing": resealing_of(request.tenant, key),
        "unregistered": unregistered_on(key).count(),
        "destruction": destruction_of(key),
        "may_change": may(request.user, MANAGE_KEYS),
        "may_reseal": may_be_got_off(key) and may(request.user, MANAGE_KEYS),
        **_chart(uses_of(request.tenant, [key.id])[key.id]),
    }
    return render(request, "portal/key.html", context)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def roll(request: MemberRequest) -> HttpResponse:
    """Say in numbers what rolling means, then start it, or plan it."""
    tenant = request.tenant
    keys = KeyVersion.objects.for_tenant(tenant)
    active = keys.filter(state=KeyVersion.State.ACTIVE).first()
    if active is None:
        return redirect("keys")
    row = policy_row(tenant)
    form = RollForm(request.POST or None, initial={"bits": read_policy(row).bits})
    if request.method == "POST" and form.is_valid():
        _start(request, form.cleaned_data)
        return redirect("keys")
    context = {
        "active": active,
        "documents": Document.objects.for_tenant(tenant).filter(key=active).count(),
        "uses": sum(day.total for day in uses_of(tenant, [active.id])[active.id]),
        "days": SHOWN_DAYS,
        "pending": keys.filter(state=KeyVersion.State.PENDING).exists(),
        "row": row,
        "form": form,
    }
    return render(request, "portal/key_roll.html", context, status=400 if form.errors else 200)


def _start(request: MemberRequest, chosen: dict[str, Any]) -> None:
    try:
        start_roll(request.tenant, actor=request.user, bits=chosen["bits"], at=chosen["at"])
    except RollInProgressError:
        messages.error(request, _("A new key is already on its way. Wait until it is active."))
    except KeyCustodyError:
        messages.error(
            request, _("The new key could not be made: the key store does not answer. Nothing was changed.")
        )
    else:
        text = (
            _("A new key has been made. It becomes active at the planned time.")
            if chosen["at"]
            else _("A new key has been made. It becomes active within a minute.")
        )
        messages.success(request, text)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def withdraw(request: MemberRequest) -> HttpResponse:
    """Ask once, then give up the key that is on its way."""
    pending = KeyVersion.objects.for_tenant(request.tenant).filter(state=KeyVersion.State.PENDING).first()
    if request.method == "POST":
        try:
            withdraw_roll(request.tenant, actor=request.user)
        except NoRollError:
            messages.error(request, _("There is nothing to withdraw: no new key is on its way any more."))
        else:
            messages.success(request, _("The new key has been withdrawn. The present one stays active."))
        return redirect("keys")
    if pending is None:
        return redirect("keys")
    return ask(
        request,
        title=_("Withdraw the new key"),
        warning=_(
            "The new key %(key)s is given up for good; nothing hangs on it. The present key stays active."
        )
        % {"key": pending.fingerprint[:16]},
        more=_("A roll by policy is tried again after 7 days.") if policy_row(request.tenant) else "",
        button=_("Withdraw"),
        back="keys",
        crumb=_("Keys"),
    )


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def reseal(request: MemberRequest, key_id: uuid.UUID) -> HttpResponse:
    """Say in numbers what getting off a key means, then begin with it."""
    key = KeyVersion.objects.for_tenant(request.tenant).filter(id=key_id).first()
    if key is None:
        raise Http404
    if request.method == "POST":
        try:
            request_resealing(request.tenant, key, actor=request.user)
        except ResealingError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("The documents are being sealed to the active key."))
        return redirect("key", key.id)
    documents = hanging_on([key.id])[key.id]
    return ask(
        request,
        title=_("Get off this key"),
        warning=ngettext(
            "%(n)d registered document is sealed to the active key. No file is touched, and every copy goes on opening.",
            "%(n)d registered documents are sealed to the active key. No file is touched, and every copy goes on opening.",
            documents,
        )
        % {"n": documents},
        more=_(
            "This key is disabled and stays so: devices and browsers are refused, and only the server uses it, for this. What is sealed to the active key opens again, to whom it is granted."
        )
        if key.state == KeyVersion.State.DISABLED
        else _(
            "Afterwards they need this private key no more. A key that you brought or hold then no longer decides over them."
        ),
        button=_("Seal to the active key"),
        back="key",
        back_to=[key.id],
        crumb=_("Key"),
    )


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def policy(request: MemberRequest) -> HttpResponse:
    """When keys are rolled by themselves: what another policy would mean, with dates, and the change."""
    tenant, row = request.tenant, policy_row(request.tenant)
    now = read_policy(row)
    asked = request.POST if request.method == "POST" else request.GET if "bits" in request.GET else None
    form = PolicyForm(asked, initial=now.as_json())
    preview: dict[str, Any] = {}
    if asked is not None and form.is_valid():
        if request.method == "POST":
            set_policy(tenant, form.policy, actor=request.user)
            messages.success(request, _("Your choice has been saved."))
            return redirect("keys")
        active = KeyVersion.objects.for_tenant(tenant).filter(state=KeyVersion.State.ACTIVE).first()
        put_off = row.put_off_until if row else None
        if active is not None:
            preview = {
                "active": active,
                "days": (timezone.now() - active.activated_at).days if active.activated_at else 0,
                "next_roll_at": form.policy.next_roll(active, now=timezone.now(), put_off_until=put_off),
                "ages_at": form.policy.ages_at(active),
            }
    context = {"form": form, "preview": preview, "row": row, "policy": now}
    return render(request, "portal/key_policy.html", context, status=400 if form.errors else 200)


def tone_of(key: KeyVersion) -> str:
    return "warn" if key.held_at else STATE_TONES[key.state]


def _documents_on(tenant: Tenant, keys: list[uuid.UUID]) -> dict[uuid.UUID, int]:
    hanging = (
        Document.objects.for_tenant(tenant).filter(key__in=keys).values_list("key_id").annotate(Count("id"))
    )
    return dict(hanging)


def _in_words(warning: Warning) -> dict[str, Any]:
    quiet = warning.kind == KeyNotice.Kind.ROLL_DUE
    tone = "bad" if warning.is_bad else "info" if quiet else "warn"
    return {
        "text": str(warning.text) % warning.values,
        "tone": tone,
        "icon": "info" if quiet else "triangle-alert",
    }


def _chart(days: list[Day]) -> dict[str, Any]:
    """The uses of a key as a drawing, its message, and the days with their numbers, newest first."""
    total = sum(day.total for day in days)
    busiest = max(days, key=lambda day: day.total)
    message = ngettext("Used %(n)d time in 30 days", "Used %(n)d times in 30 days", total) % {"n": total}
    return {
        "uses_chart": columns([day.total for day in days]),
        "uses_message": message,
        "busiest": busiest if total else None,
        "days": [day for day in reversed(days) if day.total],
        "first_day": days[0].day,
        "last_day": days[-1].day,
    }
