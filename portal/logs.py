"""The logs of an organization: usage by day for download, and every change to its settings."""

import datetime as dt

from django.contrib import messages
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from administration.log_proofs import prove_day
from audit.aggregation import day_file, days
from audit.errors import SegmentDamagedError
from audit.models import AdminEvent
from portal.access import MemberRequest, member_page
from portal.paging import page_of
from portal.wording import CHANGES
from tenants.membership import READ_LOGS

DAYS_SHOWN = 92


@require_safe
@member_page(READ_LOGS)
def usage_log(request: MemberRequest) -> HttpResponse:
    """The days that have a usage log."""
    found = days(request.tenant.id)
    return render(request, "portal/logs.html", {"days": found[:DAYS_SHOWN], "more": len(found) > DAYS_SHOWN})


@require_safe
@member_page(READ_LOGS)
def usage_day(request: MemberRequest, day: dt.date) -> HttpResponse:
    """One day's usage log as a file, W3C extended format."""
    try:
        pieces = day_file(request.tenant.id, day)
    except SegmentDamagedError:
        messages.error(
            request, _("A piece of this day's file is missing on the server. Tell whoever operates it.")
        )
        return redirect("logs")
    response = StreamingHttpResponse(pieces, content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="rmslog-{day}.log"'
    return response  # type: ignore[return-value]  # a streaming response is one too, for Django


@require_safe
@member_page(READ_LOGS)
def usage_proof(request: MemberRequest, day: dt.date) -> HttpResponse:
    """The installation's signature under a day that is over, to be kept beside its file."""
    proof = prove_day(request.tenant.id, day)
    if proof is None:
        raise Http404
    response = HttpResponse(f"{proof}\n", content_type="application/jose")
    response.headers["Content-Disposition"] = f'attachment; filename="rmslog-{day}.proof"'
    return response


@require_safe
@member_page(READ_LOGS)
def admin_log(request: MemberRequest) -> HttpResponse:
    """Every change to the organization's settings, newest first."""
    text = request.GET.get("q", "").strip()[:200]
    events = AdminEvent.objects.for_tenant(request.tenant.id)
    if text:
        events = events.filter(actor__icontains=text) | events.filter(target__icontains=text)
    page = page_of(events, request.GET, "-id")
    rows = [{"event": event, "word": CHANGES.get(event.action, "")} for event in page.rows]
    return render(request, "portal/logs_admin.html", {"text": text, "page": page, "rows": rows})


class DayConverter:
    """A day in an address: 2026-01-31. One that does not exist is no address."""

    regex = r"2[0-9]{3}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> dt.date:
        return dt.date.fromisoformat(value)

    def to_url(self, value: dt.date) -> str:
        return value.isoformat()
