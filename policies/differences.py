"""What differs between two states of a template, field by field, and putting one together from both."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from policies.content import Content, from_json, to_json

_VISIBILITY = "visible_to"
_EXPIRY = "expiry"


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs; None where it is not there.

    Fields: `default_language`, `names.<language>.name`, `names.<language>.description`, `grants.<principal>` (rights),
    `expiry` ("never", a time, or days), `offline_days`, `visible_to` ("all" or the scope).
    """

    field: str
    before: Any
    after: Any


def compare(before: Content | None, after: Content | None) -> list[Change]:
    """The fields in which `after` differs, in the order in which an editor shows them."""
    old, new = fields_of(before), fields_of(after)
    names = [*new, *(name for name in old if name not in new)]
    return [Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def fields_of(content: Content | None) -> dict[str, Any]:
    """Every field with its value, as JSON."""
    if content is None:
        return {}
    data = to_json(content)
    fields: dict[str, Any] = {"default_language": data["default_language"]}
    for text in data["names"]:
        fields[f"names.{text['language']}.name"] = text["name"]
        fields[f"names.{text['language']}.description"] = text["description"] or None
    for grant in data["grants"]:
        fields[f"grants.{grant['principal']}"] = grant["rights"]
    fields[_EXPIRY] = data["expires_at"] or data["expires_after_days"] or "never"
    fields["offline_days"] = data["offline_days"]
    fields[_VISIBILITY] = "all" if data["visible_to_all"] else data["scope"]
    return fields


def merge(theirs: Content, mine: Content, take_mine: Collection[str]) -> Content:
    """`theirs` with the fields named in `take_mine` as they are in `mine`."""
    fields, own = fields_of(theirs), fields_of(mine)
    for name in take_mine:
        if own.get(name) is None and name != "offline_days":
            fields.pop(name, None)
        elif name in own:
            fields[name] = own[name]
    return _from_fields(fields)


def _from_fields(fields: dict[str, Any]) -> Content:
    names: dict[str, dict[str, str]] = {}
    grants = []
    for field, value in fields.items():
        kind, _, rest = field.partition(".")
        if kind == "names":
            language, _, part = rest.rpartition(".")
            names.setdefault(language, {"name": "", "description": ""})[part] = value or ""
        elif kind == "grants":
            grants.append({"principal": rest, "rights": value})
    expiry, visible = fields[_EXPIRY], fields[_VISIBILITY]
    kind = "never" if expiry == "never" else "days" if isinstance(expiry, int) else "date"
    return from_json(
        {
            "default_language": fields["default_language"],
            "names": [{"language": language, **text} for language, text in names.items()],
            "grants": grants,
            "expiry": kind,
            "expires_at": expiry if kind == "date" else None,
            "expires_after_days": expiry if kind == "days" else None,
            "offline_days": fields["offline_days"],
            "visible_to_all": visible == "all",
            "scope": [] if visible == "all" else visible,
        }
    )
