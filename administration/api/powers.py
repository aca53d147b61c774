"""Roles, super users, who may protect, services, devices: the admin API's view."""

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person, require
from administration.api.errors import Conflict
from administration.api.paging import Pages
from administration.devices import SERVICE_SCOPES, ServiceError, create_service
from administration.programs import end_program, programs_of
from administration.services import delete_service, described, rotate_secret, services_of
from tenants import membership, super_users
from tenants.changes import Actor
from tenants.holders import find_group, find_person, find_service
from tenants.models import Group, RoleAssignment, ServicePrincipal, SuperUserAppointment, Tenant, User
from tenants.onboarding import people_losing, people_under, set_onboarding
from tenants.roles import give_role, take_role


class OldestGiven(Pages):
    ordering: Any = ("since", "id")


class OldestAsked(Pages):
    ordering: Any = ("asked_at", "id")


class ByName(Pages):
    ordering: Any = ("name", "id")


class RoleSerializer(serializers.ModelSerializer[RoleAssignment]):
    person = serializers.CharField(source="user.email", default=None, allow_null=True, read_only=True)
    group = serializers.CharField(source="group.name", default=None, allow_null=True, read_only=True)

    class Meta:
        model = RoleAssignment
        fields = ("id", "role", "person", "group", "since")


class RoleRequestSerializer(serializers.Serializer[Any]):
    """Exactly one of `person` (id or address) and `group` (id or name)."""

    role = serializers.ChoiceField(choices=RoleAssignment.Role.choices)
    person = serializers.CharField(required=False)
    group = serializers.CharField(required=False)


class RolesView(ApiView, generics.ListAPIView[RoleAssignment]):
    serializer_class = RoleSerializer
    pagination_class = OldestGiven
    requires = membership.READ_SETTINGS
    creates = True

    def get_queryset(self) -> QuerySet[RoleAssignment]:
        return RoleAssignment.objects.for_tenant(organization(self.request)).select_related("user", "group")

    @extend_schema(request=RoleRequestSerializer, responses={201: RoleSerializer})
    def post(self, request: Request) -> Response:
        """Give a role to a person or to everybody in a group. Who holds it already keeps it."""
        tenant, actor = _administrated(request)
        asked = _valid(RoleRequestSerializer, request)
        holder = _holder(tenant, asked, ("person", "group"))
        given = give_role(tenant, asked["role"], actor=actor, **holder)
        return Response(RoleSerializer(given).data, status=201)


class RoleView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, role_id: uuid.UUID) -> Response:
        """Take a role away. The last global administrator keeps theirs."""
        tenant, actor = _administrated(request)
        held = RoleAssignment.objects.for_tenant(tenant).select_related("tenant").filter(id=role_id).first()
        if held is None:
            raise Http404
        take_role(held, actor=actor)
        return Response(status=204)


class SuperUserSerializer(serializers.ModelSerializer[SuperUserAppointment]):
    """`since` is empty while the appointment waits for a second admin, and lies ahead where it is announced."""

    person = serializers.CharField(source="user.email", default=None, allow_null=True, read_only=True)
    group = serializers.CharField(source="group.name", default=None, allow_null=True, read_only=True)
    service = serializers.CharField(source="service.name", default=None, allow_null=True, read_only=True)

    class Meta:
        model = SuperUserAppointment
        fields = (
            "id", "person", "group", "service", "reason", "appointed_by", "asked_at", "approved_by", "since", "until",
        )  # fmt: skip


class SuperUserRequestSerializer(serializers.Serializer[Any]):
    """Exactly one of `person` (id or address), `group` and `service` (id or name)."""

    person = serializers.CharField(required=False)
    group = serializers.CharField(required=False)
    service = serializers.CharField(required=False)
    reason = serializers.CharField(max_length=super_users.LONGEST_REASON)
    until = serializers.DateTimeField(required=False, allow_null=True, default=None)


class SuperUserFeatureSerializer(serializers.Serializer[Any]):
    """Giving up the need for approval takes effect at `approval_ends_at`, a day later; asking for it again keeps it."""

    enabled = serializers.BooleanField(source="super_users_enabled", required=False)
    needs_approval = serializers.BooleanField(required=False)
    approval_ends_at = serializers.DateTimeField(read_only=True, allow_null=True)


