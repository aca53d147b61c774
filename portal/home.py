"""The first page: what to do next, how things stand, what has happened."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from administration.sign_up import refusal
from audit.models import UsageEvent
from keys.models import KeyVersion
from portal.access import PersonRequest, person_page
from portal.documents import TRACKED, mine, with_activity
from portal.wording import outcome_of
from tenants.identity import Caller
from tenants.membership import ADMINISTER, may
from tenants.models import Tenant, User, VerifiedDomain
from tenants.onboarding import may_protect
from tracking.models import Document
from tracking.registry import OPENING, SUCCESS

RECENT = 8
# Counting stops here: "10,000+" says as much as an exact number that takes long to find.
COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Progress:
    """The five steps of the quick start: which of them an organization has behind it."""

    activated: bool
    connected: bool
    protected: Document | None
    opened: Document | None
    tracked: bool

    @property
    def steps(self) -> list[str]:
        """For each step "done", "current" or "todo"; the first that is not done is current."""
        done = [
            self.activated,
            self.connected,
            self.protected is not None,
            self.opened is not None,
            self.tracked,
        ]
        current = done.index(False) if False in done else len(done)
        return [
            "done" if is_done else ("current" if i == current else "todo") for i, is_done in enumerate(done)
        ]

    @property
    def finished(self) -> bool:
        return set(self.steps) == {"done"}

    @property
    def count(self) -> int:
        return self.steps.count("done")


@require_safe
@person_page
def home(request: PersonRequest) -> HttpResponse:
    """Whoever comes in starts here: administrators with the steps, members with their documents, guests with a choice."""
    person, tenant = request.user, request.user.tenant
    if tenant is None:
        return render(request, "portal/home_guest.html", {"refused": refusal(person)})
    context: dict[str, Any] = {
        "tenant": tenant,
        "can_protect": tenant.is_active and may_protect(Caller.of(person), tenant),
        "recent": with_activity(list(mine(person, tenant).order_by("-published_at", "id")[:RECENT])),
    }
    if not may(person, ADMINISTER):
        return render(request, "portal/home_member.html", context)
    context["no_domain"] = not VerifiedDomain.objects.for_tenant(tenant).exists()
    context |= {"progress": progress_of(tenant, tracked=bool(request.session.get(TRACKED)))} | _figures(
        tenant
    )
    return render(request, "portal/home_admin.html", context)


def progress_of(tenant: Tenant, *, tracked: bool) -> Progress:
    """How far the organization has come. `tracked`: this person has looked at a document's openings."""
    events = UsageEvent.objects.for_tenant(tenant.id)
    first = Document.objects.for_tenant(tenant).order_by("published_at").first()
    openings = events.filter(request_type=OPENING, result=SUCCESS).order_by("-id")[:200]
    opened_ids = {
        event.content_id for event in openings if event.content_id and event.user_id != event.issuer
    }
    opened = (
        Document.objects.for_tenant(tenant)
        .filter(content_id__in=opened_ids)
        .order_by("-published_at")
        .first()
    )
    return Progress(
        activated=tenant.is_active,
        connected=first is not None or events.exists(),
        protected=first,
        opened=opened,
        tracked=opened is not None and (tracked or len(opened_ids) > 1),
    )


def _figures(tenant: Tenant) -> dict[str, Any]:
    return {
        "documents": Document.objects.for_tenant(tenant)[: COUNTED + 1].count(),
        "people": User.objects.for_tenant(tenant).filter(is_active=True).count(),
        "counted": COUNTED,
        "key": KeyVersion.objects.for_tenant(tenant).filter(state=KeyVersion.State.ACTIVE).first(),
        "activity": _activity(tenant),
        "week": _week(tenant),
    }


def _week(tenant: Tenant) -> dict[str, Any]:
    """Openings of the last seven days, as far as the newest COUNTED rows of the log reach."""
    since = timezone.now() - timedelta(days=7)
    newest = UsageEvent.objects.for_tenant(tenant.id).order_by("-id")[:COUNTED]
    counts = newest.aggregate(
        rows=Count("id"),
        oldest=Min("time"),
        opened=Count("id", filter=Q(request_type=OPENING, result=SUCCESS, time__gte=since)),
        refused=Count("id", filter=Q(request_type=OPENING, time__gte=since) & ~Q(result=SUCCESS)),
    )
    reaches = counts["rows"] < COUNTED or counts["oldest"] < since
    return {"opened": counts["opened"], "refused": counts["refused"], "more": not reaches}


def _activity(tenant: Tenant) -> list[dict[str, Any]]:
    events = UsageEvent.objects.for_tenant(tenant.id).exclude(content_id=None).order_by("-id")[:RECENT]
    return [
        {"event": event, "opening": event.request_type == OPENING, "outcome": outcome_of(event.result)}
        for event in events
    ]


@require_safe
@person_page
def help_page(request: PersonRequest) -> HttpResponse:
    """How to protect, open, track; how to get the command."""
    return render(request, "portal/help.html", {"service": settings.PUBLIC_URL})
