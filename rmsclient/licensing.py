"""The device API of protocol section 1: templates, publishing licenses, use licenses, and the seal."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from rms import xrml
from rms.content_key import CipherMode, ContentKey
from rms.errors import FormatError
from rms.integrity import RECORD_SPACE
from rmsclient.errors import (
    BadFileError,
    ClientError,
    Exit,
    NoRightsError,
    RefusalError,
    ServerError,
    UsageError,
    WithdrawnError,
)
from rmsclient.shapes import Answer, answers, wrong_shape
from rmsclient.transport import Transport

API = "/my/v2"
MAX_LICENSE = 2**20
# Offline access without a number of days of its own: as long as the organization allows.
_NO_INTERVAL = -1


@dataclass(frozen=True)
class Template:
    id: UUID
    name: str
    description: str


@dataclass(frozen=True)
class GrantRequest:
    """Who may do what; ``who`` is one of the ``Users`` forms of protocol section 1.4."""

    who: str
    rights: tuple[str, ...]


@dataclass(frozen=True)
class PolicyRequest:
    """Either a template or grants; neither is the organization's default template. ``offline_days`` None: as the organization allows; 0: no offline access."""

    template: Template | None = None
    grants: tuple[GrantRequest, ...] = ()
    expires_at: datetime | None = None
    offline_days: int | None = None
    owner: str | None = None
    outsiders_need_factor: bool = False


@dataclass(frozen=True)
class Publication:
    """A new publishing license and the key to encrypt with."""

    license: xrml.PublishingLicense
    raw: bytes = field(repr=False)
    key: ContentKey
    name: str
    owner: str


@dataclass(frozen=True)
class UseLicense:
    """A granted use license. ``valid_until`` is how long it could be used without asking again."""

    key: ContentKey
    rights: tuple[str, ...]
    owner: str
    issued_to: str
    name: str
    valid_until: datetime | None
    content_valid_until: datetime | None
    integrity_root: bytes | None


@dataclass(frozen=True)
class Reissue:
    """``fingerprint`` is that of the active key; no ``license`` when the file's own is under that key already."""

    fingerprint: str
    license: bytes | None = field(default=None, repr=False)
    record: bytes | None = field(default=None, repr=False)


class KeyRolledError(RefusalError):
    """The key that signed the license has been replaced and signs no more: protect the file again."""


def list_templates(transport: Transport) -> tuple[Template, ...]:
    """The templates the person may protect with. Raises ServerError."""
    found = answers(transport.get_json(f"{API}/templates"), "templates")
    return tuple(Template(a.guid("Id"), a.text("Name"), a.text("Description")) for a in found)


def publish(transport: Transport, policy: PolicyRequest, file_name: str) -> Publication:
    """Asks for a publishing license. Never sent twice once it may have arrived.

    Raises RefusalError (with exit code 2 when the request itself was at fault), ServerError.
    """
    try:
        answer = Answer(
            transport.post_json(f"{API}/publishinglicenses", _publishing_request(policy, file_name)),
            "publishing license",
        )
    except RefusalError as refusal:
        if refusal.code == "BadInputException":
            refusal.exit_code = Exit.USAGE
        raise
    raw = answer.decoded("SerializedPublishingLicense", MAX_LICENSE)
    try:
        parsed = xrml.parse_license(raw)
    except FormatError as problem:
        raise ServerError(
            "unexpected_answer", f"The server issued an unusable license: {problem}"
        ) from problem
    if not parsed.sealed or parsed.content_id != answer.guid("ContentId"):
        raise wrong_shape("publishing license")
    return Publication(parsed, raw, _content_key(answer), answer.text("Name"), answer.text("Owner"))


def acquire(transport: Transport, license_bytes: bytes) -> UseLicense:
    """Asks to open. Raises NoRightsError, WithdrawnError, BadFileError (license altered), ServerError."""
    body = {"SerializedPublishingLicense": base64.b64encode(license_bytes).decode()}
    try:
        answer = Answer(transport.post_json(f"{API}/enduserlicenses", body, repeatable=True), "use license")
    except RefusalError as refusal:
        if refusal.code == "BadInputException":
            raise BadFileError("license_refused", str(refusal)) from refusal
        raise
    status = answer.text("AccessStatus")
    if status != "AccessGranted":
        raise _denial(status, answer.optional_text("Reason"), answer.optional_text("SetUpAt"))
    root = answer.optional_text("IntegrityRoot")
    return UseLicense(
        key=_content_key(answer),
        rights=answer.texts("Rights"),
        owner=answer.optional_text("Owner") or "",
        issued_to=answer.optional_text("IssuedTo") or "",
        name=answer.optional_text("Name") or "",
        valid_until=answer.optional_moment("LicenseValidUntil"),
        content_valid_until=answer.optional_moment("ContentValidUntil"),
        integrity_root=_root(root) if root else None,
    )


def seal(transport: Transport, publication: Publication, root: bytes, length: int, *, space: int) -> bytes:
    """Has the service sign the integrity record over ``root`` (protocol section 5): at most ``space`` bytes.

    Signing the same root again changes nothing, so a lost answer is asked for again: the file may be
    large. Raises KeyRolledError when the license's key was replaced meanwhile, RefusalError, ServerError.
    """
    body = {
        "SerializedPublishingLicense": base64.b64encode(publication.raw).decode(),
        "Root": root.hex(),
        "Length": length,
    }
    path = f"/api/v1/documents/{publication.license.content_id}/seal/"
    try:
        answer = Answer(transport.post_json(path, body, repeatable=True), "seal")
    except RefusalError as refusal:
        if refusal.code == "KeyRolledException":
            raise KeyRolledError(refusal.status, refusal.code, str(refusal)) from refusal
        raise
    return answer.decoded("Record", space)


