"""Getting off an old key without touching a single file: what the register keeps of each license is sealed to the active key.

Afterwards every copy of these documents opens through the register: the license is verified by the old key's public half,
and the old private key is needed for them no more. Asked for by an administrator, carried out by a job that may be killed.
A disabled key opens for nobody meanwhile: only this job uses it (docs/adr/0093).
"""

import logging
import uuid
from collections.abc import Collection
from time import monotonic
from typing import Final, cast

from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, F, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.recording import SYSTEM_ACTOR, record_admin
from keys.custody import KeyHandle, active_key, hold_active, keep_from_going, key_to_get_off
from keys.errors import KeyCustodyError
from keys.models import KeyVersion
from rms.errors import SealError
from rms.xrml import DigestName, PublishingLicense, sealed_session
from tenants.models import Tenant, User
from tracking.models import Document, Resealing, SealedCopy

log = logging.getLogger(__name__)
# One batch takes some 60 ms of RSA with keys in software; it is written in one transaction.
BATCH: Final = 200
# So many files of one document may each have a license of their own under one key. It keeps the register from growing
# without end by whoever may edit a single document.
MAX_LICENSES: Final = 1000


class ResealingError(KeyCustodyError):
    """A key that cannot be got off as asked; the text says why."""

    code = "no_resealing"


class UnknownLicenseError(Exception):
    """The register does not know this license."""


class TooManyLicensesError(Exception):
    """A document has as many licenses under one key as it may have."""


def keep_copy(document: Document, license: PublishingLicense, key_id: uuid.UUID) -> None:
    """Keep what it takes to seal a new license to another key later; in the transaction that registers it. `key_id` is the
    license's own key."""
    SealedCopy.objects.create(
        document=document, key_id=key_id, body_digest=license.body_digest, block=sealed_session(license)
    )


def keep_reissued(
    old: PublishingLicense, old_key: KeyHandle, new: PublishingLicense, new_key: KeyHandle
) -> None:
    """Register a license that was issued anew for one of the same document; in the transaction that holds the new key.

    Of a license from before copies were kept, one is kept now: what hangs on its key is counted by licenses from here on.
    Raises `UnknownLicenseError`, `TooManyLicensesError`.
    """
    found = Document.objects.filter(tenant_id=old_key.tenant_id, content_id=old.content_id)
    document = found.defer("terms").first()
    if document is None:
        raise UnknownLicenseError
    kept = SealedCopy.objects.filter(document=document)
    if not kept.filter(body_digest=old.body_digest).exists():
        # Whoever has an old key can write licenses with it: under the new one only those go on that were registered.
        if kept.exists() or document.key_id != old_key.id:
            raise UnknownLicenseError
        first = SealedCopy(
            document=document, key_id=old_key.id, body_digest=old.body_digest, block=sealed_session(old)
        )
        SealedCopy.objects.bulk_create([first], ignore_conflicts=True)
    if kept.filter(key_id=new_key.id).count() >= MAX_LICENSES:
        raise TooManyLicensesError
    keep_copy(document, new, new_key.id)


