"""A licensing service of a few lines: real licenses, keys and signatures of `rms`, no policy of its own.

What a service decides is tested against the product's own server (tests/e2e); here the client's
handling of files is at stake, for which it needs licenses that verify.
"""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from rms import xrml
from rms.content_key import ContentKey
from rms.integrity import SealedRecord, decode_record, encode_record
from tests.rmsclient.stub_server import reply_json

TEMPLATE_ID = UUID("3f0d1f0a-0000-4000-8000-00000000000a")
TENANT_ID = UUID("3f0d1f0a-0000-4000-8000-00000000000b")
PERSON_ID = UUID("3f0d1f0a-0000-4000-8000-00000000000c")
PUBLISHER = "alice@contoso.example"
PUBLISH = "POST /my/v2/publishinglicenses"
# How a command names the template there is.
TEMPLATE = ("--template", "contoso - confidential")


class StubService:
    """Answers publishing, use-license and seal requests on a stub server. `rights` is what it grants."""

    def __init__(self, server, private_key=None):
        self.server = server
        self.private_key = private_key or rsa.generate_private_key(65537, 2048)
        self.public_key = xrml.PublicKey.from_numbers(self.private_key.public_key().public_numbers().n)
        self.rights = ["VIEW"]
        self.denial = None
        self.forget_root = False
        self.roots = {}
        self.keys = {}
        self.before_seal = lambda: None
        server.routes["GET /my/v2/templates"] = reply_json(
            [{"Id": f"{{{TEMPLATE_ID}}}", "Name": "Contoso - Confidential", "Description": "For members"}]
        )
        server.routes[PUBLISH] = self.publish
        server.routes["POST /my/v2/enduserlicenses"] = self.use

    def sign(self, data):
        return self.private_key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def license(self, content_id, key, *, template=True, sealed=True, url=None):
        now = datetime.now(UTC)
        rights = xrml.RightsDocument(
            content_id=content_id,
            tenant_id=TENANT_ID,
            issuer_id=PERSON_ID,
            issuer_address=PUBLISHER,
            owner_id=PERSON_ID,
            owner_address=PUBLISHER,
            grants=(xrml.Grant("dave@fabrikam.example", ("VIEW",)),),
            expires_at=None,
            offline_days=None,
            interval_days=0,
            allow_audited_extraction=False,
            encrypted_application_data=(),
        )
        terms = xrml.Terms(
            content_id=content_id,
            issued_at=now,
            descriptor_id=TEMPLATE_ID if template else uuid4(),
            descriptor_version=now if template else None,
            names=(xrml.LocalName(1033, "Contoso - Confidential", "For members"),),
            rights=rights,
            owner_address=PUBLISHER,
            sealed=sealed,
        )
        base = f"{url or self.server.url}/t/{TENANT_ID}"
        issuer = xrml.Issuer(TENANT_ID, "Contoso", uuid4(), base, self.public_key)
        return xrml.issue_license(terms, issuer, key, sign=self.sign)

    def publish(self, request):
        content_id, key = uuid4(), ContentKey.generate()
        self.keys[content_id] = key
        raw = self.license(content_id, key, template="TemplateId" in request.json)
        path = f"/api/v1/documents/{content_id}/seal/"
        self.server.routes[f"POST {path}"] = lambda request: self.seal(request, content_id)
        return reply_json(
            {
                "SerializedPublishingLicense": base64.b64encode(raw).decode(),
                "ContentId": f"{{{content_id}}}",
                "Id": f"{{{TEMPLATE_ID}}}",
                "Name": "Contoso - Confidential",
                "Description": "",
                "Owner": PUBLISHER,
                "Key": _key(key),
            }
        )

    def seal(self, request, content_id):
        self.before_seal()
        root = bytes.fromhex(request.json["Root"])
        record = SealedRecord(
            content_id=content_id,
            content_length=request.json["Length"],
            root=root,
            publisher_id=PERSON_ID,
            publisher_address=PUBLISHER,
            sealed_at=datetime.now(UTC),
            key_fingerprint=self.public_key.fingerprint,
        )
        self.roots[content_id] = root
        encoded = encode_record(record, self.sign(record.to_signed_bytes()))
        return reply_json({"Record": base64.b64encode(encoded).decode()})

    def roll(self, private_key):
        """Another key from now on; files under the old one can be sealed to it."""
        self.private_key = private_key
        self.public_key = xrml.PublicKey.from_numbers(private_key.public_key().public_numbers().n)
        for content_id in self.keys:
            path = f"/api/v1/documents/{content_id}/reseal/"
            self.server.routes[f"POST {path}"] = self.reissue

    def reissue(self, request):
        old = xrml.parse_license(base64.b64decode(request.json["SerializedPublishingLicense"]))
        answer = {"Resealed": False, "KeyFingerprint": self.public_key.fingerprint}
        if old.fingerprint != self.public_key.fingerprint:
            raw = self.license(old.content_id, self.keys[old.content_id], sealed=old.sealed)
            answer["Resealed"] = True
            answer["SerializedPublishingLicense"] = base64.b64encode(raw).decode()
            if request.json["Record"]:
                record, _ = decode_record(base64.b64decode(request.json["Record"]))
                anew = replace(record, key_fingerprint=self.public_key.fingerprint)
                encoded = encode_record(anew, self.sign(anew.to_signed_bytes()))
                answer["Record"] = base64.b64encode(encoded).decode()
        return reply_json(answer)

    def use(self, request):
        if self.denial:
            return reply_json({"Id": "", "Name": "", "Referrer": "", "Rights": [], **self.denial})
        parsed = xrml.parse_license(base64.b64decode(request.json["SerializedPublishingLicense"]))
        answer = {
            "AccessStatus": "AccessGranted",
            "Rights": self.rights,
            "Owner": PUBLISHER,
            "IssuedTo": "dave@fabrikam.example",
            "Name": "Contoso - Confidential",
            "LicenseValidUntil": "2036-01-01T00:00:00Z",
            "Key": _key(self.keys[parsed.content_id]),
        }
        if root := self.roots.get(parsed.content_id):
            answer["IntegrityRoot"] = root.hex()
        return reply_json(answer)


def _key(key):
    value = base64.b64encode(key.value).decode()
    return {"Algorithm": "AES", "CipherMode": str(key.mode), "Size": key.size_bits, "Value": value}
