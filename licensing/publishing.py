"""Publishing licenses: a template or an ad-hoc policy becomes a signed license with a fresh content key."""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from keys import custody
from keys.errors import KeyCustodyError, KeyNoLongerActiveError
from licensing.calls import Call
from licensing.errors import (
    BadInputError,
    DeviceError,
    NotSignedUpError,
    ServerFaultError,
    ServiceDisabledError,
)
from licensing.languages import best_name, lcid_of
from licensing.principals import resolve
from licensing.wire import encode_license, guid, key_object
from policies.models import PolicyTemplate
from policies.publishing import find_offered, load_version, policy_of
from rms.content_key import CipherMode, ContentKey
from rms.rights import ALL_RIGHTS, LEVELS
from rms.xrml import Grant, Issuer, LocalName, RightsDocument, Terms, issue_license
from tenants.identity import Caller, person_with_address
from tenants.membership import PROTECT_FOR_OTHERS, holds
from tenants.models import Tenant
from tenants.onboarding import may_protect
from tracking.models import Document

_KNOWN_RIGHTS = frozenset(ALL_RIGHTS)
_ATTEMPTS = 3
UNNAMED = "Custom permissions"


@dataclass(frozen=True, slots=True)
class AdHocPolicy:
    """A policy written by the publisher: names per language, entries of `Users` with rights or wire roles."""

    user_rights: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    user_roles: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    descriptors: tuple[tuple[str, str, str], ...] = ()  # language, name, description
    offline: bool = True
    interval_days: int = 0
    expires_at: dt.datetime | None = None
    encrypted_data: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """What a client asks for: exactly one of `template_id` and `policy` is set."""

    template_id: uuid.UUID | None
    policy: AdHocPolicy | None
    short_key: bool = False
    allow_audited_extraction: bool = False
    referral: str | None = None
    signed_data: tuple[tuple[str, str], ...] = ()
    owner: str = ""
    file_name: str = ""
    sealed: bool = False


def publish(call: Call, request: PublishRequest) -> dict[str, Any]:
    """Issue and register a publishing license and return the answer as sent (protocol.md 1.4).

    Exactly one usage row is committed, together with the document when it succeeds. Raises `DeviceError`.
    """
    try:
        tenant = protecting_tenant(call.caller)
        for _ in range(_ATTEMPTS):
            try:
                return _publish_once(call, request, tenant)
            except KeyNoLongerActiveError:
                continue  # rolled between sealing and registering: seal again with the new key
            except KeyCustodyError as error:
                raise ServerFaultError("The organization's key cannot be used at the moment.") from error
        raise ServerFaultError("The organization's key is changing; try again in a moment.")
    except DeviceError as error:
        call.log(error.log_name)
        raise


def home_tenant(caller: Caller) -> Tenant:
    """The caller's own organization, active. Raises the refusals of protocol.md 1.1."""
    tenant = Tenant.objects.filter(id=caller.tenant_id).first() if caller.tenant_id else None
    if tenant is None:
        raise NotSignedUpError(
            "You belong to no organization here, so you can open documents but not protect them."
        )
    if not tenant.is_active:
        raise ServiceDisabledError(f"Protection is switched off for {tenant.name}.")
    return tenant


def protecting_tenant(caller: Caller) -> Tenant:
    """The organization in whose name `caller` protects. Raises as `home_tenant`, and for those outside onboarding."""
    tenant = home_tenant(caller)
    if not may_protect(caller, tenant):
        raise ServiceDisabledError(
            f"{tenant.name} has not enabled protecting for your account. Ask an administrator."
        )
    return tenant


def _publish_once(call: Call, request: PublishRequest, tenant: Tenant) -> dict[str, Any]:
    key = custody.active_key(tenant.id)
    now = timezone.now().replace(microsecond=0)
    template, terms = _write_terms(call, request, tenant, now)
    content_key = ContentKey.generate(128 if request.short_key else 256, CipherMode.CBC4K)
    issuer = Issuer(
        tenant_id=tenant.id,
        name=tenant.name,
        server_id=tenant.server_id,
        base_url=f"{settings.PUBLIC_URL}/t/{tenant.id}",
        public_key=key.public_key,
        oaep_hash="sha1" if key.oaep_hash == "sha1" else "sha256",
    )
    try:
        raw = issue_license(terms, issuer, content_key, sign=key.sign)
    except ValueError as error:
        raise BadInputError(str(error)) from error
    _register(call, request, terms, template, key)
    return _answer(call, request, terms, raw, content_key)


