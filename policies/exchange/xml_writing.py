"""Templates in the XML form; `policies.exchange.xml_form` reads it."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from policies.exchange.shapes import FiledRules, FiledTemplate, Identity, TemplateFile
from policies.exchange.xml_form import EXPIRY_OPTIONS, IDENTITIES, STATUSES
from policies.exchange.xml_text import NAMESPACE
from rms.languages import lcid_of

_ELEMENTS: Final = {kind: name for name, kind in IDENTITIES.items()}
_STATUSES: Final = {status: word for word, status in STATUSES.items()}
_OPTIONS: Final = {expiry: word for word, expiry in EXPIRY_OPTIONS.items()}
# Names are checked for characters that cannot be shown when they are typed; what XML cannot hold must not end the file.
_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(file: TemplateFile) -> str:
    """The text of a file, the same for the same templates."""
    attributes = {"ExportedFrom": file.organization, "ExportedAt": _time(file.exported_at)}
    if file.organization_id:
        attributes["TenantId"] = f"{{{file.organization_id}}}"
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f"<Templates xmlns={quoteattr(NAMESPACE)}{_written(attributes)}>",
        *(f" {line}" for template in file.templates for line in _template(template)),
        "</Templates>",
    ]
    return "\n".join(lines) + "\n"


def _template(template: FiledTemplate) -> Iterator[str]:
    yield "<Template>"
    yield _element("TemplateId", f"{{{template.id}}}", depth=1)
    yield _element("Status", _STATUSES[template.status], depth=1)
    if template.modified_at is not None:
        yield _element("LastModifiedTimeStamp", _time(template.modified_at), depth=1)
    yield from _rules(template.rules, 1)
    if template.draft is not None:
        yield " <Draft>"
        yield from _rules(template.draft, 2)
        yield " </Draft>"
    yield "</Template>"


def _rules(rules: FiledRules, depth: int) -> Iterator[str]:
    pad = " " * depth
    yield f"{pad}<Names{_written({'Default': rules.default_language})}>"
    for text in rules.texts:
        yield _element("Name", text.name, depth=depth + 1, **_language(text.language))
    yield f"{pad}</Names>"
    yield f"{pad}<Descriptions>"
    for text in rules.texts:
        if text.description:
            yield _element("Description", text.description, depth=depth + 1, **_language(text.language))
    yield f"{pad}</Descriptions>"
    yield f"{pad}<RightsDefinitions>"
    for grant in rules.grants:
        rights = _element("Rights", ",".join(grant.rights))
        yield f"{pad} <RightsDefinition>{_identity(grant.who)}{rights}</RightsDefinition>"
    yield f"{pad}</RightsDefinitions>"
    yield _element("ContentExpirationOption", _OPTIONS[rules.expiry], depth=depth)
    if rules.expires_at is not None:
        yield _element("ContentExpirationDate", _time(rules.expires_at), depth=depth)
    if rules.expires_after_days is not None:
        yield _element("ContentValidityDuration", str(rules.expires_after_days), depth=depth)
    offline = -1 if rules.offline_days is None else rules.offline_days
    yield _element("LicenseValidityDuration", str(offline), depth=depth)
    if not rules.visible_to_all:
        yield f"{pad}<ScopedIdentities>"
        yield from (f"{pad} {_identity(each)}" for each in rules.scope)
        yield f"{pad}</ScopedIdentities>"


def _language(tag: str) -> dict[str, str]:
    return {"LCID": str(lcid_of(tag)), "Language": tag}


def _identity(who: Identity) -> str:
    name = _ELEMENTS[who.kind]
    match who.kind:
        case "group":
            return _element(name, who.name, Id=who.id, EmailAddress=who.mail)
        case "person":
            return _element(name, who.mail, Id=who.id)
        case "organization":
            return _element(name, who.id)
    return _element(name, who.name or who.mail)


def _element(name: str, text: str, *, depth: int = 0, **attributes: str) -> str:
    opened = f"{' ' * depth}<{name}{_written(attributes)}"
    return f"{opened}>{escape(_clean(text))}</{name}>" if text else f"{opened}/>"


def _written(attributes: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_clean(value))}" for name, value in attributes.items() if value)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _time(moment: dt.datetime | None) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z") if moment else ""
