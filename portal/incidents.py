"""Incidents of keys: what to do when a key leaked, was misused or is too weak, step by step, and exercises for it."""

import uuid
from typing import Any, Final

from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from administration.incident_end import can_cancel, why_not
from administration.incident_report import message_of, written
from administration.incidents import (
    DONE,
    TODO,
    UNDER_WAY,
    WAITING,
    Step,
    close,
    steps_of,
    suggested_bits,
    take_step,
    uses_by_person,
    would_do,
)
from keys import incidents as steps
from keys.errors import KeyCustodyError
from keys.incidents import PLAYBOOK, TITLES, USED, incidents_of, open_incident
from keys.models import KeyIncident, KeyVersion
from portal.access import MemberRequest, fresh_sign_in, member_page
from portal.forms.incidents import EndForm, OpenForm, RevokeForm, SizeForm, StepForm
from portal.key_ends import ENDS, closed_by
from portal.paging import page_of
from tenants.changes import ChangeRefusedError
from tenants.membership import MANAGE_KEYS, READ_KEYS, may
from tracking.disabling import destruction_of

STATES: Final[dict[str, tuple[Promise, str]]] = {
    TODO: (gettext_lazy("To do"), "warn"),
    WAITING: (gettext_lazy("Waits for another step"), ""),
    UNDER_WAY: (gettext_lazy("Under way"), "info"),
    DONE: (gettext_lazy("Done"), "good"),
}
NUMBERS: Final[dict[str, Promise]] = {
    "documents": gettext_lazy("Documents"),
    "later": gettext_lazy("Documents left for the next time"),
    "left": gettext_lazy("Documents that need its private half"),
    "bits": gettext_lazy("Bits of the new key"),
    "tokens": gettext_lazy("Tokens of devices and services"),
    "sessions": gettext_lazy("Browsers signed in"),
    "services": gettext_lazy("Services"),
    "super_users_on": gettext_lazy("Super users switched on"),
    "uses": gettext_lazy("Uses in 90 days"),
    "refused": gettext_lazy("Of these refused"),
    "people": gettext_lazy("People"),
    "addresses": gettext_lazy("Network addresses"),
    "issuers": gettext_lazy("People who protected them"),
    "unregistered": gettext_lazy("Seen, in no register"),
}
EFFECTS: Final[dict[str, Promise]] = {
    steps.ROLL: gettext_lazy(
        "A new key protects everything from now on. The present one is archived and goes on opening what it protected."
    ),
    steps.END_ACCESS: gettext_lazy(
        "Everybody but you is signed out everywhere, tokens of services end, and super users are switched off. Who can still prove who they are signs in again. Afterwards give services new secrets, and suspend whose account was used."
    ),
    steps.HOLD: gettext_lazy(
        "The key leaves this server at once: what still needs it opens for nobody until you bring it again."
    ),
    steps.READ_LOG: gettext_lazy(
        "Who used the key, from where. Look for people and addresses you do not expect, then say that you have looked."
    ),
    steps.REVOKE: gettext_lazy(
        "Nobody but issuer and super users can open the documents any more. At most 500 at a time; each can be restored on its own page."
    ),
    steps.RESEAL: gettext_lazy(
        "Registered documents need the old private key no more. No file is touched, and every copy goes on opening."
    ),
    steps.DESTROY: gettext_lazy(
        "The old key is disabled, somebody asks for its destruction, another person approves it, and when the days of grace are over it is gone. As long as documents need it, seal them to the active key first."
    ),
    steps.TELL: gettext_lazy("Send this text to the people concerned, then say that you have."),
}
BUTTONS: Final[dict[str, Promise]] = {
    steps.ROLL: gettext_lazy("Make a new key"),
    steps.END_ACCESS: gettext_lazy("Sign everybody out"),
    steps.HOLD: gettext_lazy("Hold the key"),
    steps.READ_LOG: gettext_lazy("I have looked"),
    steps.REVOKE: gettext_lazy("Revoke access"),
    steps.RESEAL: gettext_lazy("Seal to the active key"),
    steps.TELL: gettext_lazy("I have told them"),
}
_DANGEROUS: Final = (steps.END_ACCESS, steps.HOLD, steps.REVOKE, steps.DESTROY)