class SuperUsersView(ApiView, generics.ListAPIView[SuperUserAppointment]):
    """All appointments, those that wait and those that are over among them."""

    serializer_class = SuperUserSerializer
    pagination_class = OldestAsked
    requires = membership.READ_SETTINGS
    creates = True

    def get_queryset(self) -> QuerySet[SuperUserAppointment]:
        return super_users.appointments_of(organization(self.request))

    @extend_schema(request=SuperUserRequestSerializer, responses={201: SuperUserSerializer})
    def post(self, request: Request) -> Response:
        """Appoint a person, a group or a service. It waits for a second admin where one is needed."""
        tenant, actor = _administrated(request)
        asked = _valid(SuperUserRequestSerializer, request)
        holder = _holder(tenant, asked, ("person", "group", "service"))
        made = super_users.appoint(
            tenant, actor=actor, reason=asked["reason"], until=asked["until"], **holder
        )
        return Response(SuperUserSerializer(made).data, status=201)


class SuperUserFeatureView(ApiView):
    requires = membership.READ_SETTINGS

    @extend_schema(responses=SuperUserFeatureSerializer)
    def get(self, request: Request) -> Response:
        """Whether super users are switched on, and whether an appointment needs a second admin."""
        return Response(SuperUserFeatureSerializer(organization(request)).data)

    @extend_schema(request=SuperUserFeatureSerializer, responses=SuperUserFeatureSerializer)
    def patch(self, request: Request) -> Response:
        """Switch the feature, or the need for a second admin, on or off."""
        tenant, actor = _administrated(request)
        asked = _valid(SuperUserFeatureSerializer, request)
        if "needs_approval" in asked:
            super_users.set_approval(tenant, needed=asked["needs_approval"], actor=actor)
        if "super_users_enabled" in asked:
            super_users.set_feature(tenant, enabled=asked["super_users_enabled"], actor=actor)
        return Response(SuperUserFeatureSerializer(tenant).data)


class SuperUserView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, appointment_id: uuid.UUID) -> Response:
        """End an appointment, or a request for one."""
        super_users.end(_appointment(request, appointment_id), actor=Actor.of(person(request)))
        return Response(status=204)


class ApproveSuperUserView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(request=None, responses=SuperUserSerializer)
    def post(self, request: Request, appointment_id: uuid.UUID) -> Response:
        """Let an appointment that waits begin. Only another admin, who has been one for 24 hours, may."""
        super_users.approve(_appointment(request, appointment_id), actor=person(request))
        return Response(SuperUserSerializer(_appointment(request, appointment_id)).data)


class OnboardingSerializer(serializers.Serializer[Any]):
    """`people`: how many may protect."""

    who = serializers.ChoiceField(choices=Tenant.Onboarding.choices)
    group = serializers.CharField(required=False, allow_null=True, default=None)
    people = serializers.IntegerField(read_only=True)


class OnboardingChangeSerializer(OnboardingSerializer):
    """`losing`: how many could protect before and cannot any more."""

    losing = serializers.IntegerField(read_only=True)


class OnboardingView(ApiView):
    requires = membership.READ_SETTINGS

    @extend_schema(responses=OnboardingSerializer)
    def get(self, request: Request) -> Response:
        """Who may protect."""
        tenant = organization(request)
        group = tenant.onboarding_group
        return Response(
            {
                "who": tenant.onboarding,
                "group": group.name if group else None,
                "people": people_under(tenant, tenant.onboarding, group).count(),
            }
        )

    @extend_schema(
        request=OnboardingSerializer,
        responses=OnboardingChangeSerializer,
        parameters=[OpenApiParameter("preview", bool, description="only say what would follow")],
    )
    def put(self, request: Request) -> Response:
        """Decide who may protect: `everyone`, the people of one `group`, or `licensed` people. Opening is not touched."""
        tenant, actor = _administrated(request)
        asked = _valid(OnboardingSerializer, request)
        group = _holder(tenant, asked, ("group",))["group"] if asked["group"] else None
        losing = people_losing(tenant, asked["who"], group).count()
        if request.query_params.get("preview") not in ("1", "true"):
            set_onboarding(tenant, asked["who"], actor=actor, group=group)
        answer = {"who": asked["who"], "group": group.name if group else None, "losing": losing}
        return Response({**answer, "people": people_under(tenant, asked["who"], group).count()})


class ServiceSerializer(serializers.ModelSerializer[ServicePrincipal]):
    scopes = serializers.SerializerMethodField()
    super_user = serializers.BooleanField(source="reads_all")

    class Meta:
        model = ServicePrincipal
        fields = ("id", "name", "client_id", "scopes", "super_user", "created_at")

    def get_scopes(self, service: ServicePrincipal) -> list[str]:
        return list(described(service)["scopes"])


class ServiceRequestSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(SERVICE_SCOPES)), default=["licensing"]
    )


class ServiceSecretSerializer(serializers.Serializer[Any]):
    """`client_secret` is shown this once."""

    id = serializers.UUIDField()
    client_id = serializers.CharField()
    client_secret = serializers.CharField()


