"""Publishing licenses: a template or an ad-hoc policy becomes a signed license with a fresh content key."""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import override

from keys import custody
from licensing.calls import Call
from licensing.errors import (
    BadInputError,
    DeviceError,
    NotSignedUpError,
    ServiceDisabledError,
)
from licensing.languages import best_name
from licensing.principals import resolve
from licensing.sealing_key import issuer_of, with_active_key
from licensing.special import SPECIAL_POLICIES
from licensing.wire import OUTSIDERS_NEED_FACTOR, encode_license, guid, key_object
from policies.limits import Limits, beyond, limits_of
from policies.models import PolicyTemplate
from policies.publishing import find_offered, load_version, policy_of
from rms.content_key import CipherMode, ContentKey
from rms.languages import lcid_of
from rms.rights import ALL_RIGHTS, LEVELS, SPECIALS, special_of
from rms.xrml import Grant, LocalName, RightsDocument, Terms, issue_license, parse_license
from tenants.domain_names import canonical_address
from tenants.identity import Caller, person_with_address
from tenants.membership import PROTECT_FOR_OTHERS, holds
from tenants.models import Tenant
from tenants.onboarding import may_protect
from tracking.models import Document
from tracking.overrides import terms_as_stored
from tracking.resealing import keep_copy

_KNOWN_RIGHTS = frozenset(ALL_RIGHTS)
_ROLES = {**LEVELS, **SPECIALS}
UNNAMED = "Custom permissions"
ONLY_TEMPLATES = "%(organization)s lets its people protect with its templates only; choose one of them."


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
    """What a client asks for: at most one of `template_id` and `policy`; neither means the default template."""

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
        return with_active_key(tenant, lambda key: _publish_once(call, request, tenant, key))
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


def _publish_once(
    call: Call, request: PublishRequest, tenant: Tenant, key: custody.KeyHandle
) -> dict[str, Any]:
    now = timezone.now().replace(microsecond=0)
    template, terms = _write_terms(call, request, tenant, now)
    content_key = ContentKey.generate(128 if request.short_key else 256, CipherMode.CBC4K)
    try:
        raw = issue_license(terms, issuer_of(tenant, key), content_key, sign=key.sign)
    except ValueError as error:
        raise BadInputError(str(error)) from error
    _register(call, request, terms, template, key, raw)
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
    if request.policy is None:
        template = _chosen_template(call.caller, request.template_id, tenant)
        policy_terms = _terms_of_template(template, base, now)
    else:
        policy_terms = _ad_hoc_terms(request.policy, tenant, base)
    return template, Terms(
        content_id=base["content_id"],
        issued_at=now,
        owner_address=owner_address,
        referral=request.referral,
        signed_application_data=request.signed_data,
        sealed=request.sealed,
        **policy_terms,
    )