def reissue(transport: Transport, license: xrml.PublishingLicense, record: bytes | None) -> Reissue:
    """Has the license of a file issued anew under the active key, and its integrity ``record`` signed anew.

    Sent again when the answer was lost: the license that nobody got opens nothing else. Raises NoRightsError,
    WithdrawnError, BadFileError, UsageError, ServerError.
    """
    body = {
        "SerializedPublishingLicense": base64.b64encode(license.raw).decode(),
        "Record": base64.b64encode(record).decode() if record else None,
    }
    path = f"/api/v1/documents/{license.content_id}/reseal/"
    try:
        answer = Answer(transport.post_json(path, body, repeatable=True), "license issued anew")
    except RefusalError as refusal:
        raise _REISSUE_REFUSALS.get(refusal.code, _same)(refusal) from refusal
    fingerprint = answer.text("KeyFingerprint")
    if answer.optional_text("SerializedPublishingLicense") is None:
        return Reissue(fingerprint)
    signed = answer.decoded("Record", RECORD_SPACE) if record else None
    return Reissue(fingerprint, answer.decoded("SerializedPublishingLicense", MAX_LICENSE), signed)


def _same(refusal: RefusalError) -> ClientError:
    return refusal


# What concerns one file only, in the words of the server. Anything else is likely to meet the next file, too.
_REISSUE_REFUSALS: dict[str, Callable[[RefusalError], ClientError]] = {
    "ResealRefusedException": lambda refusal: NoRightsError("may_not_reseal", str(refusal)),
    "AccessRevokedException": lambda refusal: WithdrawnError("revoked", str(refusal)),
    "ContentExpiredException": lambda refusal: WithdrawnError("expired", str(refusal)),
    "FileAlteredException": lambda refusal: BadFileError("altered", str(refusal)),
    "BadInputException": lambda refusal: BadFileError("license_refused", str(refusal)),
    "KeyDisabledException": lambda refusal: NoRightsError("key_disabled", str(refusal)),
    "KeyDestroyedException": lambda refusal: NoRightsError("key_destroyed", str(refusal)),
    "LicensesUsedUpException": lambda refusal: UsageError("licenses_used_up", str(refusal)),
}


def _publishing_request(policy: PolicyRequest, file_name: str) -> dict[str, object]:
    body: dict[str, object] = {
        "PreferDeprecatedAlgorithms": False,
        "AllowAuditedExtraction": False,
        "FileName": file_name,
        "Sealed": True,
    }
    if policy.owner:
        body["Owner"] = policy.owner
    if policy.template:
        body["TemplateId"] = f"{{{policy.template.id}}}"
        return body
    if not policy.grants:
        return body
    terms: dict[str, object] = {
        "UserRights": [{"Users": [grant.who], "Rights": list(grant.rights)} for grant in policy.grants],
        "allowOfflineAccess": policy.offline_days != 0,
        "IntervalTimeInDays": _NO_INTERVAL if policy.offline_days is None else policy.offline_days,
    }
    if policy.outsiders_need_factor:
        body["OutsidersNeedSecondFactor"] = True
    if policy.expires_at:
        terms["LicenseValidUntil"] = policy.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body["Policy"] = terms
    return body


def _content_key(answer: Answer) -> ContentKey:
    key = answer.object("Key")
    value = key.decoded("Value", 32)
    try:
        return ContentKey(value, CipherMode(key.text("CipherMode")))
    except ValueError:
        raise wrong_shape("Key") from None


def _root(text: str) -> bytes:
    try:
        root = bytes.fromhex(text)
    except ValueError:
        raise wrong_shape("use license.IntegrityRoot") from None
    if len(root) != 32:
        raise wrong_shape("use license.IntegrityRoot")
    return root


def _denial(status: str, reason: str | None, place: str | None) -> Exception:
    if status not in ("AccessDenied", "ContentExpired"):
        return wrong_shape("use license.AccessStatus")
    if reason == "revoked":
        return WithdrawnError("revoked", "The person who protected this file has revoked access to it.")
    if status == "ContentExpired" or reason == "expired":
        return WithdrawnError("expired", "This file has expired and can no longer be opened.")
    if reason == "second factor":
        where = f" Set one up at {place} if you have none, then sign in again with it." if place else ""
        return NoRightsError("second_factor", f"The sender asks for a second factor.{where}")
    if reason == "key held":
        return NoRightsError(
            "key_held",
            "The organization of this file keeps its key to itself at the moment, so it opens for nobody. Ask its administrators.",
        )
    if reason == "key disabled":
        return NoRightsError(
            "key_disabled",
            "The organization of this file has disabled its key, so the file opens for nobody at the moment. Ask its administrators.",
        )
    if reason == "key destroyed":
        return NoRightsError(
            "key_destroyed",
            "The organization of this file has destroyed its key, so the file opens for nobody any more.",
        )
    if reason == "inactive":
        return ServerError("inactive", "Protection is switched off in the organization of this file.")
    return NoRightsError("no_access", "You have no access to this file. Ask the person who sent it.")
