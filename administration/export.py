"""The export of an organization: one ZIP archive of JSON lines and daily log files, made by a job, never with a key.

Every table is read a piece at a time, so the archive takes disk and not memory. A worker that dies leaves a claim that
grows old; another one starts anew.
"""

import datetime as dt
import hashlib
import json
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import IO, Any, Final

from django.core.files import File
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from administration.models import OrganizationExport
from audit import aggregation
from audit.models import AdminEvent
from audit.recording import record_admin
from keys.models import (
    ImportKey,
    IncidentStep,
    KeyExport,
    KeyIncident,
    KeyNotice,
    KeyPolicy,
    KeyUse,
    KeyVersion,
    RollPolicy,
)
from policies.models import (
    LocalizedName,
    PolicyTemplate,
    ProtectionLimits,
    TemplateGrant,
    TemplateScope,
    TemplateVersion,
)
from tenants.models import (
    Group,
    GroupMember,
    GroupNesting,
    RoleAssignment,
    StatedAddress,
    Tenant,
    User,
    VerifiedDomain,
)
from tracking.models import AccessChange, Destruction, Document, Resealing, UnregisteredDocument

_CHUNK: Final = 2000
_STALE_AFTER: Final = timedelta(minutes=3)
_MAX_ATTEMPTS: Final = 5
_README = """Export of {name} ({id}), {time}

Each *.jsonl file holds one JSON object a line; usage/ holds the daily usage logs as W3C extended log files.
The private keys are not in here: documents protected with them open only as long as the organization exists, or where
the keys have been handed over by a key export.
"""
Rows = Callable[[Tenant], "QuerySet[Any, Any]"]
_PERSON = (
    "id",
    "email",
    "name",
    "is_active",
    "suspended_at",
    "licensed",
    "language",
    "time_zone",
    "date_joined",
)
_KEY_EXPORT = (
    "id",
    "reason",
    "recipient_fingerprint",
    "keys",
    "requested_by",
    "requested_at",
    "approved_by",
    "approved_at",
    "expires_at",
    "outcome",
    "ended_by",
    "ended_at",
    "downloads",
    "downloaded_at",
)
_TABLES: Final[dict[str, Rows]] = {
    "organization": lambda tenant: Tenant.objects.filter(id=tenant.id).values(),
    "people": lambda tenant: User.objects.for_tenant(tenant).order_by("id").values(*_PERSON),
    "addresses": lambda tenant: (
        User.objects.for_tenant(tenant)
        .filter(emailaddress__isnull=False)
        .order_by("id")
        .values(
            "id",
            address=F("emailaddress__email"),
            verified=F("emailaddress__verified"),
            primary=F("emailaddress__primary"),
        )
    ),
    "stated_addresses": lambda tenant: (
        StatedAddress.objects.for_tenant(tenant).order_by("id").values("user_id", "address", "stated_at")
    ),
    "merged_accounts": lambda tenant: (
        User.objects.filter(tenant=tenant, merged_into__isnull=False)
        .order_by("id")
        .values("id", "name", "merged_into_id")
    ),
    "groups": lambda tenant: Group.objects.for_tenant(tenant).order_by("id").values(),
    "group_members": lambda tenant: (
        GroupMember.objects.filter(group__tenant=tenant).order_by("id").values("group_id", "user_id")
    ),
    "group_nesting": lambda tenant: (
        GroupNesting.objects.filter(parent__tenant=tenant).order_by("id").values("parent_id", "child_id")
    ),
    "roles": lambda tenant: RoleAssignment.objects.for_tenant(tenant).order_by("id").values(),
    "domains": lambda tenant: VerifiedDomain.objects.for_tenant(tenant).values(
        "domain", "proven_at", "lost_since"
    ),
    "templates": lambda tenant: PolicyTemplate.objects.for_tenant(tenant).order_by("id").values(),
    "template_versions": lambda tenant: (
        TemplateVersion.objects.filter(template__tenant=tenant).order_by("id").values()
    ),
    "template_scopes": lambda tenant: (
        TemplateScope.objects.filter(version__template__tenant=tenant)
        .order_by("id")
        .values("user_id", "group_id", template=F("version__template"), number=F("version__number"))
    ),
    "template_names": lambda tenant: (
        LocalizedName.objects.filter(version__template__tenant=tenant)
        .order_by("id")
        .values(
            "language", "name", "description", template=F("version__template"), number=F("version__number")
        )
    ),
    "template_grants": lambda tenant: (
        TemplateGrant.objects.filter(version__template__tenant=tenant)
        .order_by("id")
        .values("principal", "rights", template=F("version__template"), number=F("version__number"))
    ),
    "keys": lambda tenant: (
        KeyVersion.objects.for_tenant(tenant)
        .order_by("id")
        .values(
            "id",
            "fingerprint",
            "bits",
            "kind",
            "origin",
            "state",
            "created_at",
            "activated_at",
            "archived_at",
            "held_at",
            "disabled_at",
        )
    ),
    "key_policy": lambda tenant: KeyPolicy.objects.for_tenant(tenant).values("place", "export_wait_hours"),
    "key_exports": lambda tenant: (
        KeyExport.objects.for_tenant(tenant).order_by("requested_at", "id").values(*_KEY_EXPORT)
    ),
    "import_keys": lambda tenant: (
        ImportKey.objects.for_tenant(tenant)
        .order_by("id")
        .values("created_by", "created_at", "expires_at", "used_at")
    ),
    "roll_policy": lambda tenant: RollPolicy.objects.for_tenant(tenant).values(
        "every_days", "stated_age_days", "before_age", "bits"
    ),
    "key_uses": lambda tenant: (
        KeyUse.objects.for_tenant(tenant).order_by("id").values("key_id", "day", "protected", "opened")
    ),
    "key_notices": lambda tenant: (
        KeyNotice.objects.for_tenant(tenant).order_by("id").values("kind", "key_id", "since", "sent_at")
    ),
    "key_incidents": lambda tenant: KeyIncident.objects.for_tenant(tenant).order_by("id").values(),
    "key_incident_steps": lambda tenant: IncidentStep.objects.for_tenant(tenant).order_by("id").values(),
    "resealings": lambda tenant: (
        Resealing.objects.for_tenant(tenant)
        .order_by("id")
        .values("key_id", "requested_by", "requested_at", "documents", "finished_at")
    ),
    "destructions": lambda tenant: Destruction.objects.for_tenant(tenant).order_by("id").values(),
    "unregistered_documents": lambda tenant: (
        UnregisteredDocument.objects.for_tenant(tenant)
        .order_by("id")
        .values("key_id", "content_id", "seen_at")
    ),
    "documents": lambda tenant: Document.objects.for_tenant(tenant).order_by("id").values(),
    "access_changes": lambda tenant: (
        AccessChange.objects.filter(document__tenant=tenant)
        .order_by("document_id", "number")
        .values(
            "number",
            "time",
            "actor",
            "reason",
            "principal",
            "before",
            "after",
            content_id=F("document__content_id"),
        )
    ),
    "protection_limits": lambda tenant: ProtectionLimits.objects.filter(tenant=tenant).values(),
    "admin_log": lambda tenant: AdminEvent.objects.for_tenant(tenant.id).order_by("id").values(),
}


