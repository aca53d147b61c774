"""The organization's identity provider under `/api/v1/identity-provider/`."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.api.access import ApiView, organization, person
from tenants import sso
from tenants.membership import ADMINISTER
from tenants.models import IdentityProvider, Tenant
from tenants.second_sight import waits_for_second
from tenants.sign_on_reasons import sentence


class CertificateSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField()
    fingerprint = serializers.CharField(help_text="SHA-256, hexadecimal")
    not_after = serializers.DateTimeField()


class IdentityProviderSerializer(serializers.Serializer[IdentityProvider]):
    """A set-up as it is. The client secret is never told."""

    kind = serializers.ChoiceField(choices=IdentityProvider.Kind.choices)
    name = serializers.CharField()
    use = serializers.ChoiceField(choices=IdentityProvider.Use.choices)
    creates_accounts = serializers.BooleanField()
    trust_addresses = serializers.SerializerMethodField()
    issuer = serializers.SerializerMethodField(help_text="OpenID Connect: issuer; SAML: entity ID")
    client_id = serializers.SerializerMethodField()
    metadata_url = serializers.SerializerMethodField()
    certificates = serializers.SerializerMethodField()
    waits_for_second = serializers.SerializerMethodField(
        help_text="whether another administrator than the one who set it up has to put it into use"
    )
    tested_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.SerializerMethodField()
    last_error_at = serializers.DateTimeField(allow_null=True)

    def get_waits_for_second(self, provider: IdentityProvider) -> bool:
        return waits_for_second(provider)

    def get_trust_addresses(self, provider: IdentityProvider) -> bool:
        return bool(provider.settings.get("trust_addresses"))

    def get_issuer(self, provider: IdentityProvider) -> str:
        return str(provider.settings.get("issuer") or provider.settings.get("entity_id") or "")

    def get_client_id(self, provider: IdentityProvider) -> str:
        return str(provider.settings.get("client_id") or "")

    def get_metadata_url(self, provider: IdentityProvider) -> str:
        return str(provider.settings.get("metadata_url") or "")

    @extend_schema_field(CertificateSerializer(many=True))
    def get_certificates(self, provider: IdentityProvider) -> Any:
        return CertificateSerializer(provider.settings.get("certificates", []), many=True).data

    def get_last_error(self, provider: IdentityProvider) -> str:
        return sentence(provider.last_error) if provider.last_error else ""


class SetupSerializer(serializers.Serializer[Any]):
    """A set-up as it shall be. Of OpenID Connect: issuer, client_id, client_secret; of SAML: metadata_url or metadata."""

    kind = serializers.ChoiceField(choices=IdentityProvider.Kind.choices)
    name = serializers.CharField(max_length=40)
    issuer = serializers.CharField(max_length=500, required=False, default="")
    client_id = serializers.CharField(max_length=191, required=False, default="")
    client_secret = serializers.CharField(
        max_length=500, required=False, default="", write_only=True, help_text="Absent: the one there is"
    )
    metadata_url = serializers.CharField(max_length=500, required=False, default="")
    metadata = serializers.CharField(required=False, default="", help_text="The SAML metadata itself, as XML")
    creates_accounts = serializers.BooleanField(required=False, default=True)
    trust_addresses = serializers.BooleanField(required=False, default=False)
    use = serializers.ChoiceField(
        choices=IdentityProvider.Use.choices, required=False, help_text="Absent: as it is; at first, off"
    )


class UseSerializer(serializers.Serializer[Any]):
    use = serializers.ChoiceField(choices=IdentityProvider.Use.choices)


class IdentityProviderView(ApiView):
    requires = ADMINISTER

    @extend_schema(responses=IdentityProviderSerializer)
    def get(self, request: Request) -> Response:
        """How single sign-on is set up."""
        return Response(IdentityProviderSerializer(_found(organization(request))).data)

    @extend_schema(request=SetupSerializer, responses=IdentityProviderSerializer)
    def put(self, request: Request) -> Response:
        """Set single sign-on up, or anew: the provider's metadata is read over the network.

        The only way in needs a test in the portal after the last change.
        """
        wanted = SetupSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = dict(wanted.validated_data)
        use = values.pop("use", None)
        setup = sso.Setup(**{**values, "metadata": values["metadata"].encode()})
        provider = sso.configure(organization(request), setup, actor=person(request))
        if use is not None:
            sso.set_use(provider, use, actor=person(request))
        return Response(IdentityProviderSerializer(provider).data)

    @extend_schema(request=UseSerializer, responses=IdentityProviderSerializer)
    def patch(self, request: Request) -> Response:
        """Switch single sign-on off, offer it, or make it the only way in."""
        wanted = UseSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        provider = _found(organization(request))
        sso.set_use(provider, wanted.validated_data["use"], actor=person(request))
        return Response(IdentityProviderSerializer(provider).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request) -> Response:
        """Forget the identity provider and who was bound to its accounts. People keep their accounts here."""
        sso.remove(_found(organization(request)), actor=person(request))
        return Response(status=204)


def _found(tenant: Tenant) -> IdentityProvider:
    provider = sso.find_provider(tenant)
    if provider is None:
        raise Http404
    return provider