@require_safe
@member_page(MANAGE_KEYS, READ_KEYS)
def incident_list(request: MemberRequest) -> HttpResponse:
    """What to do in which case, and every incident and exercise there was."""
    kinds = KeyIncident.Kind.choices
    context = {
        "table": [
            {"kind": kind, "label": label, "steps": [TITLES[step] for step in PLAYBOOK[kind]]}
            for kind, label in kinds
        ],
        "page": page_of(incidents_of(request.tenant), request.GET, "-opened_at", "id"),
        "may_act": may(request.user, MANAGE_KEYS),
    }
    return render(request, "portal/incidents.html", context)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def open_page(request: MemberRequest) -> HttpResponse:
    """Say what happened, to which key; then all administrators are told."""
    if not KeyVersion.objects.for_tenant(request.tenant).filter(state__in=USED).exists():
        messages.error(request, _("There is no key yet to which something could have happened."))
        return redirect("key_incidents")
    initial = {name: request.GET[name] for name in ("kind", "drill") if name in request.GET}
    form = OpenForm(request.POST or None, initial=initial, tenant=request.tenant)
    if request.method == "POST" and form.is_valid():
        try:
            made = open_incident(request.tenant, actor=request.user, **form.cleaned_data)
        except ChangeRefusedError as error:
            form.add_error(None, str(error))
        else:
            return redirect("key_incident", made.id)
    return render(request, "portal/incident_open.html", {"form": form}, status=400 if form.errors else 200)


@require_safe
@member_page(MANAGE_KEYS, READ_KEYS)
def incident(request: MemberRequest, incident_id: uuid.UUID) -> HttpResponse:
    """One incident: its steps in order, each as far as it is."""
    found = _find(request, incident_id)
    context = {
        "incident": found,
        "rows": [_row(step) for step in steps_of(found)],
        "may_act": may(request.user, MANAGE_KEYS) and found.closed_at is None,
    }
    return render(request, "portal/incident.html", context)


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def step_page(request: MemberRequest, incident_id: uuid.UUID, step: str) -> HttpResponse:
    """Say in numbers what a step does, and take it."""
    found = _find(request, incident_id)
    state = next((one for one in steps_of(found) if one.name == step), None)
    if state is None:
        raise Http404
    if found.closed_at is not None:
        return redirect("key_incident", found.id)
    form = _form(request, found, state)
    if request.method == "POST":
        if not may(request.user, state.power):
            raise PermissionDenied
        if form.is_valid():
            _take(request, found, step, form)
            return redirect("key_incident", found.id)
    context = {
        "incident": found,
        "step": step,
        "title": TITLES[step],
        "effect": EFFECTS[step],
        "row": _row(state),
        "form": form,
        "allowed": may(request.user, state.power),
        "danger": step in _DANGEROUS and not found.drill,
        "button": _("Note what it would do") if found.drill else BUTTONS.get(step),
        "offers_button": found.drill or state.state == TODO or step not in _ONCE,
        **_preview(request, found, state, form),
        **(_end(request, found, state) if step == steps.DESTROY and not found.drill else {}),
    }
    return render(request, "portal/incident_step.html", context, status=400 if form.errors else 200)


@require_safe
@member_page(MANAGE_KEYS, READ_KEYS)
def message(request: MemberRequest, incident_id: uuid.UUID) -> HttpResponse:
    """The text for the people concerned, as a file."""
    return _text(message_of(_find(request, incident_id)) + "\n", "message.txt")


@require_safe
@member_page(MANAGE_KEYS, READ_KEYS)
def report(request: MemberRequest, incident_id: uuid.UUID) -> HttpResponse:
    """The record of what was done when, as a file."""
    return _text(written(_find(request, incident_id), reader=request.user), "incident.txt")


@require_http_methods(["GET", "POST"])
@member_page(MANAGE_KEYS)
@fresh_sign_in
def close_page(request: MemberRequest, incident_id: uuid.UUID) -> HttpResponse:
    """Say what is not done yet, then end the incident."""
    found = _find(request, incident_id)
    if request.method == "POST":
        try:
            close(found, actor=request.user)
        except ChangeRefusedError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("Closed. The record says what was done when."))
        return redirect("key_incident", found.id)
    left = [TITLES[step.name] for step in steps_of(found) if step.state != DONE]
    return render(request, "portal/incident_close.html", {"incident": found, "left": left})