def _write_terms(
    call: Call, request: PublishRequest, tenant: Tenant, now: dt.datetime
) -> tuple[PolicyTemplate | None, Terms]:
    owner_id, owner_address = _owner(call.caller, request.owner, tenant)
    base: dict[str, Any] = {
        "content_id": uuid.uuid4(),
        "tenant_id": tenant.id,
        "issuer_id": call.caller.id,
        "issuer_address": call.caller.address,
        "owner_id": owner_id,
        "owner_address": owner_address,
        "allow_audited_extraction": request.allow_audited_extraction,
    }
    template = None
    if request.template_id is not None:
        template = find_offered(call.caller, tenant, request.template_id)
        if template is None or template.current_id is None:
            raise BadInputError("There is no such template, or it is not offered to you.")
        version = load_version(template.current_id)
        policy = policy_of(version, published_at=now)
        grants = tuple(Grant(grant.principal, grant.rights) for grant in policy.grants)
        rights = RightsDocument(
            **base,
            grants=grants,
            expires_at=policy.expires_at,
            offline_days=policy.offline_days,
            interval_days=policy.offline_days or 0,
        )
        names = tuple(
            LocalName(lcid_of(entry.language), entry.name, entry.description) for entry in version.names.all()
        )
        descriptor_id, modified, valid_until = template.id, version.modified_at, None
    else:
        assert request.policy is not None
        rights = _ad_hoc_rights(request.policy, tenant, base)
        names = _ad_hoc_names(request.policy)
        descriptor_id, modified, valid_until = uuid.uuid4(), None, request.policy.expires_at
    return template, Terms(
        content_id=rights.content_id,
        issued_at=now,
        descriptor_id=descriptor_id,
        descriptor_version=modified,
        names=names,
        rights=rights,
        owner_address=owner_address,
        valid_until=valid_until,
        referral=request.referral,
        signed_application_data=request.signed_data,
        sealed=request.sealed,
    )


def _ad_hoc_rights(policy: AdHocPolicy, tenant: Tenant, base: dict[str, Any]) -> RightsDocument:
    held: dict[str, dict[str, None]] = {}
    expanded = [(users, _expand_roles(roles)) for users, roles in policy.user_roles]
    for users, rights in [*policy.user_rights, *expanded]:
        for entry in users:
            held.setdefault(resolve(entry, tenant), {}).update(dict.fromkeys(map(_right_name, rights)))
    offline_days = None
    if not policy.offline:
        offline_days = 0
    elif policy.interval_days > 0:
        offline_days = min(policy.interval_days, 3650)
    return RightsDocument(
        **base,
        grants=tuple(Grant(principal, tuple(rights)) for principal, rights in held.items() if rights),
        expires_at=policy.expires_at,
        offline_days=offline_days,
        interval_days=policy.interval_days,
        encrypted_application_data=policy.encrypted_data,
    )


def _expand_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    unknown = next((role for role in roles if role.upper() not in LEVELS), None)
    if unknown is not None:
        raise BadInputError(f"“{unknown[:40]}” is not a role; the roles are {', '.join(LEVELS)}.")
    return tuple(right for role in roles for right in LEVELS[role.upper()])


def _right_name(name: str) -> str:
    """Known rights in capitals; rights of applications pass through as they are."""
    upper = name.strip().upper()
    if upper in _KNOWN_RIGHTS:
        return upper
    if not name.strip():
        raise BadInputError("A right has no name.")
    return name


def _ad_hoc_names(policy: AdHocPolicy) -> tuple[LocalName, ...]:
    names = {
        lcid_of(language): (name, description)
        for language, name, description in policy.descriptors
        if name.strip()
    }
    return tuple(LocalName(lcid, name, description) for lcid, (name, description) in names.items()) or (
        LocalName(lcid_of("en"), UNNAMED, ""),
    )


def _owner(caller: Caller, wanted: str, tenant: Tenant) -> tuple[uuid.UUID, str]:
    wanted = wanted.strip().lower()
    if not wanted or wanted == caller.address.lower():
        return caller.id, caller.address
    if not (caller.protects_for_others or holds(caller, tenant.id, PROTECT_FOR_OTHERS)):
        raise BadInputError("You may not protect documents in somebody else's name.")
    owner = person_with_address(tenant, wanted)
    if owner is None:
        raise BadInputError(
            f"Nobody in {tenant.name} has the address {wanted[:100]}, so they cannot own the document."
        )
    return owner.id, wanted


def _register(
    call: Call, request: PublishRequest, terms: Terms, template: PolicyTemplate | None, key: custody.KeyHandle
) -> None:
    name, _ = best_name(terms.names, call.languages)
    rights = terms.rights
    with transaction.atomic():
        custody.hold_active(key)
        Document.objects.create(
            tenant_id=rights.tenant_id,
            content_id=terms.content_id,
            key_id=key.id,
            template_id=template.id if template else None,
            issuer_id=None if call.caller.is_service else call.caller.id,
            issuer_address=call.caller.address,
            owner_address=terms.owner_address,
            file_name=request.file_name[:255],
            name=name[:255],
            published_at=terms.issued_at,
            expires_at=rights.expires_at,
            sealed=request.sealed,
        )
        call.log(
            "Success",
            tenant_id=rights.tenant_id,
            content_id=terms.content_id,
            owner_email=terms.owner_address,
            issuer=call.caller.address,
            template_id=template.id if template else None,
            file_name=request.file_name,
            date_published=terms.issued_at,
        )


def _answer(call: Call, request: PublishRequest, terms: Terms, raw: bytes, key: ContentKey) -> dict[str, Any]:
    name, description = best_name(terms.names, call.languages)
    return {
        "SerializedPublishingLicense": encode_license(raw),
        "Id": guid(terms.descriptor_id),
        "Name": name,
        "Description": description,
        "Owner": terms.owner_address,
        "Referrer": request.referral or "",
        "ContentId": guid(terms.content_id),
        "Key": key_object(key),
        "SignedApplicationData": dict(request.signed_data),
        "EncryptedApplicationData": dict(terms.rights.encrypted_application_data),
    }
