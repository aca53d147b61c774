"""The package of an export of keys (docs/formats/key-export.md): made in memory at each download, kept nowhere."""

import datetime as dt
import json
from typing import Any, Final

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import F
from django.utils import timezone

from keys.custody import active_key
from keys.export import note_download, sealed_keys
from keys.models import KeyExport, KeyVersion
from policies.exchange.exporting import file_of
from policies.exchange.files import JSON, write_file
from policies.models import PolicyTemplate, ProtectionLimits
from rms.key_package import DOCUMENTS, SETTINGS, TEMPLATES, write_package
from tenants.models import Tenant, User, VerifiedDomain
from tracking.models import Document

# Of a document whose access was withdrawn or changed after it was sent; keys, issuer and owner by what they are elsewhere.
DOCUMENT_FIELDS: Final = (
    "content_id",
    "template_id",
    "issuer_address",
    "owner_address",
    "file_name",
    "name",
    "published_at",
    "expires_at",
    "sealed",
    "integrity_root",
    "integrity_length",
    "sealed_at",
    "sealed_by",
    "revoked_at",
    "revoked_by",
    "revocation_reason",
    "terms",
    "overrides",
)
_TIMES: Final = ("created_at", "activated_at", "archived_at", "held_at")


def download_package(export: KeyExport, *, actor: User) -> bytes:
    """A new package of an approved export; the download is logged and told of before anything leaves.

    Raises `ChangeRefusedError` when it may not (any more), `KeyCustodyError` when a key cannot be had.
    """
    package = _make(export)
    note_download(export, actor=actor)
    return package


def _make(export: KeyExport) -> bytes:
    tenant, now = export.tenant, timezone.now()
    described, members = [], dict[str, bytes]()
    for key, absent, wrapped in sealed_keys(export):
        name = f"keys/{key.fingerprint}.bin" if wrapped else None
        if name:
            members[name] = wrapped
        described.append({**_facts(key), "absent": absent or None, "private": name})
    templates = PolicyTemplate.objects.for_tenant(tenant).with_current().order_by("position", "id")
    members[TEMPLATES] = write_file(file_of(tenant, templates, now=now), JSON)
    members[SETTINGS] = json.dumps(_settings(tenant), ensure_ascii=False, indent=2).encode()
    members[DOCUMENTS] = json.dumps(_documents(tenant), cls=DjangoJSONEncoder, ensure_ascii=False).encode()
    signer = active_key(tenant.id)
    facts = {
        "created_at": _time(now),
        "organization": {"id": str(tenant.id), "name": tenant.name},
        "server": settings.PUBLIC_URL,
        "export": {
            "id": str(export.id),
            "reason": export.reason,
            "requested_by": export.requested_by,
            "requested_at": _time(export.requested_at),
            "approved_by": export.approved_by,
            "approved_at": _time(export.approved_at),
        },
        "recipient": {"fingerprint": export.recipient_fingerprint, "wrapping": "rsa-oaep-sha256+aes-256-kwp"},
        "keys": described,
    }
    return write_package(facts, members, signer=signer.fingerprint, sign=signer.sign)


def _facts(key: KeyVersion) -> dict[str, Any]:
    return {
        "fingerprint": key.fingerprint,
        "modulus": bytes(key.modulus).hex(),
        "bits": key.bits,
        "state": key.state,
        "kind": key.kind,
        "origin": key.origin,
        "oaep_hash": key.oaep_hash,
        **{name: _time(getattr(key, name)) for name in _TIMES},
    }


def _settings(tenant: Tenant) -> dict[str, Any]:
    """What the organization has decided about protecting; no secret, and nobody's personal data."""
    limits = ProtectionLimits.objects.filter(tenant=tenant).first() or ProtectionLimits(tenant=tenant)
    domains = VerifiedDomain.objects.for_tenant(tenant).order_by("domain")
    return {
        "languages": tenant.languages,
        "default_language": tenant.default_language,
        "max_use_license_days": tenant.max_use_license_days,
        "onboarding": tenant.onboarding,
        "second_factor": tenant.second_factor,
        "super_users_enabled": tenant.super_users_enabled,
        "protection_limits": {
            "own_permissions": limits.own_permissions,
            "outsiders": limits.outsiders,
            "anyone": limits.anyone,
            "default_template": str(limits.default_template_id) if limits.default_template_id else None,
        },
        "proven_domains": [
            {"domain": domain, "proven_at": _time(proven_at)}
            for domain, proven_at in domains.values_list("domain", "proven_at")
        ],
    }


def _documents(tenant: Tenant) -> list[dict[str, Any]]:
    """What has to be known of documents elsewhere, lest they open there for whom they do not open here any more."""
    changed = Document.objects.for_tenant(tenant).exclude(revoked_at=None, overrides={})
    rows = changed.order_by("published_at", "id").values(
        *DOCUMENT_FIELDS, key_fingerprint=F("key__fingerprint")
    )
    return list(rows)


def _time(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None
