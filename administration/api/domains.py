"""The admin API's view of mail domains: list, add, check now, remove."""

import uuid
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person
from administration.api.errors import Conflict
from administration.api.once import created_once
from tenants import domains, membership
from tenants.domain_list import ListedDomain, check_now, domains_of, find_domain, remove


class DomainSerializer(serializers.Serializer[Any]):
    """A domain, proven or waiting to be; `record_name` and `record_value` are the TXT record that proves it."""

    id = serializers.UUIDField()
    domain = serializers.CharField()
    state = serializers.ChoiceField(choices=["proven", "missing", "vouched", "waiting"])
    record_name = serializers.CharField()
    record_value = serializers.CharField()
    result = serializers.CharField()
    checked_at = serializers.DateTimeField(allow_null=True)
    proven_at = serializers.DateTimeField(allow_null=True)
    lost_since = serializers.DateTimeField(allow_null=True)


class DomainsSerializer(serializers.Serializer[Any]):
    results = DomainSerializer(many=True)


class AddDomainRequestSerializer(serializers.Serializer[Any]):
    domain = serializers.CharField(max_length=254)


class CheckedDomainSerializer(serializers.Serializer[Any]):
    """`found` is the code of what the DNS says right now, `message` the same as a sentence."""

    found = serializers.CharField()
    message = serializers.CharField()
    domain = DomainSerializer()


class DomainsView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(operation_id="domains_list", responses=DomainsSerializer)
    def get(self, request: Request) -> Response:
        """All domains of the organization; at most some hundred, so in one page."""
        return Response(DomainsSerializer({"results": domains_of(organization(request))}).data)

    @extend_schema(request=AddDomainRequestSerializer, responses={201: DomainSerializer})
    @created_once
    def post(self, request: Request) -> Response:
        """Add a domain. Publish the record of the answer, then ask for a check."""
        asked = AddDomainRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        tenant = organization(request)
        try:
            added = domains.claim(tenant, asked.validated_data["domain"], actor=person(request))
        except domains.DomainError as error:
            if error.code == "bad_domain":
                raise ValidationError(str(error)) from error
            raise Conflict(str(error), code=error.code) from error
        return Response(DomainSerializer(find_domain(tenant, added.id)).data, status=status.HTTP_201_CREATED)


class DomainView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(operation_id="domains_retrieve", responses=DomainSerializer)
    def get(self, request: Request, domain_id: uuid.UUID) -> Response:
        """One domain."""
        return Response(DomainSerializer(_found(request, domain_id)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, domain_id: uuid.UUID) -> Response:
        """Remove the domain. Addresses that count only because of it stop counting."""
        remove(_found(request, domain_id), actor=person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class CheckDomainView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(request=None, responses=CheckedDomainSerializer)
    def post(self, request: Request, domain_id: uuid.UUID) -> Response:
        """Ask the DNS now."""
        result = check_now(_found(request, domain_id), actor=person(request))
        answer = {
            "found": result,
            "message": domains.SENTENCES[result],
            "domain": _found(request, domain_id),
        }
        return Response(CheckedDomainSerializer(answer).data)


def _found(request: Request, domain_id: uuid.UUID) -> ListedDomain:
    entry = find_domain(organization(request), domain_id)
    if entry is None:
        raise Http404
    return entry
