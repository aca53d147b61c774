"""The admin API under `/api/v1`: the organization, its people, templates, documents and keys."""

from typing import Any

from django.db.models import Count, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import IsAuthenticated
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
from keys.models import KeyVersion
from keys.rollover import start_roll
from licensing.calls import preferred_languages
from policies.models import PolicyTemplate
from tenants import membership
from tenants.models import Tenant
from tracking.models import Document


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


class InOrderOfCreation(CursorPagination):
    ordering: Any = ("created_at", "id")


class TemplateListView(ApiView, generics.ListAPIView[PolicyTemplate]):
    """All templates of the organization, drafts and archived ones too."""

    serializer_class = shapes.TemplateSerializer
    pagination_class = InOrderOfCreation
    permission_classes = (IsAuthenticated,)
    requires = membership.READ_TEMPLATES

    def get_queryset(self) -> QuerySet[PolicyTemplate]:
        return PolicyTemplate.objects.for_tenant(organization(self.request)).with_current()

    def get_serializer_context(self) -> dict[str, Any]:
        languages = list(preferred_languages(self.request.META.get("HTTP_ACCEPT_LANGUAGE", "")))
        return {**super().get_serializer_context(), "languages": languages}


class TemplateView(TemplateListView, generics.RetrieveAPIView[PolicyTemplate]):
    """One template with its grants."""

    # Built on the list, it would be described as one.
    @extend_schema(operation_id="templates_retrieve", responses=shapes.TemplateSerializer)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.retrieve(request, *args, **kwargs)


class KeysView(ApiView, generics.ListAPIView[KeyVersion]):
    """The organization's keys and how many documents hang on each."""

    serializer_class = shapes.KeySerializer
    pagination_class = InOrderOfCreation
    requires = membership.READ_KEYS

    def get_queryset(self) -> QuerySet[KeyVersion]:
        return KeyVersion.objects.for_tenant(organization(self.request))

    def get_serializer_context(self) -> dict[str, Any]:
        documents = Document.objects.for_tenant(organization(self.request))
        counts = dict(documents.values_list("key_id").annotate(Count("id")))
        return {**super().get_serializer_context(), "documents": counts}


class KeyView(KeysView, generics.RetrieveAPIView[KeyVersion]):
    """One key."""

    @extend_schema(operation_id="keys_retrieve", responses=shapes.KeySerializer)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.retrieve(request, *args, **kwargs)


class RollKeyView(ApiView):
    requires = membership.MANAGE_KEYS

    @extend_schema(request=shapes.RollRequestSerializer, responses={202: shapes.KeySerializer})
    def post(self, request: Request) -> Response:
        """Make a new key. It becomes active a few seconds later; the old one keeps opening what it protected."""
        wanted = shapes.RollRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        key = start_roll(organization(request), actor=person(request), bits=wanted.validated_data["bits"])
        return Response(shapes.KeySerializer(key, context={"documents": {}}).data, status=202)
