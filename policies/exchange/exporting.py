"""Templates of an organization as a file that another organization, or the same one later, can read."""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from policies.content import Content, content_of, content_of_version, from_json
from policies.editing import title_of
from policies.exchange.files import write_file
from policies.exchange.shapes import (
    WORDS,
    FiledGrant,
    FiledRules,
    FiledTemplate,
    FiledText,
    Identity,
    TemplateFile,
)
from policies.models import PolicyTemplate
from tenants.changes import Actor, ChangeRefusedError, log_change
from tenants.models import Group, Tenant, User


def export_templates(
    tenant: Tenant, form: str, *, actor: Actor, only: Collection[uuid.UUID] | None = None
) -> bytes:
    """All templates in their order, drafts and archived ones too, or those in `only`; a row of the admin log tells of it.

    Raises `ChangeRefusedError` when one of `only` is not there.
    """
    found = PolicyTemplate.objects.for_tenant(tenant).with_current().order_by("position", "id")
    templates = list(found if only is None else found.filter(id__in=only))
    if only is not None and len(templates) != len(set(only)):
        raise ChangeRefusedError("no_such_template", _("This template has been deleted."))
    data = write_file(file_of(tenant, templates, now=timezone.now()), form)
    one = templates[0] if only is not None and len(templates) == 1 else None
    with transaction.atomic():
        log_change(
            tenant,
            actor,
            "ExportTemplates",
            target=title_of(one) if one else tenant.name,
            target_id=one.id if one else tenant.id,
            after={"templates": len(templates), "format": form},
        )
    return data


def file_of(tenant: Tenant, templates: Iterable[PolicyTemplate], *, now: dt.datetime) -> TemplateFile:
    """The templates as a file says them."""
    pairs = [(template, rules) for template in templates if (rules := _contents(template))]
    directory = _Directory.of(tenant, [content for _template, rules in pairs for content in rules])
    return TemplateFile(
        templates=tuple(_filed(template, rules, directory) for template, rules in pairs),
        organization=tenant.name,
        organization_id=str(tenant.id),
        exported_at=now.replace(microsecond=0),
    )


def _contents(template: PolicyTemplate) -> list[Content]:
    """What decides, then what waits; of one that was never published its draft alone."""
    if template.current is None:
        content = content_of(template)
        return [content] if content else []
    waiting = [from_json(template.draft)] if template.draft is not None else []
    return [content_of_version(template.current), *waiting]


def _filed(template: PolicyTemplate, contents: list[Content], directory: "_Directory") -> FiledTemplate:
    rules = [directory.rules(content) for content in contents]
    modified_at = template.current.modified_at if template.current else template.changed_at
    return FiledTemplate(
        id=str(template.id),
        status=template.state,
        rules=rules[0],
        draft=rules[1] if len(rules) > 1 else None,
        modified_at=modified_at,
    )


@dataclass(frozen=True, slots=True)
class _Directory:
    """Names and addresses of the groups and people that some rules name by id."""

    groups: Mapping[str, tuple[str, str]]
    people: Mapping[str, str]

    @classmethod
    def of(cls, tenant: Tenant, contents: Iterable[Content]) -> "_Directory":
        entries = {
            entry
            for content in contents
            for entry in (*(grant.principal for grant in content.grants), *content.scope)
        }
        groups = Group.objects.for_tenant(tenant).filter(id__in=_ids(entries, "group:"))
        people = User.objects.for_tenant(tenant).filter(id__in=_ids(entries, "user:"))
        return cls(
            {str(group): (name, mail) for group, name, mail in groups.values_list("id", "name", "mail")},
            {str(person): mail for person, mail in people.values_list("id", "email")},
        )

    def rules(self, content: Content) -> FiledRules:
        return FiledRules(
            default_language=content.default_language,
            texts=tuple(FiledText(text.language, text.name, text.description) for text in content.texts),
            grants=tuple(
                FiledGrant(self._identity(grant.principal), grant.rights) for grant in content.grants
            ),
            expiry=content.expiry,
            expires_at=content.expires_at,
            expires_after_days=content.expires_after_days,
            offline_days=content.offline_days,
            visible_to_all=content.visible_to_all,
            scope=tuple(self._identity(entry) for entry in content.scope),
        )

    def _identity(self, entry: str) -> Identity:
        if entry in WORDS:
            return Identity(entry)
        kind, _sign, named = entry.partition(":")
        if kind == "group":
            name, mail = self.groups.get(named, ("", ""))
            return Identity("group", name, mail, named)
        if kind == "user":
            return Identity("person", mail=self.people.get(named, ""), id=named)
        if kind == "tenant":
            return Identity("organization", id=named)
        if entry.startswith("@"):
            return Identity("domain", entry[1:])
        return Identity("address", mail=entry)


def _ids(entries: Iterable[str], prefix: str) -> list[str]:
    return [entry.removeprefix(prefix) for entry in entries if entry.startswith(prefix)]
