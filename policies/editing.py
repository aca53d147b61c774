"""Writing templates: made, changed as a draft, copied, put back to an earlier version. Nothing here decides about content:
that begins with `policies.states.publish`.

Whoever changes a template names the revision they saw. When somebody else was quicker nothing is overwritten: the change is
refused with the difference between what stands there now and what was sent.
"""

import uuid
from dataclasses import replace
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _

from policies.content import Content, LocalizedText, content_of, content_of_version, to_json
from policies.differences import Change, compare
from policies.models import PolicyTemplate, TemplateVersion
from policies.reading import MAX_NAME
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.models import Tenant

MAX_TEMPLATES: Final = 1000


class TemplateChangedError(ChangeRefusedError):
    """Somebody else changed the template meanwhile. `template` is how it stands now; each of `changes` says how the field
    stands there (`before`: theirs) and in what was sent (`after`: yours).
    """

    def __init__(self, template: PolicyTemplate, changes: list[Change]) -> None:
        super().__init__(
            "changed_meanwhile",
            _("%(who)s has changed this template meanwhile. Nothing of it was overwritten."),
            who=template.changed_by or gettext("Somebody else"),
        )
        self.template, self.changes = template, changes


def find_template(tenant: Tenant, template_id: uuid.UUID) -> PolicyTemplate | None:
    """One of the tenant's templates with everything its pages show."""
    templates = PolicyTemplate.objects.for_tenant(tenant).with_current().select_related("tenant")
    return templates.filter(id=template_id).first()


def title_of(template: PolicyTemplate, languages: tuple[str, ...] = ()) -> str:
    """What the template is called in lists and logs."""
    content = content_of(template)
    return content.text_for(languages).name if content else ""


def create_template(
    tenant: Tenant, content: Content, *, actor: Actor, copied_from: PolicyTemplate | None = None
) -> PolicyTemplate:
    """A new draft at the end of the list. Raises `ChangeRefusedError` when there are too many."""
    with transaction.atomic():
        Tenant.objects.select_for_update().get(id=tenant.id)  # two made at once get two positions
        templates = PolicyTemplate.objects.for_tenant(tenant)
        if templates.count() >= MAX_TEMPLATES:
            raise ChangeRefusedError(
                "too_many_templates",
                _("An organization has at most %(limit)s templates."),
                limit=MAX_TEMPLATES,
            )
        last = templates.aggregate(last=Max("position"))["last"]
        template = PolicyTemplate.objects.create(
            tenant=tenant,
            draft=to_json(content),
            position=0 if last is None else last + 1,
            changed_by=actor.name[:254],
        )
        after: dict[str, Any] = {change.field: change.after for change in compare(None, content)}
        if copied_from is not None:
            after["copied_from"] = str(copied_from.id)
        log_template(template, actor, "AddTemplate", after=after)
    return template


def save_draft(
    template: PolicyTemplate, content: Content, *, actor: Actor, seen: int | None = None
) -> PolicyTemplate:
    """Keep `content` as what is to be published next; where it equals what is published, there is no draft any more.

    `seen` is the revision the change was made on. Raises `TemplateChangedError`.
    """
    with transaction.atomic():
        locked = lock(template)
        now = content_of(locked)
        changes = compare(now, content)
        if not changes:
            return locked
        if seen is not None and seen != locked.revision:
            raise TemplateChangedError(locked, changes)
        published = None if locked.current is None else content_of_version(locked.current)
        same = published is not None and not compare(published, content)
        locked.draft = None if same else to_json(content)
        touch(locked, actor, "draft")
        log_changes(locked, actor, "ChangeTemplate", changes)
    return locked


def discard_draft(template: PolicyTemplate, *, actor: Actor, seen: int | None = None) -> PolicyTemplate:
    """Go back to what is published. Raises `ChangeRefusedError` for a template that never was."""
    with transaction.atomic():
        locked = lock(template)
        if locked.current is None:
            raise ChangeRefusedError(
                "never_published", _("This template was never published: delete it instead.")
            )
        if locked.draft is None:
            return locked
        changes = compare(content_of(locked), content_of_version(locked.current))
        if seen is not None and seen != locked.revision:
            raise TemplateChangedError(locked, changes)
        locked.draft = None
        touch(locked, actor, "draft")
        log_changes(locked, actor, "DiscardTemplateDraft", changes)
    return locked


def restore_version(
    template: PolicyTemplate, number: int, *, actor: Actor, seen: int | None = None
) -> PolicyTemplate:
    """Make the rules of an earlier version the draft. Raises `TemplateVersion.DoesNotExist`, `TemplateChangedError`."""
    version = find_version(template, number)
    if version is None:
        raise TemplateVersion.DoesNotExist
    return save_draft(template, content_of_version(version), actor=actor, seen=seen)


def copy_template(template: PolicyTemplate, *, actor: Actor) -> PolicyTemplate:
    """A draft with the same rules under another name. Raises `ChangeRefusedError`."""
    content = content_of(template)
    if content is None:
        raise ChangeRefusedError("empty", _("There is nothing to copy yet."))
    copied = replace(content, texts=tuple(_copied(text) for text in content.texts))
    return create_template(template.tenant, copied, actor=actor, copied_from=template)


def _copied(text: LocalizedText) -> LocalizedText:
    with override(text.language if text.language in dict(settings.LANGUAGES) else "en"):
        name = gettext("Copy of %(name)s") % {"name": text.name}
    return LocalizedText(text.language, name[:MAX_NAME], text.description)


def find_version(template: PolicyTemplate, number: int) -> TemplateVersion | None:
    """A published version by its number, with everything in it."""
    versions = template.versions.prefetch_related("names", "grants", "scope")
    return versions.filter(number=number).first()


def lock(template: PolicyTemplate) -> PolicyTemplate:
    """The template as it stands, held until the transaction ends. Raises `ChangeRefusedError` when it is gone."""
    locked = (
        PolicyTemplate.objects.for_tenant(template.tenant)
        .with_current()
        .select_related("tenant")
        .select_for_update(of=("self",))
        .filter(id=template.id)
        .first()
    )
    if locked is None:
        raise ChangeRefusedError("no_such_template", _("This template has been deleted."))
    return locked


def touch(locked: PolicyTemplate, actor: Actor, *fields: str) -> None:
    """Store `fields` of a locked template as a new revision."""
    locked.revision += 1
    locked.changed_at, locked.changed_by = timezone.now(), actor.name[:254]
    locked.save(update_fields=[*fields, "revision", "changed_at", "changed_by"])


def log_changes(
    template: PolicyTemplate, actor: Actor, action: str, changes: list[Change], **more: Any
) -> None:
    """A row of the admin log that holds what differs and nothing else."""
    log_template(
        template,
        actor,
        action,
        before={change.field: change.before for change in changes if change.before is not None},
        after={change.field: change.after for change in changes if change.after is not None} | more,
    )


def log_template(
    template: PolicyTemplate,
    actor: Actor,
    action: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    log_change(
        template.tenant,
        actor,
        action,
        target=title_of(template),
        target_id=template.id,
        before=before,
        after=after,
    )