def request_export(tenant: Tenant, *, actor: User) -> OrganizationExport:
    """Have an archive made; a finished one is replaced. While one is being made, that one is returned."""
    with transaction.atomic():
        present = OrganizationExport.objects.for_tenant(tenant).select_for_update().first()
        if present is not None and present.finished_at is None and present.attempts < _MAX_ATTEMPTS:
            return present
        if present is not None:
            _forget(present)
        made = OrganizationExport.objects.create(tenant=tenant, requested_by=actor.email)
        _log(tenant, actor, "RequestExport", made)
    return made


def export_of(tenant: Tenant) -> OrganizationExport | None:
    """The organization's archive, finished or being made."""
    return OrganizationExport.objects.for_tenant(tenant).first()


def has_failed(export: OrganizationExport) -> bool:
    """Whether the job has given up."""
    return export.finished_at is None and export.attempts >= _MAX_ATTEMPTS and _is_stale(export)


def open_export(export: OrganizationExport, *, actor: User) -> IO[bytes]:
    """The finished archive, to be read; the admin log says who did."""
    file: IO[bytes] = default_storage.open(export.file)
    _log(export.tenant, actor, "DownloadExport", export)
    return file


def make_due() -> int:
    """Make every archive that waits, or whose worker is gone. Returns how many were made."""
    waiting = OrganizationExport.objects.filter(finished_at=None, attempts__lt=_MAX_ATTEMPTS)
    made = 0
    for export in waiting.filter(Q(claimed_at=None) | Q(claimed_at__lt=timezone.now() - _STALE_AFTER)):
        claimed = OrganizationExport.objects.filter(id=export.id, claimed_at=export.claimed_at)
        if claimed.update(claimed_at=timezone.now(), attempts=F("attempts") + 1):
            made += _make(export)
    return made


