"""SAML 2.0 with an organization's provider: requests by redirect, answers by post, assertions signed with SHA-256.

Answers that nobody asked for are refused, and an assertion counts for the one request it names; a request is good for one
answer in one browser session, so an assertion is never good twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Saml
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from onelogin.saml2.utils import OneLogin_Saml2_Utils
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

from tenants import sso
from tenants.models import IdentityProvider
from tenants.provider_metadata import counting
from tenants.sign_on import Assertion
from tenants.sign_on_reasons import SignOnRefusedError

MAX_RESPONSE: Final = 256 * 1024
_Wrong = OneLogin_Saml2_ValidationError
_REASONS: Final = {
    _Wrong.NO_SIGNED_ASSERTION: "unsigned",
    _Wrong.NO_SIGNED_MESSAGE: "unsigned",
    _Wrong.NO_SIGNATURE_FOUND: "unsigned",
    _Wrong.INVALID_SIGNATURE: "bad_signature",
    _Wrong.DEPRECATED_SIGNATURE_METHOD: "weak_signature",
    _Wrong.DEPRECATED_DIGEST_METHOD: "weak_signature",
    _Wrong.ASSERTION_EXPIRED: "wrong_time",
    _Wrong.ASSERTION_TOO_EARLY: "wrong_time",
    _Wrong.SESSION_EXPIRED: "wrong_time",
    _Wrong.RESPONSE_EXPIRED: "wrong_time",
    _Wrong.WRONG_AUDIENCE: "wrong_audience",
    _Wrong.WRONG_DESTINATION: "wrong_audience",
    _Wrong.WRONG_ISSUER: "wrong_issuer",
    _Wrong.STATUS_CODE_IS_NOT_SUCCESS: "refused_there",
}
_ADDRESS: Final = (
    "email",
    "mail",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "emailAddress",
    "Email",
)
_NAME: Final = (
    "name",
    "displayName",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "http://schemas.microsoft.com/identity/claims/displayname",
    "cn",
    "urn:oid:2.5.4.3",
)
_VERIFIED: Final = ("email_verified", "http://schemas.auth0.com/email_verified")
_SUBJECT: Final = ("urn:oasis:names:tc:SAML:attribute:subject-id",)


@dataclass(frozen=True, slots=True)
class Place:
    """Our side of the conversation: who we are and where answers come in."""

    entity_id: str
    acs: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked response: what it says, and which request it answers."""

    assertion: Assertion
    request_id: str
    claims: dict[str, str]


def request_address(provider: IdentityProvider, place: Place, *, fresh: bool = False) -> tuple[str, str]:
    """Where to send the browser, and the id of the request it carries. Raises `SignOnRefusedError`.

    When all certificates have expired and the metadata has an address, they are read again, once.
    """
    try:
        settings = _settings(provider, place)
    except SignOnRefusedError:
        if not sso.read_again(provider):
            raise
        settings = _settings(provider, place)
    auth = OneLogin_Saml2_Auth(_request(place), settings)
    address: str = auth.login(return_to="", force_authn=fresh)
    return address, str(auth.get_last_request_id())


def our_metadata(place: Place) -> bytes:
    """What an identity provider has to know of us, as SAML metadata."""
    settings = OneLogin_Saml2_Settings(
        {"strict": True, "sp": _service(place), "security": _SECURITY}, sp_validation_only=True
    )
    found = settings.get_sp_metadata()
    return found if isinstance(found, bytes) else str(found).encode()


def read_response(
    provider: IdentityProvider, place: Place, response: str, *, was_asked: Callable[[str], bool]
) -> Answer:
    """A response that is the provider's, for us, of now, and signed. Raises `SignOnRefusedError`.

    When the signature fits no known certificate and the metadata has an address, they are read again, once; for
    answers to requests that `was_asked` knows only, or strangers could have us read them and take the time.
    """
    if not response or len(response) > MAX_RESPONSE:
        raise SignOnRefusedError("malformed", "SAMLResponse")
    try:
        return _read(provider, place, response)
    except SignOnRefusedError as refusal:
        if refusal.code not in ("bad_signature", "certificate_expired"):
            raise
        if not was_asked(_claimed_request(response)) or not sso.read_again(provider):
            raise
    return _read(provider, place, response)


