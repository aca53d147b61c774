"""Incidents of keys and exercises for them: the admin API's view."""

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person, require
from administration.api.paging import Pages
from administration.incident_end import MOVES
from administration.incident_report import events_of, message_of
from administration.incidents import STATES, Choice, close, steps_of, take_step, would_do
from audit.models import AdminEvent
from keys.incidents import TITLES, incidents_of, open_incident
from keys.models import KeyIncident, KeyVersion
from keys.rollover import ALLOWED_BITS
from tenants import membership
from tenants.changes import ChangeRefusedError
from tracking.destruction import LONGEST_GRACE, LONGEST_REASON, SHORTEST_GRACE

_MOST_NAMED = 1000


class IncidentSerializer(serializers.ModelSerializer[KeyIncident]):
    """`drill`: an exercise, which changes nothing."""

    fingerprint = serializers.CharField(source="key.fingerprint")

    class Meta:
        model = KeyIncident
        fields = (
            "id", "kind", "drill", "key", "fingerprint", "reason", "opened_by", "opened_at", "closed_by", "closed_at",
        )  # fmt: skip


class StepSerializer(serializers.Serializer[Any]):
    """`state`: to do, waiting for another step, under way or done, as the facts say; `at`, `by`: as far as known.

    `power` names what the step wants of who takes it. `move` is what taking `destroy` does now: disable the key, ask for its
    destruction, approve what somebody else asked for; empty when nothing is to be done, or the key has to be rolled first.
    `destruction` is the id of what was asked for.
    """

    name = serializers.ChoiceField(choices=list(TITLES))
    state = serializers.ChoiceField(choices=STATES)
    at = serializers.DateTimeField(allow_null=True)
    by = serializers.CharField(allow_blank=True)
    facts = serializers.DictField(child=serializers.IntegerField())
    power = serializers.CharField()
    move = serializers.ChoiceField(choices=MOVES, allow_blank=True)
    destruction = serializers.UUIDField(allow_null=True)


class IncidentDetailSerializer(IncidentSerializer):
    steps = serializers.SerializerMethodField()

    class Meta(IncidentSerializer.Meta):
        fields = (*IncidentSerializer.Meta.fields, "steps")  # type: ignore[assignment]  # a longer tuple

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, incident: KeyIncident) -> Any:
        return StepSerializer(steps_of(incident), many=True).data


class OpenSerializer(serializers.Serializer[Any]):
    """`key`: its id; without it the active key."""

    kind = serializers.ChoiceField(choices=KeyIncident.Kind.choices)
    key = serializers.UUIDField(required=False)
    reason = serializers.CharField(max_length=500)
    drill = serializers.BooleanField(default=False)


class StepRequestSerializer(serializers.Serializer[Any]):
    """`dry_run`: only say in numbers what would be done. `bits` for `roll`; documents and times for `revoke`.

    For `destroy`: `move`, as shown with the step, or `cancel`; without it whatever comes next. `reason` (otherwise that of
    the incident) and `grace_days` for asking. `destruction`, as shown with the step, for approving.
    """

    dry_run = serializers.BooleanField(default=False)
    bits = serializers.ChoiceField(choices=ALLOWED_BITS, required=False)
    content_ids = serializers.ListField(
        child=serializers.UUIDField(), max_length=_MOST_NAMED, required=False, default=list
    )
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    move = serializers.ChoiceField(choices=MOVES, required=False)
    destruction = serializers.UUIDField(required=False)
    reason = serializers.CharField(max_length=LONGEST_REASON, required=False)
    grace_days = serializers.IntegerField(min_value=SHORTEST_GRACE, max_value=LONGEST_GRACE, required=False)


class TakenSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(choices=list(TITLES))
    dry_run = serializers.BooleanField()
    facts = serializers.DictField(child=serializers.IntegerField())


class LogRowSerializer(serializers.ModelSerializer[AdminEvent]):
    class Meta:
        model = AdminEvent
        fields = ("time", "actor", "action", "target", "target_id", "after", "passed")


class ReportSerializer(serializers.Serializer[Any]):
    """What was done when: the steps, and the rows of the admin log that belong to them. `message` is for the people."""

    incident = IncidentDetailSerializer()
    log = LogRowSerializer(many=True)
    message = serializers.CharField()


class NewestIncident(Pages):
    ordering: Any = ("-opened_at", "id")


class IncidentsView(ApiView, generics.ListAPIView[KeyIncident]):
    """Incidents of keys and exercises."""

    serializer_class = IncidentSerializer
    pagination_class = NewestIncident
    requires = membership.READ_KEYS
    creates = True

    def get_queryset(self) -> QuerySet[KeyIncident]:
        return incidents_of(organization(self.request))

    @extend_schema(request=OpenSerializer, responses={201: IncidentDetailSerializer})
    def post(self, request: Request) -> Response:
        """Open an incident, or an exercise. All global and key administrators get a mail."""
        require(request, membership.MANAGE_KEYS)
        asked = OpenSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        tenant, values = organization(request), dict(asked.validated_data)
        named = values.pop("key", None)
        keys = KeyVersion.objects.for_tenant(tenant)
        key = (keys.filter(id=named) if named else keys.filter(state=KeyVersion.State.ACTIVE)).first()
        if key is None:
            raise ChangeRefusedError("no_such_key", "There is no such key.")
        made = open_incident(tenant, key, actor=person(request), **values)
        return Response(IncidentDetailSerializer(made).data, status=201)


class IncidentView(ApiView):
    requires = membership.READ_KEYS

    @extend_schema(responses=IncidentDetailSerializer)
    def get(self, request: Request, incident_id: uuid.UUID) -> Response:
        """One incident with its steps, each as far as it is."""
        return Response(IncidentDetailSerializer(_found(request, incident_id)).data)


class StepView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=StepRequestSerializer, responses=TakenSerializer)
    def post(self, request: Request, incident_id: uuid.UUID, step: str) -> Response:
        """Take a step; in an exercise, or with `dry_run`, only say in numbers what it would do."""
        incident = _found(request, incident_id)
        asked = StepRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = dict(asked.validated_data)
        dry_run, named = values.pop("dry_run"), tuple(values.pop("content_ids"))
        choice = Choice(content_ids=named, **values)
        act = would_do if dry_run else take_step
        facts = act(incident, step, actor=person(request), choice=choice)
        return Response(TakenSerializer({"name": step, "dry_run": dry_run, "facts": facts}).data)


class CloseView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=None, responses=IncidentDetailSerializer)
    def post(self, request: Request, incident_id: uuid.UUID) -> Response:
        """End an incident. The steps that were not taken are noted."""
        closed = close(_found(request, incident_id), actor=person(request))
        return Response(IncidentDetailSerializer(closed).data)


class ReportView(ApiView):
    requires = membership.READ_KEYS

    @extend_schema(responses=ReportSerializer)
    def get(self, request: Request, incident_id: uuid.UUID) -> Response:
        """The record of an incident, and the text for the people concerned."""
        incident = _found(request, incident_id)
        log = events_of(incident, reader=person(request))
        return Response(
            ReportSerializer({"incident": incident, "log": log, "message": message_of(incident)}).data
        )


def _found(request: Request, incident_id: uuid.UUID) -> KeyIncident:
    incident = incidents_of(organization(request)).filter(id=incident_id).first()
    if incident is None:
        raise Http404
    return incident