def _make(export: OrganizationExport) -> bool:
    tenant = Tenant.objects.get(id=export.tenant_id)
    with tempfile.TemporaryFile() as draft:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            for name, piece_of in _members(tenant):
                with archive.open(name, "w", force_zip64=True) as member:
                    for piece in piece_of():
                        member.write(piece)
                        _still_at_it(export)
        size = draft.tell()
        draft.seek(0)
        digest = hashlib.file_digest(draft, "sha256").hexdigest()
        draft.seek(0)
        name = default_storage.save(f"exports/{tenant.id}/{uuid.uuid4().hex}.zip", File(draft))
    finished = OrganizationExport.objects.filter(id=export.id, finished_at=None)
    if finished.update(finished_at=timezone.now(), file=name, size=size, sha256=digest):
        return True
    default_storage.delete(name)  # replaced, or made by another worker meanwhile
    return False


def _members(tenant: Tenant) -> Iterator[tuple[str, Callable[[], Iterator[bytes]]]]:
    readme = _README.format(name=tenant.name, id=tenant.id, time=timezone.now().isoformat(timespec="seconds"))
    yield "README.txt", lambda: iter([readme.encode()])
    for name, rows in _TABLES.items():
        yield f"{name}.jsonl", lambda rows=rows: _lines(rows(tenant))  # type: ignore[misc]  # a default binds the loop's value
    for entry in aggregation.days(tenant.id):
        yield f"usage/{entry.day.isoformat()}.log", lambda day=entry.day: _day(tenant, day)  # type: ignore[misc]  # as above


def _lines(rows: "QuerySet[Any, Any]") -> Iterator[bytes]:
    lines: list[str] = []
    for row in rows.iterator(_CHUNK):
        lines.append(json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False))
        if len(lines) == _CHUNK:
            yield ("\n".join(lines) + "\n").encode()
            lines = []
    if lines:
        yield ("\n".join(lines) + "\n").encode()


def _day(tenant: Tenant, day: dt.date) -> Iterator[bytes]:
    return aggregation.day_file(tenant.id, day)


def _still_at_it(export: OrganizationExport) -> None:
    """Say so once a minute."""
    now = timezone.now()
    if export.claimed_at is None or now - export.claimed_at > _STALE_AFTER / 3:
        export.claimed_at = now
        OrganizationExport.objects.filter(id=export.id).update(claimed_at=now)


def _is_stale(export: OrganizationExport) -> bool:
    return export.claimed_at is None or timezone.now() - export.claimed_at > _STALE_AFTER


def _forget(export: OrganizationExport) -> None:
    if export.file:
        default_storage.delete(export.file)
    export.delete()


def _log(tenant: Tenant, actor: User, action: str, export: OrganizationExport) -> None:
    record_admin(
        tenant_id=tenant.id,
        actor=actor.email,
        actor_id=actor.id,
        action=action,
        target=tenant.name,
        target_id=export.id,
    )
