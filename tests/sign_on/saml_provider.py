"""A SAML 2.0 identity provider as a process of its own: it reads our request and posts what the test tells it to.

The signing is XML Signature by libxmlsec, as in the providers that organizations use. Every way of being wrong is a
switch, so that a hostile provider is the same program as an honest one.
"""

import base64
import datetime as dt
import json
import sys
import uuid
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Saml
from onelogin.saml2.utils import OneLogin_Saml2_Utils

EMAIL = "urn:oid:0.9.2342.19200300.100.1.3"


class Identity:
    """A key and its certificate."""

    def __init__(self, *, days: int = 365) -> None:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test IdP")])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=400))
            .not_valid_after(now + dt.timedelta(days=days))
            .sign(private, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.key = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def bare(self) -> str:
        return "".join(line for line in self.certificate.splitlines() if "-----" not in line)


class Provider:
    def __init__(self, base: str) -> None:
        self.base = base
        self.published = self.signs = Identity()

    def metadata(self) -> str:
        return f"""<md:EntityDescriptor xmlns:md="{Saml.NS_MD}" entityID="{self.base}/metadata">
<md:IDPSSODescriptor protocolSupportEnumeration="{Saml.NS_SAMLP}">
<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{Saml.NS_DS}"><ds:X509Data><ds:X509Certificate>{self.published.bare}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
<md:SingleSignOnService Binding="{Saml.BINDING_HTTP_REDIRECT}" Location="{self.base}/sso"/>
</md:IDPSSODescriptor></md:EntityDescriptor>"""

    def respond(self, query: str, wish: dict[str, Any]) -> dict[str, str]:
        """The form that a browser would post, for the request in `query`."""
        request = etree.fromstring(zlib.decompress(base64.b64decode(parse_qs(query)["SAMLRequest"][0]), -15))
        facts = {
            "request": request.get("ID"),
            "acs": request.get("AssertionConsumerServiceURL"),
            "audience": request.findtext(f"{{{Saml.NS_SAML}}}Issuer"),
            "issuer": f"{self.base}/metadata",
            "skew": 0,
            "signed_in_ago": 0,
            "attributes": {EMAIL: wish.get("address", "")} if wish.get("address") else {},
            "format": Saml.NAMEID_PERSISTENT,
            **wish,
        }
        if facts.get("unsolicited"):
            facts["request"] = ""
        assertion = self._assertion(facts)
        if not facts.get("unsigned"):
            weak = bool(facts.get("sha1"))
            assertion = OneLogin_Saml2_Utils.add_sign(
                assertion, self.signs.key, self.signs.certificate,
                sign_algorithm=Saml.RSA_SHA1 if weak else Saml.RSA_SHA256,
                digest_algorithm=Saml.SHA1 if weak else Saml.SHA256,
            ).decode()  # fmt: skip
        response = self._response(facts, assertion)
        if facts.get("tamper"):
            response = response.replace(*facts["tamper"])
        return {"acs": facts["acs"], "SAMLResponse": base64.b64encode(response.encode()).decode()}

    def _assertion(self, facts: dict[str, Any]) -> str:
        now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=facts["skew"])
        before, after = (f"{now + dt.timedelta(minutes=m):%Y-%m-%dT%H:%M:%SZ}" for m in (-1, 5))
        signed_in = now - dt.timedelta(seconds=facts["signed_in_ago"])
        answered = f' InResponseTo="{facts["request"]}"' if facts["request"] else ""
        rows = "".join(
            f'<saml:Attribute Name="{name}" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>'
            for name, value in facts["attributes"].items()
        )
        statement = f"<saml:AttributeStatement>{rows}</saml:AttributeStatement>" if rows else ""
        audience = "" if facts["audience"] is None else (
            f"<saml:AudienceRestriction><saml:Audience>{facts['audience']}</saml:Audience></saml:AudienceRestriction>"
        )  # fmt: skip
        return f"""<saml:Assertion xmlns:saml="{Saml.NS_SAML}" ID="_{uuid.uuid4().hex}" Version="2.0" IssueInstant="{now:%Y-%m-%dT%H:%M:%SZ}"><saml:Issuer>{facts["issuer"]}</saml:Issuer><saml:Subject><saml:NameID Format="{facts["format"]}">{facts["subject"]}</saml:NameID><saml:SubjectConfirmation Method="{Saml.CM_BEARER}"><saml:SubjectConfirmationData NotOnOrAfter="{after}" Recipient="{facts["acs"]}"{answered}/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{before}" NotOnOrAfter="{after}">{audience}</saml:Conditions><saml:AuthnStatement AuthnInstant="{signed_in:%Y-%m-%dT%H:%M:%SZ}"><saml:AuthnContext><saml:AuthnContextClassRef>{Saml.AC_PASSWORD}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>{statement}</saml:Assertion>"""

    def _response(self, facts: dict[str, Any], assertion: str) -> str:
        answered = f' InResponseTo="{facts["request"]}"' if facts["request"] else ""
        now = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
        return f"""<samlp:Response xmlns:samlp="{Saml.NS_SAMLP}" xmlns:saml="{Saml.NS_SAML}" ID="_{uuid.uuid4().hex}" Version="2.0" IssueInstant="{now}" Destination="{facts["acs"]}"{answered}><saml:Issuer>{facts["issuer"]}</saml:Issuer><samlp:Status><samlp:StatusCode Value="{facts.get("status", Saml.STATUS_SUCCESS)}"/></samlp:Status>{assertion}</samlp:Response>"""


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        self._answer(self.provider.metadata())

    def do_POST(self) -> None:
        """`/sso?…` answers a request as the body wishes; `/roll` makes a new key, `/expire` one that is no longer valid."""
        wish = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = urlsplit(self.path)
        if path.path == "/sso":
            self._answer(json.dumps(self.provider.respond(path.query, wish)))
            return
        self.provider.signs = Identity(days=-1 if path.path == "/expire" else 365)
        if not wish.get("in_secret"):
            self.provider.published = self.provider.signs
        self._answer("")

    def _answer(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return


if __name__ == "__main__":
    port = int(sys.argv[1])
    Handler.provider = Provider(f"http://127.0.0.1:{port}")
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
