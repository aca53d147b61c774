"""What decides about content and about who is offered what: publishing, archiving and back, order, deletion."""

import datetime as dt

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from policies.content import Content, content_of, content_of_version
from policies.differences import compare
from policies.editing import TemplateChangedError, lock, log_changes, log_template, touch
from policies.models import PolicyTemplate
from policies.publishing import write_version
from policies.reading import check_publishable
from tenants.changes import Actor, ChangeRefusedError
from tenants.models import Tenant

State = PolicyTemplate.State


def publish(
    template: PolicyTemplate,
    *,
    actor: Actor,
    seen: int | None = None,
    shown: Content | None = None,
    now: dt.datetime | None = None,
) -> PolicyTemplate:
    """Freeze the draft as the next version, which decides from this moment on; an archived template is offered again.

    `seen` is the revision that was looked at, `shown` the rules that were seen with it. Raises `TemplateChangedError` with the
    difference when it is another one now, `ContentRefusedError` when the rules cannot decide, `ChangeRefusedError` when
    there is nothing to publish. Of two at once the second is refused: the row is locked.
    """
    with transaction.atomic():
        locked = lock(template)
        published = None if locked.current is None else content_of_version(locked.current)
        content = content_of(locked)
        if seen is not None and seen != locked.revision:
            raise TemplateChangedError(locked, compare(content, shown if shown is not None else published))
        if locked.draft is None or content is None:
            raise ChangeRefusedError("nothing_to_publish", _("There are no changes to publish."))
        check_publishable(content, locked.tenant, now=now)
        number = (locked.versions.aggregate(last=Max("number"))["last"] or 0) + 1
        locked.current = write_version(locked, content, number=number, published_by=actor.name)
        locked.draft, locked.state = None, State.PUBLISHED
        touch(locked, actor, "current", "draft", "state")
        log_changes(locked, actor, "PublishTemplate", compare(published, content), version=number)
    return locked


def archive(template: PolicyTemplate, *, actor: Actor) -> PolicyTemplate:
    """Offer it to nobody any more; what it protects still opens by its rules. Raises `ChangeRefusedError`."""
    return _move_to(template, State.ARCHIVED, "ArchiveTemplate", actor)


def unarchive(template: PolicyTemplate, *, actor: Actor) -> PolicyTemplate:
    """Offer an archived template again, by the rules it has. Raises `ChangeRefusedError`."""
    return _move_to(template, State.PUBLISHED, "UnarchiveTemplate", actor)


def _move_to(template: PolicyTemplate, state: str, action: str, actor: Actor) -> PolicyTemplate:
    with transaction.atomic():
        locked = lock(template)
        if locked.state == State.DRAFT:
            raise ChangeRefusedError(
                "never_published", _("This template was never published. Publish it or delete it.")
            )
        if locked.state != state:
            before, locked.state = locked.state, state
            touch(locked, actor, "state")
            log_template(locked, actor, action, before={"state": before}, after={"state": str(state)})
    return locked


def move_template(template: PolicyTemplate, position: int | None = None, *, by: int = 0, actor: Actor) -> int:
    """Put the template at `position` (from 0; beyond the end means last) of the organization's list, or `by` places further on.
    That is also the order on devices. Returns where it is then.
    """
    with transaction.atomic():
        Tenant.objects.select_for_update().get(id=template.tenant_id)  # one order at a time
        rows = list(
            PolicyTemplate.objects.for_tenant(template.tenant)
            .only("id", "position")
            .order_by("position", "id")
        )
        before = next((index for index, row in enumerate(rows) if row.id == template.id), None)
        if before is None:
            raise ChangeRefusedError("no_such_template", _("This template has been deleted."))
        after = max(0, min(before + by if position is None else position, len(rows) - 1))
        rows.insert(after, rows.pop(before))
        moved = []
        for index, row in enumerate(rows):
            if row.position != index:
                row.position = index
                moved.append(row)
        PolicyTemplate.objects.bulk_update(moved, ["position"], batch_size=500)
        if before != after:
            log_template(
                template, actor, "MoveTemplate", before={"position": before}, after={"position": after}
            )
    return after


def remove_template(locked: PolicyTemplate, *, actor: Actor) -> None:
    """Delete a locked template nothing hangs on, with its versions; `tracking.template_use` looks for documents first.

    Raises `ChangeRefusedError`: one that is offered, or on which somebody works, is not deleted.
    """
    if locked.state == State.PUBLISHED:
        raise ChangeRefusedError(
            "still_offered", _("People can still protect with this template. Archive it first.")
        )
    if locked.current is not None and locked.draft is not None:
        raise ChangeRefusedError(
            "has_draft", _("There are changes that were not published. Discard or publish them first.")
        )
    before = {"state": locked.state, "versions": locked.versions.count()}
    log_template(locked, actor, "DeleteTemplate", before=before)
    # The template names its version and the version its template: the circle is cut first.
    PolicyTemplate.objects.filter(id=locked.id).update(current=None, state=State.DRAFT)
    PolicyTemplate.objects.filter(id=locked.id).delete()
