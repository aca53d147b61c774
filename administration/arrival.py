"""An organization that arrives with the package of a key export (docs/formats/key-export.md), from another installation.

It keeps its identifier, which stands in every license: so its documents open here by the same decision as those protected here,
and nothing in that decision had to learn of packages (docs/adr/0087). Operators look at it first (docs/adr/0092).
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
from keys.arrival import HELD, take_over
from keys.models import KeyVersion
from policies.exchange.files import read_file
from policies.exchange.identities import NOBODY
from policies.exchange.importing import import_templates
from policies.exchange.planning import plan_import
from rms.key_package import DOCUMENTS, SETTINGS, TEMPLATES, Package, PackageError, RecipientKey, read_package
from tenants.changes import Actor
from tenants.domain_names import canonical_address
from tenants.languages import in_order
from tenants.models import RoleAssignment, Tenant, User
from tracking.models import Document

OPERATOR: Final = Actor("operator")
_UNREADABLE: Final = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    StopIteration,
    RecursionError,
    ValidationError,
)
_HERE_ALREADY: Final = "This organization is on this installation already."
_CANNOT_BE_READ: Final = "What this package says of the organization cannot be read."


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came of a package. `left_out` are the fingerprints of keys whose private half is not in it."""

    tenant: Tenant
    keys: int
    left_out: tuple[str, ...]
    templates: int
    documents: int
    signed_by: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a package says of itself, and what would come of it: to be compared with what the customer says.

    `keys` are fingerprint, size, state and why the private half is absent ("held" arrives, to be restored; others do not).
    `refusal` is why nothing of it would arrive.
    """

    package: Package
    name: str
    tenant_id: uuid.UUID
    keys: tuple[tuple[str, int, str, str], ...]
    templates: tuple[str, ...]
    settings: tuple[tuple[str, object], ...]
    documents: int
    refusal: str

    @property
    def arriving(self) -> int:
        return sum(absent in ("", HELD) for *_, absent in self.keys)


def look_at(data: bytes) -> Look:
    """Read a package without its recipient's key. Changes nothing. Raises `PackageError`."""
    package = read_package(data)
    try:
        chosen = _chosen(package)
        _form, filed = read_file(package.members[TEMPLATES])
        organization = package.manifest["organization"]
        return Look(
            package,
            clean_name(str(organization["name"])),
            uuid.UUID(organization["id"]),
            tuple(
                (key.fingerprint, key.public_key.bits, key.state, key.why_absent)
                for key in package.keys.values()
            ),
            tuple(
                {text.language: text.name for text in one.rules.texts}[one.rules.default_language]
                for one in filed.templates
            ),
            tuple(chosen.items()),
            len(json.loads(package.members[DOCUMENTS])),
            _refusal(package),
        )
    except _UNREADABLE as error:
        raise PackageError(_CANNOT_BE_READ) from error


def founder_at(address: str) -> User:
    """Who has proven `address` and belongs to no organization yet. Raises `OrganizationError`."""
    address = canonical_address(address)
    found = User.objects.filter(
        emailaddress__email=address, emailaddress__verified=True, is_active=True
    ).first()
    if found is None:
        raise OrganizationError(f"Nobody here has proven the address {address}; they sign up first.")
    if found.tenant_id is not None:
        raise OrganizationError(f"{address} belongs to an organization already.")
    return found


def import_package(
    data: bytes, recipient: RecipientKey, *, founder: User, actor: Actor = OPERATOR
) -> Arrival:
    """Bring the organization of a package into being, inactive, with `founder` as its global administrator.

    Keys arrive archived. Templates arrive archived, under their identifiers where those are free; people and groups that they
    name are unknown here and left out. Nobody is issuer or owner of the documents: those are persons of the other
    installation. All of it or nothing. Raises `PackageError`, `OrganizationError`, `KeyCustodyError`.
    """
    package = read_package(data)
    try:
        with transaction.atomic():
            return _arrive(package, recipient, founder, actor)
    except _UNREADABLE as error:
        raise PackageError(_CANNOT_BE_READ) from error


def _arrive(package: Package, recipient: RecipientKey, founder: User, actor: Actor) -> Arrival:
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
    templates = _take_templates(tenant, package.members[TEMPLATES], actor)
    documents = take_documents(tenant, json.loads(package.members[DOCUMENTS]), keys)
    left_out = tuple(sorted(package.keys.keys() - keys.keys()))
    arrival = Arrival(tenant, len(keys), left_out, templates, documents, package.signed_by)
    record_admin(
        tenant_id=tenant.id,
        actor=actor.name,
        actor_id=actor.id,
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
    if refusal := _refusal(package):
        raise OrganizationError(refusal)
    organization = package.manifest["organization"]
    tenant_id = uuid.UUID(organization["id"])
    return create_tenant(clean_name(str(organization["name"])), id=tenant_id, **_chosen(package))


def _refusal(package: Package) -> str:
    tenant_id = uuid.UUID(package.manifest["organization"]["id"])
    return _HERE_ALREADY if Tenant.objects.filter(id=tenant_id).exists() else ""


def _chosen(package: Package) -> dict[str, Any]:
    """The settings that arrive, each within what is allowed here."""
    chosen = json.loads(package.members[SETTINGS])
    language = chosen["default_language"]
    return {
        "language": language if language in dict(settings.LANGUAGES) else "en",
        "languages": in_order(chosen["languages"]),
        "max_use_license_days": min(max(int(chosen["max_use_license_days"]), 1), 365),
    }


def _take_templates(tenant: Tenant, data: bytes, actor: Actor) -> int:
    unknown = plan_import(tenant, data, mapping={}).unknown
    mapping = {each.who.label: NOBODY for each in unknown}
    imported = import_templates(tenant, data, actor=actor, mapping=mapping, keep_ids=True)
    return len(imported.templates)


def take_documents(tenant: Tenant, rows: list[dict[str, Any]], keys: dict[str, KeyVersion]) -> int:
    """What was withdrawn stays withdrawn. For documents of `keys` that are not in the register yet."""
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