def hanging_on(keys: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """For each key, how many registered documents need its private half: those of which nothing is kept count, too."""
    copies = SealedCopy.objects.filter(key_id__in=keys).values_list("key_id")
    kept = copies.annotate(Count("document_id", distinct=True))
    without = ~Exists(SealedCopy.objects.filter(document=OuterRef("pk")))
    others = Document.objects.filter(without, key_id__in=keys).values_list("key_id")
    counts = dict.fromkeys(keys, 0) | dict(kept)
    for key_id, documents in others.annotate(Count("id")):
        counts[key_id] += documents
    return counts


def resealing_of(tenant: Tenant, key: KeyVersion) -> Resealing | None:
    """How far getting off a key has come; None when nobody has asked."""
    return Resealing.objects.for_tenant(tenant).filter(key=key).first()


def may_be_got_off(key: KeyVersion) -> bool:
    """Whether `request_resealing` would do it."""
    return key.state in (KeyVersion.State.ARCHIVED, KeyVersion.State.DISABLED) and key.held_at is None


def request_resealing(tenant: Tenant, key: KeyVersion, *, actor: User) -> Resealing:
    """Have everything that hangs on an archived or disabled key sealed to the active one. What was asked for goes on.

    Raises `ResealingError` for a key that `may_be_got_off` refuses.
    """
    if key.state == KeyVersion.State.ACTIVE:
        raise ResealingError(
            _("This is the active key. Roll it first: then its documents can be sealed to the new one.")
        )
    if key.held_at is not None:
        raise ResealingError(_("You hold this key. Restore it first: its private half is needed once more."))
    if not may_be_got_off(key):
        raise ResealingError(
            _("The private half of this key is not there, so nothing can be sealed to another key.")
        )
    try:
        with transaction.atomic():
            made = Resealing.objects.create(tenant=tenant, key=key, requested_by=actor.email)
            record_admin(
                tenant_id=tenant.id,
                actor=actor.email,
                actor_id=actor.id,
                action="ResealDocuments",
                target=key.fingerprint,
                target_id=key.id,
                after={"documents": hanging_on([key.id])[key.id]},
            )
    except IntegrityError:
        return Resealing.objects.for_tenant(tenant).get(key=key)
    return made


def continue_resealings(*, seconds: float = 50.0) -> int:
    """Go on with everything that was asked for and is not done. Returns how many documents were sealed anew.

    May run in several workers at once and be killed at any point: a batch counts once, in one transaction.
    """
    deadline, done = monotonic() + seconds, 0
    for resealing in (
        Resealing.objects.filter(finished_at=None).select_related("key").order_by("requested_at")
    ):
        try:
            while monotonic() < deadline and (sealed := _reseal_batch(resealing)) is not None:
                done += sealed
        except KeyCustodyError as error:
            # The old key, or the active one, cannot be used now, or was rolled in between. The next run tries again.
            log.warning("Sealing anew is put off: %s", error)
    return done


def _reseal_batch(resealing: Resealing) -> int | None:
    """Seal up to `BATCH` copies anew. Returns how many documents got off the key, None when there is nothing left to do."""
    on_key = SealedCopy.objects.filter(key_id=resealing.key_id)
    copies = list(on_key.filter(unreadable=False).order_by("document_id", "id")[:BATCH])
    if not copies:
        _finish(resealing)
        return None
    old, new = key_to_get_off(resealing.key_id), active_key(resealing.tenant_id)
    blocks = {copy.id: _seal_anew(copy, old, new) for copy in copies}
    with transaction.atomic():
        hold_active(new)
        keep_from_going(old)
        present = list(on_key.select_for_update().filter(id__in=blocks).order_by("id"))
        for copy in present:
            block = blocks[copy.id]
            copy.unreadable = block is None
            if block is not None:
                copy.block, copy.key_id = block, new.id
        SealedCopy.objects.bulk_update(present, ["block", "key", "unreadable"])
        # A document may have several licenses: it counts once, with the last of them.
        touched = {copy.document_id for copy in present}
        hanging = on_key.filter(document_id__in=touched).values("document_id").distinct()
        sealed = len(touched) - hanging.count()
        Resealing.objects.filter(id=resealing.id).update(documents=F("documents") + sealed)
    return sealed


def _seal_anew(copy: SealedCopy, old: KeyHandle, new: KeyHandle) -> bytes | None:
    """The session key, sealed to the new key; None when the copy is not what it was when it was kept."""
    try:
        return new.public_key.encrypt_oaep(old.decrypt(bytes(copy.block)), cast(DigestName, new.oaep_hash))
    except SealError:
        log.error("The kept copy of document %s cannot be read.", copy.document_id)
        return None


def _finish(resealing: Resealing) -> None:
    with transaction.atomic():
        if not Resealing.objects.filter(id=resealing.id, finished_at=None).update(finished_at=timezone.now()):
            return
        resealing.refresh_from_db(fields=["documents"])
        record_admin(
            tenant_id=resealing.tenant_id,
            actor=SYSTEM_ACTOR,
            actor_id=None,
            action="DocumentsResealed",
            target=resealing.key.fingerprint,
            target_id=resealing.key_id,
            after={
                "documents": resealing.documents,
                "left": hanging_on([resealing.key_id])[resealing.key_id],
            },
        )
