"""The JSON form of a file of templates. Its values are those that `policies.exchange.reading` reads."""

import datetime as dt
import json
from typing import Any

from policies.exchange.json_text import parse_json
from policies.exchange.reading import FORMAT, VERSION, read_templates
from policies.exchange.shapes import FiledRules, FiledTemplate, Identity, TemplateFile


def read(text: str) -> TemplateFile:
    """Raises `FileRefusedError`."""
    return read_templates(parse_json(text))


def write(file: TemplateFile) -> str:
    """The text of a file, the same for the same templates."""
    source = {"id": file.organization_id, "name": file.organization}
    top = {
        "format": FORMAT,
        "version": VERSION,
        "exported_at": _time(file.exported_at),
        "organization": {name: value for name, value in source.items() if value} or None,
        "templates": [_template(template) for template in file.templates],
    }
    said = {name: value for name, value in top.items() if value is not None}
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


def _template(template: FiledTemplate) -> dict[str, Any]:
    facts = {"id": template.id, "status": template.status, "modified_at": _time(template.modified_at)}
    draft = {"draft": _rules(template.draft)} if template.draft is not None else {}
    return {**facts, **_rules(template.rules), **draft}


def _rules(rules: FiledRules) -> dict[str, Any]:
    return {
        "default_language": rules.default_language,
        "names": [
            {"language": text.language, "name": text.name, "description": text.description}
            for text in rules.texts
        ],
        "grants": [{"who": _identity(grant.who), "rights": list(grant.rights)} for grant in rules.grants],
        "expiry": rules.expiry,
        "expires_at": _time(rules.expires_at),
        "expires_after_days": rules.expires_after_days,
        "offline_days": rules.offline_days,
        "visible_to_all": rules.visible_to_all,
        "scope": [_identity(each) for each in rules.scope],
    }


def _identity(who: Identity) -> dict[str, str]:
    named = {"domain" if who.kind == "domain" else "name": who.name, "address": who.mail, "id": who.id}
    return {"kind": who.kind} | {name: value for name, value in named.items() if value}


def _time(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z") if moment else None