class ServicesView(ApiView, generics.ListAPIView[ServicePrincipal]):
    """The programs that act for the organization."""

    serializer_class = ServiceSerializer
    pagination_class = ByName
    requires = membership.READ_SETTINGS
    creates = True
    reveals_secret = True

    def get_queryset(self) -> QuerySet[ServicePrincipal]:
        return services_of(organization(self.request))

    @extend_schema(request=ServiceRequestSerializer, responses={201: ServiceSecretSerializer})
    def post(self, request: Request) -> Response:
        """Make a service. Reading everything is an appointment as super user, made separately."""
        tenant, actor = _administrated(request)
        asked = _valid(ServiceRequestSerializer, request)
        try:
            client_id, secret = create_service(
                tenant, asked["name"], set(asked["scopes"]), actor=actor.name, actor_id=actor.id
            )
        except ServiceError as error:
            raise Conflict(str(error), code="name_taken") from error
        made = find_service(tenant, client_id)
        assert made is not None
        answer = {"id": made.id, "client_id": client_id, "client_secret": secret}
        return Response(ServiceSecretSerializer(answer).data, status=201)


class ServiceView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, service_id: uuid.UUID) -> Response:
        """End a service with its credentials, tokens and appointment. What it protected stays."""
        delete_service(_service(request, service_id), actor=Actor.of(person(request)))
        return Response(status=204)


class RotateServiceView(ApiView):
    requires = membership.ADMINISTER
    creates = True
    reveals_secret = True

    @extend_schema(request=None, responses=ServiceSecretSerializer)
    def post(self, request: Request, service_id: uuid.UUID) -> Response:
        """A new secret. The old one and every token got with it end at once."""
        service = _service(request, service_id)
        secret = rotate_secret(service, actor=Actor.of(person(request)))
        answer = {"id": service.id, "client_id": service.client_id, "client_secret": secret}
        return Response(ServiceSecretSerializer(answer).data)


class ProgramSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    signed_in_at = serializers.DateTimeField()
    renewed_at = serializers.DateTimeField()
    valid_until = serializers.DateTimeField(allow_null=True)


_PERSON = OpenApiParameter("person", str, description="id or address; without it, oneself")


class DevicesView(ApiView):
    @extend_schema(parameters=[_PERSON], responses=ProgramSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The devices and apps that can act for a person: oneself, or another one for those who help with sign-in."""
        return Response(ProgramSerializer(programs_of(_helped(request)), many=True).data)


class DeviceView(ApiView):
    @extend_schema(parameters=[_PERSON], request=None, responses={204: None})
    def delete(self, request: Request, program: str) -> Response:
        """End everything a device or app can do for a person; it has to sign in again."""
        if not end_program(_helped(request), program, actor=Actor.of(person(request))):
            raise Http404
        return Response(status=204)


def _helped(request: Request) -> User:
    """The person in question: oneself, or somebody whose sign-in the caller may reset."""
    wanted = request.query_params.get("person", "").strip()
    if not wanted:
        return person(request)
    found = find_person(organization(request), wanted)
    if found is None or not (found == person(request) or membership.may_reset(person(request), found)):
        raise Http404
    return found


def _administrated(request: Request) -> tuple[Tenant, Actor]:
    """The organization and who changes it. Raises 403 for those who may only look."""
    require(request, membership.ADMINISTER)
    return organization(request), Actor.of(person(request))


def _appointment(request: Request, appointment_id: uuid.UUID) -> SuperUserAppointment:
    found = super_users.appointments_of(organization(request)).filter(id=appointment_id).first()
    if found is None:
        raise Http404
    return found


def _service(request: Request, service_id: uuid.UUID) -> ServicePrincipal:
    found = services_of(organization(request)).filter(id=service_id).first()
    if found is None:
        raise Http404
    return found


def _valid(shape: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    asked = shape(data=request.data)
    asked.is_valid(raise_exception=True)
    values: dict[str, Any] = asked.validated_data
    return values


def _holder(tenant: Tenant, asked: dict[str, Any], kinds: tuple[str, ...]) -> dict[str, Any]:
    """The one holder that is named, as the domain functions take it. Raises 400."""
    given = [kind for kind in kinds if asked.get(kind)]
    if len(given) != 1:
        raise ValidationError(f"Name exactly one of {', '.join(kinds)}.")
    kind = given[0]
    find: dict[str, Any] = {"person": find_person, "group": find_group, "service": find_service}
    found: User | Group | ServicePrincipal | None = find[kind](tenant, asked[kind])
    if found is None:
        raise ValidationError({kind: "There is nobody and nothing of this name in your organization."})
    return {"user" if kind == "person" else kind: found}
