"""What identity providers publish about themselves: OpenID Connect discovery documents and SAML metadata."""

import datetime as dt
import ipaddress
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Saml
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser as Parser

from rms.certificates import read_certificate
from rms.errors import FormatError
from tenants import fetching

MAX_METADATA: Final = 512 * 1024
WELL_KNOWN: Final = "/.well-known/openid-configuration"


class MetadataError(Exception):
    """What an identity provider publishes cannot be used; the text is for the admin who named it."""

    code = "bad_metadata"


def discover(issuer: str) -> dict[str, Any]:
    """The public facts of the OpenID provider `issuer`. Raises `MetadataError` and `FetchError`."""
    issuer = issuer.strip().removesuffix(WELL_KNOWN).rstrip("/")
    _check_web(issuer)
    found = fetching.get_json(issuer + WELL_KNOWN)
    said = str(found.get("issuer", ""))
    if said.rstrip("/") != issuer:
        raise MetadataError(_("The discovery document names another issuer than the one you entered."))
    facts: dict[str, Any] = {"issuer": said}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        facts[name] = _endpoint(found, name)
        if not facts[name]:
            raise MetadataError(
                _("The discovery document does not say where this is: %(name)s") % {"name": name}
            )
    for name in ("userinfo_endpoint", "end_session_endpoint"):
        facts[name] = _endpoint(found, name)
    methods = found.get("token_endpoint_auth_methods_supported")
    # By the specification, who says nothing takes the secret in the Authorization header.
    basic = not isinstance(methods, list) or "client_secret_basic" in methods
    facts["auth_method"] = "client_secret_basic" if basic else "client_secret_post"
    facts["read_at"] = timezone.now().isoformat()
    return facts


def read_saml(document: bytes) -> dict[str, Any]:
    """The public facts in SAML 2.0 metadata of one identity provider. Raises `MetadataError`."""
    if len(document) > MAX_METADATA:
        raise MetadataError(_("This metadata is longer than 512 KB."))
    try:
        found = Parser.parse(
            document,
            required_sso_binding=Saml.BINDING_HTTP_REDIRECT,
            required_slo_binding=Saml.BINDING_HTTP_REDIRECT,
        ).get("idp", {})
    except Exception as error:  # the library lets through whatever its XML parser meets
        raise MetadataError(_("This is no SAML metadata.")) from error
    entity_id, sign_on = found.get("entityId"), found.get("singleSignOnService", {}).get("url")
    if not entity_id or not sign_on:
        raise MetadataError(
            _("This metadata describes no identity provider that takes requests by redirect.")
        )
    _check_web(str(sign_on))
    many = found.get("x509certMulti", {})
    certificates = many.get("signing") or many.get("encryption") or [found.get("x509cert")]
    facts = {
        "entity_id": str(entity_id),
        "sso_url": str(sign_on),
        "certificates": [_certificate_facts(text) for text in certificates if text],
        "read_at": timezone.now().isoformat(),
    }
    if not facts["certificates"]:
        raise MetadataError(_("This metadata holds no certificate to check signatures with."))
    return facts


def expires_at(certificate: dict[str, Any]) -> dt.datetime:
    return dt.datetime.fromisoformat(certificate["not_after"])


def counting(certificates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the certificates that are valid now."""
    now = timezone.now()
    return [c for c in certificates if dt.datetime.fromisoformat(c["not_before"]) <= now <= expires_at(c)]


def _certificate_facts(text: str) -> dict[str, str]:
    try:
        found = read_certificate(text)
    except FormatError as error:
        raise MetadataError(_("A certificate in this metadata cannot be read.")) from error
    return {
        "base64": found.base64,
        "subject": found.subject,
        "fingerprint": found.fingerprint,
        "not_before": found.not_before.isoformat(),
        "not_after": found.not_after.isoformat(),
    }


def _endpoint(document: dict[str, Any], name: str) -> str:
    address = document.get(name) or ""
    if not isinstance(address, str):
        raise MetadataError(_("The discovery document cannot be read."))
    if address:
        _check_web(address)
    return address


def _check_web(address: str) -> None:
    """Browsers and secrets are sent to https only; to http only where the operator allowed an internal network."""
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_inside(parts.hostname or ""):
        return
    raise MetadataError(
        _("The identity provider has to be reached by https: %(address)s") % {"address": address}
    )


def _is_inside(host: str) -> bool:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return bool(settings.INTERNAL_NETWORKS_ALLOWED)
    return fetching.is_allowed_internally(address)
