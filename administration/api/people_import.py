"""People from a CSV file, by machine."""

from typing import IO, Any

from django.http import QueryDict
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person
from tenants import membership
from tenants.changes import Actor
from tenants.people_import import Plan, import_people, plan_import
from tenants.people_table import MAX_BYTES

_SHOWN_COMPLAINTS = 1000


class CsvParser(BaseParser):
    """The body is the file, as it is."""

    media_type = "text/csv"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, bytes]:
        return {"file": stream.read(MAX_BYTES + 1)}


class ImportRequestSerializer(serializers.Serializer[Any]):
    """`csv` is the text of the file. A body of the type `text/csv` is taken as the file; then the rest stands in the query.

    `leave_out` imports the good rows where others are wrong; without it one wrong row keeps everything out.
    """

    csv = serializers.CharField(trim_whitespace=False)
    dry_run = serializers.BooleanField(required=False, default=False)
    leave_out = serializers.BooleanField(required=False, default=False)


class ComplaintSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    column = serializers.CharField()
    message = serializers.CharField(source="text")


class ImportSerializer(serializers.Serializer[Any]):
    """What the file does, or did. `wrong_rows` are the first thousand; `left_out` counts the rows that are wrong, `outside` the
    new people without an address in a proven domain."""

    new = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    left_out = serializers.IntegerField()
    outside = serializers.IntegerField()
    ignored_columns = serializers.ListField(child=serializers.CharField())
    wrong_rows = ComplaintSerializer(many=True)
    dry_run = serializers.BooleanField()


class ImportPeopleView(ApiView):
    requires = membership.ADMINISTER
    parser_classes = (JSONParser, CsvParser)
    creates = True

    @extend_schema(
        request={"application/json": ImportRequestSerializer, "text/csv": bytes},
        responses=ImportSerializer,
        parameters=[
            OpenApiParameter("dry_run", bool, description="with a body of the type text/csv"),
            OpenApiParameter("leave_out", bool, description="with a body of the type text/csv"),
        ],
    )
    def post(self, request: Request) -> Response:
        """Add people from a CSV file and add to those who are here, all by one transaction. Nobody is removed."""
        data, dry_run, leave_out = _asked(request)
        tenant, actor = organization(request), Actor.of(person(request))
        if dry_run:
            plan = plan_import(tenant, data)
        else:
            plan = import_people(tenant, data, actor=actor, leave_out=leave_out)
        return Response(ImportSerializer(_facts(plan, dry_run)).data)


def _asked(request: Request) -> tuple[bytes, bool, bool]:
    if isinstance(request.data, dict) and isinstance(request.data.get("file"), bytes):
        query: QueryDict = request.GET
        given = {name: query[name] for name in ("dry_run", "leave_out") if name in query}
        asked = ImportRequestSerializer(data={"csv": "-", **given})
        asked.is_valid(raise_exception=True)
        data: bytes = request.data["file"]
    else:
        asked = ImportRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data["csv"].encode()
    return data, asked.validated_data["dry_run"], asked.validated_data["leave_out"]


def _facts(plan: Plan, dry_run: bool) -> dict[str, Any]:
    return {
        "new": len(plan.new),
        "changed": len(plan.changed),
        "unchanged": plan.unchanged,
        "left_out": len(plan.left_out),
        "outside": plan.outside,
        "ignored_columns": plan.table.ignored,
        "wrong_rows": plan.complaints[:_SHOWN_COMPLAINTS],
        "dry_run": dry_run,
    }
