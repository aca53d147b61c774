"""Protected documents: finding them, seeing who opened them, taking access away and giving it back."""

import uuid
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from licensing.special import SPECIAL_POLICIES
from policies.models import PolicyTemplate
from policies.publishing import localized
from portal.access import MemberRequest, member_page
from portal.forms.documents import RevocationForm
from portal.paging import page_of
from portal.wording import outcome_of, program_in_words
from rms.rights import special_of
from tenants.identity import Caller
from tenants.membership import TRACK_ALL, may
from tenants.models import Tenant, User
from tenants.onboarding import may_protect
from tracking import revocation
from tracking.models import Document, DocumentQuerySet
from tracking.registry import activity_counts, openings_of

# Remembered in the session: this person has seen a document's openings (the fifth step of the quick start).
TRACKED: Final = "tracked"
STATES: Final = ("active", "expired", "revoked")
OPENINGS_SHOWN: Final = 25


def mine(person: User, tenant: Tenant) -> DocumentQuerySet:
    """The documents this person protected."""
    return Document.objects.for_tenant(tenant).trackable_by(person, as_admin=False)


def with_activity(documents: list[Document]) -> list[dict[str, Any]]:
    """Rows of a list: each document with its state and how often it was opened and refused."""
    counts = activity_counts(documents)
    rows = []
    for document in documents:
        opened, refused = counts.get(document.content_id, (0, 0))
        rows.append({"document": document, "state": state_of(document), "opened": opened, "refused": refused})
    return rows


def state_of(document: Document) -> str:
    """One of STATES; a revoked document stays revoked when it expires."""
    if document.is_revoked:
        return "revoked"
    return (
        "expired" if document.expires_at is not None and document.expires_at <= timezone.now() else "active"
    )


def _in_state(documents: DocumentQuerySet, state: str) -> DocumentQuerySet:
    expired = Q(expires_at__isnull=False, expires_at__lte=timezone.now())
    if state == "revoked":
        return documents.filter(revoked_at__isnull=False)
    if state == "expired":
        return documents.filter(expired, revoked_at__isnull=True)
    if state == "active":
        return documents.filter(~expired, revoked_at__isnull=True)
    return documents


@require_safe
@member_page()
def document_list(request: MemberRequest) -> HttpResponse:
    """All documents one may track: one's own, or the organization's for those who oversee it."""
    oversees = may(request.user, TRACK_ALL)
    whose = request.GET.get("whose", "") if oversees else ""
    state, text = request.GET.get("state", ""), request.GET.get("q", "").strip()[:200]
    documents = Document.objects.for_tenant(request.tenant).trackable_by(
        request.user, as_admin=oversees and whose != "mine"
    )
    page = page_of(_in_state(documents, state).matching(text), request.GET, "-published_at", "id")
    context = {
        "oversees": oversees,
        "whose": whose,
        "state": state,
        "states": STATES,
        "text": text,
        "page": page,
        "rows": with_activity(page.rows),
        "filtered": bool(text or state in STATES),
        "can_protect": request.tenant.is_active and may_protect(Caller.of(request.user), request.tenant),
    }
    partial = request.headers.get("HX-Target") == "documents"
    return render(request, "portal/documents_rows.html" if partial else "portal/documents.html", context)


@require_safe
@member_page()
def document(request: MemberRequest, content_id: uuid.UUID) -> HttpResponse:
    """One document: what it is, in what state, who opened it."""
    found = find_document(request, content_id)
    openings = page_of(openings_of(found), request.GET, "-id", size=OPENINGS_SHOWN)
    opened, refused = activity_counts([found]).get(content_id, (0, 0))
    if opened:
        request.session[TRACKED] = True
    template = _template_of(found)
    context = {
        "document": found,
        "state": state_of(found),
        "policy": _policy_name(found, template),
        "template": template,
        "opened": opened,
        "refused": refused,
        "page": openings,
        "openings": [
            {"event": event, "outcome": outcome_of(event.result), "program": program_in_words(event.c_info)}
            for event in openings.rows
        ],
        "access_until": revocation.access_until(found) if found.is_revoked else None,
        "may_revoke": revocation.may_revoke(found, request.user),
    }
    return render(request, "portal/document.html", context)


@require_http_methods(["GET", "POST"])
@member_page()
def revoke(request: MemberRequest, content_id: uuid.UUID) -> HttpResponse:
    """Ask why, say what it means and until when copies may still be read, then take access away."""
    found = _find_revocable(request, content_id)
    if found.is_revoked:
        return redirect("document", content_id)
    form = RevocationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        revocation.revoke(found, actor=request.user, reason=form.cleaned_data["reason"])
        messages.success(request, _("Access to %(name)s has been revoked.") % {"name": found})
        return redirect("document", content_id)
    readers = openings_of(found).filter(result="Success").order_by().values("user_id").distinct().count()
    context = {
        "document": found,
        "form": form,
        "access_until": revocation.access_until(found),
        "readers": readers,
    }
    return render(request, "portal/document_revoke.html", context, status=400 if form.errors else 200)


@require_POST
@member_page()
def restore(request: MemberRequest, content_id: uuid.UUID) -> HttpResponse:
    """Undo a revocation."""
    found = _find_revocable(request, content_id)
    revocation.restore(found, actor=request.user)
    messages.success(request, _("Access to %(name)s has been restored.") % {"name": found})
    return redirect("document", content_id)


def find_document(request: MemberRequest, content_id: uuid.UUID) -> Document:
    """A document whose history this person may see. Raises `Http404`."""
    documents = Document.objects.for_tenant(request.tenant).select_related("tenant")
    found = documents.trackable_by(request.user, as_admin=may(request.user, TRACK_ALL)).filter(
        content_id=content_id
    )
    document = found.first()
    if document is None:
        raise Http404
    return document


def _find_revocable(request: MemberRequest, content_id: uuid.UUID) -> Document:
    """As `find_document`, refused to those who only look."""
    found = find_document(request, content_id)
    if not revocation.may_revoke(found, request.user):
        raise PermissionDenied
    return found


def _template_of(document: Document) -> PolicyTemplate | None:
    """The template whose current version decides about the document."""
    if document.template_id is None:
        return None
    templates = PolicyTemplate.objects.for_tenant(document.tenant).with_current()
    template = templates.filter(id=document.template_id).first()
    return template if template is not None and template.current is not None else None


def _policy_name(document: Document, template: PolicyTemplate | None) -> str:
    """The policy's name now, in the reader's language; as it was at protection when it was made for this document."""
    special = special_of(document.terms["grants"]) if document.terms else ""
    if special:
        return str(SPECIAL_POLICIES[special][0])
    if template is None or template.current is None:
        return document.name
    return localized(template.current, [get_language() or "en"]).name