def _read(provider: IdentityProvider, place: Place, text: str) -> Answer:
    try:
        response = OneLogin_Saml2_Response(OneLogin_Saml2_Settings(_settings(provider, place)), text)
        response.is_valid(_request(place), raise_exceptions=True)
        attributes = {str(name): values for name, values in response.get_attributes().items()}
        subject, format_of_subject = response.get_nameid(), response.get_nameid_format()
        request_id = _answered_request(response)
        proven_at = _proven_at(response)
        # What the library checks only where it is there.
        if place.entity_id not in response.get_audiences():
            raise SignOnRefusedError("wrong_audience")
        if response.valid_scd_not_on_or_after is None:
            raise SignOnRefusedError("wrong_time")
    except OneLogin_Saml2_ValidationError as error:
        raise _refusal(error) from error
    except SignOnRefusedError:
        raise
    except OneLogin_Saml2_Error as error:
        raise SignOnRefusedError("malformed", "SAML") from error
    except Exception as error:  # the library lets through whatever its XML parser meets in text of strangers
        raise SignOnRefusedError("malformed", "SAML") from error
    address = _first(attributes, _ADDRESS)
    if not address and (format_of_subject == Saml.NAMEID_EMAIL_ADDRESS or "@" in (subject or "")):
        address = subject or ""
    if format_of_subject == Saml.NAMEID_TRANSIENT:
        subject = ""
    verified = _first(attributes, _VERIFIED).lower()
    return Answer(
        Assertion(
            subject=_first(attributes, _SUBJECT) or subject or "",
            address=address,
            name=_first(attributes, _NAME),
            address_verified={"true": True, "1": True, "false": False, "0": False}.get(verified),
            proven_at=proven_at,
        ),
        request_id,
        {
            "NameID": subject or "",
            **{name: ", ".join(map(str, values)) for name, values in attributes.items()},
        },
    )


def _answered_request(response: OneLogin_Saml2_Response) -> str:
    """The request that the assertion itself names, where its signature covers it; the response around may be unsigned."""
    path = "/samlp:Response/saml:Assertion/saml:Subject/saml:SubjectConfirmation/saml:SubjectConfirmationData/@InResponseTo"
    named = set(response.document.xpath(path, namespaces={"samlp": Saml.NS_SAMLP, "saml": Saml.NS_SAML}))
    if len(named) != 1:
        raise SignOnRefusedError("unsolicited")
    return str(named.pop())


def _proven_at(response: OneLogin_Saml2_Response) -> float | None:
    """When the person signed in there, by the one statement of the signed assertion."""
    path = "/samlp:Response/saml:Assertion/saml:AuthnStatement/@AuthnInstant"
    named = response.document.xpath(path, namespaces={"samlp": Saml.NS_SAMLP, "saml": Saml.NS_SAML})
    return float(OneLogin_Saml2_Utils.parse_SAML_to_time(named[0])) if len(named) == 1 else None


def _claimed_request(text: str) -> str:
    """The request that a response says it answers; unsigned, so it may be anything."""
    try:
        return str(OneLogin_Saml2_XML.to_etree(OneLogin_Saml2_Utils.b64decode(text)).get("InResponseTo", ""))
    except Exception:  # noqa: BLE001  as in `_read`
        return ""


def _refusal(error: OneLogin_Saml2_ValidationError) -> SignOnRefusedError:
    code = _REASONS.get(error.code)
    if code == "refused_there":
        return SignOnRefusedError(code, "SAML status")
    if code is None:
        # The library's sentences speak of elements and hold no text of the answer, except where it quotes an issuer.
        return SignOnRefusedError("malformed", f"SAML check {error.code}")
    return SignOnRefusedError(code)


def _first(attributes: dict[str, list[Any]], names: tuple[str, ...]) -> str:
    for name in names:
        values = attributes.get(name)
        if values and values[0]:
            return str(values[0])
    return ""


_SECURITY: Final = {
    "authnRequestsSigned": False,
    "wantAssertionsSigned": True,
    "wantMessagesSigned": False,
    "wantNameId": False,
    "wantAttributeStatement": False,
    "requestedAuthnContext": False,
    "rejectDeprecatedAlgorithm": True,
    "allowRepeatAttributeName": True,
    "allowSingleLabelDomains": True,
    "signatureAlgorithm": Saml.RSA_SHA256,
    "digestAlgorithm": Saml.SHA256,
}


def _service(place: Place) -> dict[str, Any]:
    return {
        "entityId": place.entity_id,
        "assertionConsumerService": {"url": place.acs, "binding": Saml.BINDING_HTTP_POST},
        "NameIDFormat": Saml.NAMEID_UNSPECIFIED,
    }


def _settings(provider: IdentityProvider, place: Place) -> dict[str, Any]:
    facts = provider.settings
    certificates = counting(facts["certificates"])
    if not certificates:
        raise SignOnRefusedError(
            "certificate_expired", max(c["not_after"] for c in facts["certificates"])[:10]
        )
    return {
        "strict": True,
        "sp": _service(place),
        "idp": {
            "entityId": facts["entity_id"],
            "singleSignOnService": {"url": facts["sso_url"], "binding": Saml.BINDING_HTTP_REDIRECT},
            "x509certMulti": {"signing": [c["base64"] for c in certificates], "encryption": []},
        },
        "security": _SECURITY,
    }


def _request(place: Place) -> dict[str, Any]:
    """The request as the library wants to see it: always under our public address, whatever stands before us."""
    parts = urlsplit(place.acs)
    return {
        "https": "on" if parts.scheme == "https" else "off",
        "http_host": parts.netloc,
        "script_name": parts.path,
        "get_data": {},
        "post_data": {},
    }
