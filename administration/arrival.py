"""An organization that arrives with the package of a key export (docs/formats/key-export.md), from another installation.

It keeps its identifier, which stands in every license: so its documents open here by the same decision as those protected here,
and nothing in that decision had to learn of packages (docs/adr/0087).
"""

import json
import uuid
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from administration.activation import OrganizationError, clean_name, create_tenant
from administration.handover import DOCUMENT_FIELDS
from audit.recording import record_admin
from keys.arrival import take_over
from keys.models import KeyVersion
from policies.exchange.identities import NOBODY
from policies.exchange.importing import import_templates
from policies.exchange.planning import plan_import
from rms.key_package import DOCUMENTS, SETTINGS, TEMPLATES, Package, PackageError, RecipientKey, read_package
from tenants.changes import Actor
from tenants.languages import in_order
from tenants.models import RoleAssignment, Tenant, User
from tracking.models import Document

OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came of a package. `left_out` are the fingerprints of keys whose private half is not in it."""

    tenant: Tenant
    keys: int
    left_out: tuple[str, ...]
    templates: int
    documents: int
    signed_by: str


def import_package(data: bytes, recipient: RecipientKey, *, founder: User) -> Arrival:
    """Bring the organization of a package into being, inactive, with `founder` as its global administrator.

    Keys arrive archived. Templates arrive archived, under their identifiers where those are free; people and groups that they
    name are unknown here and left out. Nobody is issuer or owner of the documents: those are persons of the other
    installation. All of it or nothing. Raises `PackageError`, `OrganizationError`, `KeyCustodyError`.
    """
    package = read_package(data)
    try:
        with transaction.atomic():
            return _arrive(package, recipient, founder)
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise PackageError("What this package says of the organization cannot be read.") from error


def _arrive(package: Package, recipient: RecipientKey, founder: User) -> Arrival:
    if package.manifest["recipient"]["fingerprint"] != recipient.fingerprint:
        raise PackageError("This package was made for another recipient's key.")
    founder = User.objects.select_for_update(of=("self",)).get(id=founder.id)
    if founder.tenant_id is not None:
        raise OrganizationError("The first administrator belongs to an organization already.")
    tenant = _tenant(package)
    founder.tenant = tenant
    founder.save(update_fields=["tenant"])
    RoleAssignment.objects.create(tenant=tenant, user=founder, role=RoleAssignment.Role.GLOBAL_ADMIN)
    keys = take_over(tenant, package, recipient)
    templates = _take_templates(tenant, package.members[TEMPLATES])
    documents = _take_documents(tenant, json.loads(package.members[DOCUMENTS]), keys)
    left_out = tuple(sorted(package.keys.keys() - keys.keys()))
    arrival = Arrival(tenant, len(keys), left_out, templates, documents, package.signed_by)
    record_admin(
        tenant_id=tenant.id,
        actor=OPERATOR,
        actor_id=None,
        action="ImportPackage",
        target=tenant.name,
        target_id=tenant.id,
        after={
            "keys": arrival.keys,
            "keys_left_out": len(left_out),
            "templates": templates,
            "documents": documents,
            "signed_by": package.signed_by,
            "administrator": founder.email,
        },
    )
    return arrival


def _tenant(package: Package) -> Tenant:
    """With the identifier it had, and the settings that templates depend on. Who may do what is decided anew."""
    organization, chosen = package.manifest["organization"], json.loads(package.members[SETTINGS])
    tenant_id = uuid.UUID(organization["id"])
    if Tenant.objects.filter(id=tenant_id).exists():
        raise OrganizationError("This organization is on this installation already.")
    language = chosen["default_language"]
    return create_tenant(
        clean_name(str(organization["name"])),
        language if language in dict(settings.LANGUAGES) else "en",
        id=tenant_id,
        languages=in_order(chosen["languages"]),
        max_use_license_days=min(max(int(chosen["max_use_license_days"]), 1), 365),
    )


def _take_templates(tenant: Tenant, data: bytes) -> int:
    unknown = plan_import(tenant, data, mapping={}).unknown
    mapping = {each.who.label: NOBODY for each in unknown}
    imported = import_templates(tenant, data, actor=Actor(OPERATOR), mapping=mapping, keep_ids=True)
    return len(imported.templates)


def _take_documents(tenant: Tenant, rows: list[dict[str, Any]], keys: dict[str, KeyVersion]) -> int:
    """What was withdrawn stays withdrawn."""
    documents = [
        Document(tenant=tenant, key=keys[row["key_fingerprint"]], **_columns(row))
        for row in rows
        if row["key_fingerprint"] in keys
    ]
    return len(Document.objects.bulk_create(documents, batch_size=500))


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    """The columns of a row, each read as its field reads text."""
    fields: dict[str, Any] = {field.name: field for field in Document._meta.concrete_fields}
    return {name: fields[name].to_python(row[name]) for name in DOCUMENT_FIELDS}
