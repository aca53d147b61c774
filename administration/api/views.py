"""The admin API under `/api/v1`: the organization itself."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from administration.activation import (
    activate_tenant,
    change_organization,
    create_organization,
    deactivate_tenant,
)
from administration.api import serializers as shapes
from administration.api.access import OWN_DOCUMENTS, ApiView, caller, organization, person, require
from administration.api.once import created_once
from tenants import membership
from tenants.models import Tenant


class OrganizationView(ApiView):
    """The caller's organization."""

    @extend_schema(responses=shapes.OrganizationSerializer)
    def get(self, request: Request) -> Response:
        return Response(shapes.OrganizationSerializer(organization(request)).data)

    @extend_schema(
        request=shapes.NewOrganizationRequestSerializer, responses={201: shapes.OrganizationSerializer}
    )
    @created_once
    def post(self, request: Request) -> Response:
        """Start an organization and become its administrator, where the installation allows it."""
        asked = shapes.NewOrganizationRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = create_organization(asked.validated_data["name"], founder=person(request))
        return Response(shapes.OrganizationSerializer(made).data, status=201)

    @extend_schema(
        request=shapes.OrganizationChangeRequestSerializer, responses=shapes.OrganizationSerializer
    )
    def patch(self, request: Request) -> Response:
        """Change name, default language or the longest use license; what is not named stays."""
        require(request, membership.ADMINISTER)
        asked = shapes.OrganizationChangeRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        tenant = organization(request)
        change_organization(tenant, actor=person(request), **asked.validated_data)
        return Response(shapes.OrganizationSerializer(tenant).data)


class ActivateView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(request=None, responses=shapes.OrganizationSerializer)
    def post(self, request: Request) -> Response:
        """Switch protection on. Keys and templates are made the first time, and are what they were afterwards."""
        tenant = organization(request)
        activate_tenant(tenant, actor=person(request))
        return Response(shapes.OrganizationSerializer(tenant).data)


class DeactivateView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(request=None, responses=shapes.OrganizationSerializer)
    def post(self, request: Request) -> Response:
        """Switch protection off: nothing can be protected or opened until it is activated again. Nothing is deleted."""
        tenant = organization(request)
        deactivate_tenant(tenant, actor=person(request))
        return Response(shapes.OrganizationSerializer(tenant).data)


class WhoAmIView(ApiView):
    scopes = OWN_DOCUMENTS

    @extend_schema(responses=shapes.WhoAmISerializer)
    def get(self, request: Request) -> Response:
        """Who the token speaks for."""
        who = caller(request)
        tenant = Tenant.objects.filter(id=who.tenant_id).first() if who.tenant_id else None
        roles = [] if who.is_service else sorted(membership.roles_of(person(request)))
        answer = {
            "email": who.address,
            "name": who.name,
            "person_id": None if who.is_service else who.id,
            "organization": tenant,
            "roles": roles,
        }
        return Response(shapes.WhoAmISerializer(answer).data)
