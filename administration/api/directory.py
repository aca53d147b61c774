"""The secrets by which directories come in."""

import uuid
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person
from administration.api.paging import Pages
from administration.scim.endpoints import base_url
from tenants import membership
from tenants.changes import Actor
from tenants.models import ScimToken
from tenants.scim_tokens import create_token, find_token, revoke_token


class InOrderOfCreation(Pages):
    ordering: Any = ("created_at", "id")


class ScimTokenSerializer(serializers.ModelSerializer[ScimToken]):
    class Meta:
        model = ScimToken
        fields = ("id", "name", "created_by", "created_at", "expires_at", "used_at")


class ScimTokenRequestSerializer(serializers.Serializer[Any]):
    """Without `expires_at` the token is valid until it is revoked."""

    name = serializers.CharField(max_length=100)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class ScimSecretSerializer(ScimTokenSerializer):
    """`secret` is shown here once and never again; `url` is where the directory is sent to."""

    secret = serializers.CharField()
    url = serializers.CharField()

    class Meta(ScimTokenSerializer.Meta):
        fields = (*ScimTokenSerializer.Meta.fields, "secret", "url")  # type: ignore[assignment]  # two more


class ScimTokensView(ApiView, generics.ListAPIView[ScimToken]):
    """The organization's SCIM tokens, without their secrets."""

    serializer_class = ScimTokenSerializer
    pagination_class = InOrderOfCreation
    requires = membership.ADMINISTER
    creates = True
    reveals_secret = True

    def get_queryset(self) -> Any:
        return ScimToken.objects.for_tenant(organization(self.request))

    @extend_schema(request=ScimTokenRequestSerializer, responses={201: ScimSecretSerializer})
    def post(self, request: Request) -> Response:
        """Make a token."""
        asked = ScimTokenRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        tenant, values = organization(request), asked.validated_data
        token, secret = create_token(
            tenant, values["name"], actor=Actor.of(person(request)), expires_at=values.get("expires_at")
        )
        answer = ScimTokenSerializer(token).data | {"secret": secret, "url": base_url(tenant)}
        return Response(answer, status=201)


class ScimTokenView(ApiView):
    requires = membership.ADMINISTER

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, token_id: uuid.UUID) -> Response:
        """Revoke a token: its directory gets no answer any more. What it brought stays."""
        token = find_token(organization(request), token_id)
        if token is None:
            raise Http404
        revoke_token(token, actor=Actor.of(person(request)))
        return Response(status=204)
