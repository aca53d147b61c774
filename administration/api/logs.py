"""The admin API's view of the logs: daily usage files and the admin log."""

import datetime as dt
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api import serializers as shapes
from administration.api.access import ApiView, organization
from administration.api.paging import Pages
from administration.log_proofs import prove_day
from audit.aggregation import day_file, days
from audit.models import AdminEvent
from tenants import membership


class UsageDaysView(ApiView):
    requires = membership.READ_LOGS

    @extend_schema(responses=shapes.LogDaySerializer(many=True))
    def get(self, request: Request) -> Response:
        """The days (UTC) that have a usage log file; today's grows until midnight."""
        found = [
            {"day": day, "rows": rows, "complete": complete}
            for day, rows, complete in days(organization(request).id)
        ]
        return Response(shapes.LogDaySerializer(found, many=True).data)


class UsageDayView(ApiView):
    requires = membership.READ_LOGS

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.BINARY})
    def get(self, request: Request, day: str) -> Any:
        """One day's usage log in W3C extended format; a day without calls has the header lines only."""
        wanted = parse_day(day)
        if wanted is None:
            raise Http404
        response = StreamingHttpResponse(
            day_file(organization(request).id, wanted), content_type="text/plain; charset=utf-8"
        )
        response.headers["Content-Disposition"] = f'attachment; filename="rmslog-{wanted}.log"'
        return response


class UsageProofView(ApiView):
    requires = membership.READ_LOGS

    @extend_schema(responses={(200, "application/jose"): OpenApiTypes.STR})
    def get(self, request: Request, day: str) -> HttpResponse:
        """The installation's signature under one day's usage log: a JSON Web Signature, to be kept beside the file.

        404 for a day that is not over or not yet written down whole, and for one without calls.
        """
        wanted = parse_day(day)
        proof = prove_day(organization(request).id, wanted) if wanted else None
        if proof is None:
            raise Http404
        response = HttpResponse(f"{proof}\n", content_type="application/jose")
        response.headers["Content-Disposition"] = f'attachment; filename="rmslog-{wanted}.proof"'
        return response


class NewestEvent(Pages):
    ordering: Any = "-id"


class AdminLogView(ApiView, generics.ListAPIView[AdminEvent]):
    serializer_class = shapes.AdminEventSerializer
    pagination_class = NewestEvent
    requires = membership.READ_LOGS

    @extend_schema(
        parameters=[
            OpenApiParameter("from", dt.date, description="first day, UTC"),
            OpenApiParameter("to", dt.date, description="last day, UTC"),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Changes to the organization's settings, newest first."""
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[AdminEvent]:
        events = AdminEvent.objects.for_tenant(organization(self.request).id)
        first, last = self._day("from"), self._day("to")
        if first:
            events = events.filter(time__gte=midnight(first))
        return events.filter(time__lt=midnight(last) + dt.timedelta(days=1)) if last else events

    def _day(self, name: str) -> dt.date | None:
        text = self.request.GET.get(name, "")
        day = parse_day(text)
        if text and day is None:
            raise ValidationError({name: "This is not a day like 2026-01-31."})
        return day


def parse_day(text: str) -> dt.date | None:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return day if dt.date(2000, 1, 1) <= day < dt.date(9000, 1, 1) else None


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