# Steps that are taken once: what they begin goes on by itself.
_ONCE: Final = (steps.ROLL, steps.RESEAL, steps.HOLD)


def _find(request: MemberRequest, incident_id: uuid.UUID) -> KeyIncident:
    found = incidents_of(request.tenant).filter(id=incident_id).first()
    if found is None:
        raise Http404
    return found


def _form(request: MemberRequest, found: KeyIncident, state: Step) -> StepForm:
    step = state.name
    if step == steps.DESTROY and not found.drill:
        return EndForm(request.POST or None, initial=_shown(found, state))
    if step == steps.ROLL:
        return SizeForm(request.POST or None, initial={"bits": suggested_bits(found)})
    if step == steps.REVOKE:
        asked = request.POST or (request.GET if "since" in request.GET else None)
        return RevokeForm(asked)
    return StepForm(request.POST if request.method == "POST" else None)


def _shown(found: KeyIncident, state: Step) -> dict[str, Any]:
    return {"move": state.move, "destruction": state.destruction, "reason": found.reason}


def _preview(request: MemberRequest, found: KeyIncident, state: Step, form: StepForm) -> dict[str, Any]:
    """What the step would do in numbers, for those who may take it; documents have to be chosen before."""
    if not may(request.user, state.power):
        return {}
    chosen = state.name != steps.REVOKE or (form.is_bound and form.is_valid())
    preview: dict[str, Any] = {"chosen": chosen}
    if chosen:
        choice = form.choice if state.name == steps.REVOKE else None
        facts = would_do(found, state.name, actor=request.user, **({"choice": choice} if choice else {}))
        preview["numbers"] = _in_words(facts)
    if state.name == steps.READ_LOG:
        preview["uses"] = uses_by_person(found)
    if state.name == steps.TELL:
        preview["message"] = message_of(found)
    return preview


def _end(request: MemberRequest, found: KeyIncident, state: Step) -> dict[str, Any]:
    """The end of the old key as its own pages show it: what comes next, who may do it, what is lost by it."""
    end, asked = ENDS.get(state.move), destruction_of(found.key)
    refusal = why_not(found.key, request.user)
    return {
        "said": end.said(found.key, asked) if end else [],  # type: ignore[arg-type]  # there is one where it is of one
        "button": end.title if end else "",
        "offers_button": end is not None and refusal is None,
        "danger": end is not None,
        "refusal": refusal,
        "destruction": asked,
        "can_cancel": can_cancel(found.key),
        **(closed_by(found.key, request.GET) if end else {}),
    }


def _take(request: MemberRequest, found: KeyIncident, step: str, form: StepForm) -> None:
    try:
        facts = take_step(found, step, actor=request.user, choice=form.choice)
    except (ChangeRefusedError, KeyCustodyError) as error:
        messages.error(request, str(error))
        return
    if found.drill:
        messages.success(request, _("Noted. Nothing was changed."))
    elif step == steps.DESTROY:
        messages.success(request, str(ENDS[form.choice.move].done))
    elif step == steps.REVOKE:
        done = facts["documents"]
        text = ngettext("Access to %(n)d document revoked.", "Access to %(n)d documents revoked.", done)
        messages.success(request, text % {"n": done})
    else:
        messages.success(request, _("Done, and noted in the incident."))


def _row(step: Step) -> dict[str, Any]:
    word, tone = STATES[step.state]
    return {
        "step": step,
        "title": TITLES[step.name],
        "word": word,
        "tone": tone,
        "numbers": _in_words(step.facts),
    }


def _in_words(facts: dict[str, int]) -> list[tuple[Promise | str, str]]:
    """Counts with thousands set apart; the size of a key is a name rather than a count."""
    return [
        (NUMBERS.get(name, name), str(number) if name == "bits" else intcomma(number))
        for name, number in facts.items()
    ]


def _text(body: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(body, content_type="text/plain; charset=utf-8", headers=headers)
