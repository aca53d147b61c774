"""The register of protected documents: entering them, finding out how they stand, reading their history."""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Q, QuerySet

from audit import recording
from audit.models import UsageEvent
from keys.custody import KeyHandle
from rms.xrml import PublishingLicense
from tenants.identity import uuid_parameter
from tracking.models import Document, UnregisteredDocument

OPENING = recording.OPENING
SUCCESS = "Success"


@dataclass(frozen=True, slots=True)
class Resealed:
    """What the register opens a license by instead of the license's own key: the fingerprint of the key that `block` is
    sealed to."""

    fingerprint: str
    block: bytes


@dataclass(frozen=True, slots=True)
class DocumentState:
    """Everything that may have changed since a license was issued, read in one statement.

    `registered`: the register knows the license itself, not only its document. `template_version_id` is the current
    version of the template the license names, if that is one of the tenant's that was ever published. `overrides` are rights by principal, see `policies.evaluation.overridden`.
    """

    tenant_active: bool
    max_license_days: int
    registered: bool
    revoked: bool
    integrity_root: str
    file_name: str
    template_version_id: int | None
    overrides: Mapping[str, Sequence[str]]
    resealed: Resealed | None = None


_STATE = """
SELECT t.state, t.max_use_license_days, d.key_id = %s OR c.id IS NOT NULL, d.revoked_at IS NOT NULL, d.integrity_root,
       d.file_name, p.current_id, d.overrides, k.fingerprint, c.block
FROM tenants_tenant t
LEFT JOIN tracking_document d ON d.tenant_id = t.id AND d.content_id = %s
LEFT JOIN policies_policytemplate p ON p.tenant_id = t.id AND p.id = %s AND p.state <> 'draft'
LEFT JOIN tracking_sealedcopy c ON c.document_id = d.id AND c.body_digest = %s
LEFT JOIN keys_keyversion k ON k.id = c.key_id AND k.id <> %s
WHERE t.id = %s
"""


def state_of(license: PublishingLicense, key: KeyHandle) -> DocumentState:
    """How the document of a license stands now, `key` being the license's own.

    An unregistered one (database restored from before it) is neither revoked nor sealed.
    """
    own_key, tenant_id = uuid_parameter(key.id), uuid_parameter(key.tenant_id)
    named = uuid_parameter(license.content_id), uuid_parameter(license.descriptor_id)
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [own_key, named[0], named[1], license.body_digest, own_key, tenant_id])
        row = cursor.fetchone()
    if row is None:
        return DocumentState(False, 1, False, False, "", "", None, {})
    state, days, registered, revoked, root, file_name, version, overrides, fingerprint, block = row
    return DocumentState(
        state == "active",
        days,
        bool(registered),
        bool(revoked),
        root or "",
        file_name or "",
        version,
        json.loads(overrides) if overrides else {},
        Resealed(fingerprint, bytes(block)) if fingerprint else None,
    )


def note_unregistered(tenant_id: uuid.UUID, key_id: uuid.UUID, content_id: uuid.UUID) -> None:
    """Remember that a document was seen that is in no register, so that it hangs on its key. Once, however often seen."""
    seen = UnregisteredDocument(tenant_id=tenant_id, key_id=key_id, content_id=content_id)
    UnregisteredDocument.objects.bulk_create([seen], ignore_conflicts=True)


def openings_of(document: Document) -> QuerySet[UsageEvent]:
    """All attempts to open the document, newest first."""
    events = UsageEvent.objects.for_tenant(document.tenant_id).filter(content_id=document.content_id)
    return events.filter(request_type=OPENING).order_by("-id")


def activity_counts(documents: Iterable[Document]) -> dict[uuid.UUID, tuple[int, int]]:
    """For each document's content id, how often it was opened and how often opening was refused. One query."""
    listed = list(documents)
    if not listed:
        return {}
    rows = (
        UsageEvent.objects.for_tenant(listed[0].tenant_id)
        .filter(content_id__in=[document.content_id for document in listed], request_type=OPENING)
        .values_list("content_id")
        .annotate(
            opened=Count("id", filter=Q(result=SUCCESS)), refused=Count("id", filter=~Q(result=SUCCESS))
        )
    )
    counts = {content_id: (opened, refused) for content_id, opened, refused in rows if content_id is not None}
    return {document.content_id: counts.get(document.content_id, (0, 0)) for document in listed}