def _terms_of_template(template: PolicyTemplate, base: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    assert template.current_id is not None  # a published template has a version (database constraint)
    version = load_version(template.current_id)
    policy = policy_of(version, published_at=now)
    rights = RightsDocument(
        **base,
        grants=tuple(Grant(grant.principal, grant.rights) for grant in policy.grants),
        expires_at=policy.expires_at,
        offline_days=policy.offline_days,
        interval_days=policy.offline_days or 0,
    )
    names = tuple(
        LocalName(lcid_of(entry.language), entry.name, entry.description) for entry in version.names.all()
    )
    return {
        "descriptor_id": template.id,
        "descriptor_version": version.modified_at,
        "names": names,
        "rights": rights,
        "valid_until": None,
    }


def _ad_hoc_terms(policy: AdHocPolicy, tenant: Tenant, base: dict[str, Any]) -> dict[str, Any]:
    limits = limits_of(tenant)
    if not limits.own_permissions:
        raise ServiceDisabledError(ONLY_TEMPLATES % {"organization": tenant.name})
    rights = _ad_hoc_rights(policy, tenant, base)
    check_principals(limits, tenant, [grant.principal for grant in rights.grants])
    return {
        "descriptor_id": uuid.uuid4(),
        "descriptor_version": None,
        "names": _ad_hoc_names(policy, rights),
        "rights": rights,
        "valid_until": policy.expires_at,
    }


def check_principals(limits: Limits, tenant: Tenant, principals: list[str]) -> None:
    """Raises `BadInputError` when the organization's limits keep its people from granting to one of `principals`."""
    found = beyond(limits, tenant, principals)
    if found == "anyone":
        raise BadInputError(f"{tenant.name} does not let its people grant to anybody who signs in.")
    if found is not None:
        raise BadInputError(
            f"{tenant.name} does not let its people grant to others than its own; “{found[:80]}” is outside."
        )


def _chosen_template(caller: Caller, wanted: uuid.UUID | None, tenant: Tenant) -> PolicyTemplate:
    """The template asked for, or the organization's default where nothing was. Raises `BadInputError`."""
    template_id = wanted or limits_of(tenant).default_template_id
    if template_id is None:
        raise BadInputError(
            f"Name a TemplateId or a Policy: {tenant.name} has no template for those who name neither."
        )
    template = find_offered(caller, tenant, template_id)
    if template is None:
        raise BadInputError("There is no such template, or it is not offered to you.")
    return template


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
    unknown = next((role for role in roles if role.upper() not in _ROLES), None)
    if unknown is not None:
        raise BadInputError(f"“{unknown[:40]}” is not a role; the roles are {', '.join(_ROLES)}.")
    return tuple(right for role in roles for right in _ROLES[role.upper()])


def _right_name(name: str) -> str:
    """Known rights in capitals; rights of applications pass through as they are."""
    upper = name.strip().upper()
    if upper in _KNOWN_RIGHTS:
        return upper
    if not name.strip():
        raise BadInputError("A right has no name.")
    return name


def _ad_hoc_names(policy: AdHocPolicy, rights: RightsDocument) -> tuple[LocalName, ...]:
    """The names the client gave; else a special policy's own."""
    names = {
        lcid_of(language): (name, description)
        for language, name, description in policy.descriptors
        if name.strip()
    }
    if names:
        return tuple(LocalName(lcid, name, description) for lcid, (name, description) in names.items())
    special = special_of((grant.principal, grant.rights) for grant in rights.grants)
    if not special:
        return (LocalName(lcid_of("en"), UNNAMED, ""),)
    found = []
    for language, _name in settings.LANGUAGES:
        with override(language):
            name, description = SPECIAL_POLICIES[special]
            found.append(LocalName(lcid_of(language), str(name), str(description)))
    return tuple(found)


def _owner(caller: Caller, wanted: str, tenant: Tenant) -> tuple[uuid.UUID, str]:
    wanted = canonical_address(wanted)
    if not wanted or wanted == canonical_address(caller.address):
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
    call: Call,
    request: PublishRequest,
    terms: Terms,
    template: PolicyTemplate | None,
    key: custody.KeyHandle,
    raw: bytes,
) -> None:
    name, _ = best_name(terms.names, call.languages)
    rights = terms.rights
    needs_factor = any(each == OUTSIDERS_NEED_FACTOR for each, _ in terms.signed_application_data)
    license = parse_license(raw)
    with transaction.atomic():
        custody.hold_active(key)
        document = Document.objects.create(
            tenant_id=rights.tenant_id,
            content_id=terms.content_id,
            key_id=key.id,
            template_id=template.id if template else None,
            issuer_id=None if call.caller.is_service else call.caller.id,
            issuer_address=call.caller.address,
            owner_id=None
            if call.caller.is_service and rights.owner_id == call.caller.id
            else rights.owner_id,
            owner_address=terms.owner_address,
            file_name=request.file_name[:255],
            name=name[:255],
            published_at=terms.issued_at,
            expires_at=rights.expires_at,
            sealed=request.sealed,
            terms=None if template else terms_as_stored(rights, needs_factor=needs_factor),
        )
        keep_copy(document, license, key.id)
        call.log(
            "Success",
            tenant_id=rights.tenant_id,
            content_id=terms.content_id,
            owner_email=terms.owner_address,
            issuer=call.caller.address,
            template_id=template.id if template else None,
            key_id=key.id,
            file_name=request.file_name,
            date_published=terms.issued_at,
            acting_as_user="" if rights.owner_id == call.caller.id else terms.owner_address,
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
