"""The XML form: the fields and words by which rights management templates are known, in a namespace of its own.

Reading turns elements into the values of the JSON form, so that both are checked by the same rules.
"""

import re
from collections.abc import Callable
from typing import Final

from django.utils.translation import gettext_lazy as _

from policies.exchange.reading import FORMAT, VERSION, read_templates
from policies.exchange.shapes import FileRefusedError, Node, TemplateFile
from policies.exchange.xml_text import Element, parse_xml
from rms.languages import tag_of

STATUSES: Final = {"Draft": "draft", "Published": "published", "Archived": "archived"}
EXPIRY_OPTIONS: Final = {"Never": "never", "OnDate": "date", "AfterDays": "days"}
# Element, kind, and the attributes that go with its text.
IDENTITIES: Final = {
    "EmailAddress": "address", "Group": "group", "DomainName": "domain", "Tenant": "organization",
    "Person": "person", "AllMembers": "members", "Anyone": "anyone", "ContentOwner": "owner",
}  # fmt: skip
_RULES: Final = frozenset(
    {
        "Names", "Descriptions", "RightsDefinitions", "ContentExpirationOption", "ContentExpirationDate",
        "ContentValidityDuration", "LicenseValidityDuration", "ScopedIdentities",
    }
)  # fmt: skip
# Fields of other products that mean nothing here; they may stand in a file and are not kept.
_FOREIGN: Final = frozenset({"ReadOnly", "EnableInLegacyApps", "LabelId"})
_FACTS: Final = frozenset({"TemplateId", "Status", "LastModifiedTimeStamp", "Draft"})
_KNOWN: Final = (
    _RULES | _FOREIGN | _FACTS | IDENTITIES.keys()
    | {"Templates", "Template", "Name", "Description", "RightsDefinition", "Rights"}
)  # fmt: skip
_NUMBER: Final = re.compile(r"-?[0-9]{1,9}")


def read(text: str) -> TemplateFile:
    """Raises `FileRefusedError`."""
    return read_templates(_file(parse_xml(text, "Templates", frozenset(_KNOWN))))


def _file(root: Element) -> Node:
    given = _attributes(root, "ExportedFrom", "TenantId", "ExportedAt")
    value = {
        "format": Node(FORMAT, root.place),
        "version": Node(VERSION, root.place),
        "templates": Node([_template(child) for child in _children(root, "Template")], root.place),
    }
    if "ExportedAt" in given:
        value["exported_at"] = given["ExportedAt"]
    source = {"name": given.get("ExportedFrom"), "id": given.get("TenantId")}
    value["organization"] = Node({name: node for name, node in source.items() if node}, root.place)
    return Node(value, root.place)


def _template(element: Element) -> Node:
    _attributes(element)
    parts = _parts(element, _RULES | _FACTS | _FOREIGN)
    _need(element, parts, "TemplateId", "Status")
    value = _rules(element, parts)
    for name, member in (("TemplateId", "id"), ("LastModifiedTimeStamp", "modified_at")):
        if name in parts:
            value[member] = _text(parts[name])
    if "Status" in parts:
        value["status"] = _word(parts["Status"], STATUSES)
    if "Draft" in parts:
        draft = parts["Draft"]
        _attributes(draft)
        value["draft"] = Node(_rules(draft, _parts(draft, _RULES)), draft.place)
    return Node(value, element.place)


def _rules(element: Element, parts: dict[str, Element]) -> dict[str, Node]:
    _need(element, parts, "Names")
    readers: dict[str, tuple[str, Callable[[Element], Node]]] = {
        "ContentExpirationOption": ("expiry", lambda part: _word(part, EXPIRY_OPTIONS)),
        "ContentExpirationDate": ("expires_at", _text),
        "ContentValidityDuration": ("expires_after_days", _number),
        "LicenseValidityDuration": ("offline_days", _offline),
        "RightsDefinitions": ("grants", _grants),
    }
    value = {member: read(parts[name]) for name, (member, read) in readers.items() if name in parts}
    value |= _names(parts)
    scope = parts.get("ScopedIdentities")
    value["visible_to_all"] = Node(scope is None, scope.place if scope else element.place)
    if scope is not None:
        _attributes(scope)
        value["scope"] = Node([_identity(child) for child in scope.children], scope.place)
        _no_text(scope)
    return value


def _names(parts: dict[str, Element]) -> dict[str, Node]:
    """The names with the descriptions of the same language; the default is that of `Default`, else the first."""
    names = parts["Names"]
    found = _by_language(names, "Name", "Default")
    value = {tag: {"language": Node(tag, node.place), "name": node} for tag, node in found.items()}
    if "Descriptions" in parts:
        for tag, node in _by_language(parts["Descriptions"], "Description").items():
            if tag not in value:
                raise FileRefusedError(_("There is a description in a language without a name."), node.place)
            value[tag]["description"] = node
    default = Node(names.attributes.get("Default") or next(iter(found), ""), names.place)
    entries = [Node(members, members["name"].place) for members in value.values()]
    return {"names": Node(entries, names.place), "default_language": default}


def _by_language(parent: Element, name: str, *attributes: str) -> dict[str, Node]:
    _attributes(parent, *attributes)
    found: dict[str, Node] = {}
    for child in _children(parent, name):
        tag = _language(child)
        if tag in found:
            raise FileRefusedError(_("“%(name)s” stands here twice."), child.place, name=tag)
        found[tag] = _text(child, "LCID", "Language")
    return found


def _language(element: Element) -> str:
    """By its tag, else by its number: there the tag names the country, too, and planning finds the language."""
    tag = element.attributes.get("Language", "").lower()
    number = element.attributes.get("LCID", "")
    known = tag_of(int(number)) if re.fullmatch("[0-9]{1,6}", number) else None
    if (number and known is None) or not (number or tag):
        reason = _("“%(value)s” is not the number of a language.")
        raise FileRefusedError(reason, element.place, value=number[:20])
    return tag or known or ""


def _grants(element: Element) -> Node:
    _attributes(element)
    grants = []
    for child in _children(element, "RightsDefinition"):
        _attributes(child)
        parts = _parts(child, frozenset({"Rights", *IDENTITIES}))
        rights = parts.pop("Rights", None)
        if rights is None or len(parts) != 1:
            raise FileRefusedError(_("A rights definition says whom and which rights."), child.place)
        names = [Node(name, rights.place) for name in _text(rights).value.split(",")]
        who = _identity(next(iter(parts.values())))
        grants.append(Node({"who": who, "rights": Node(names, rights.place)}, child.place))
    return Node(grants, element.place)


def _identity(element: Element) -> Node:
    kind = IDENTITIES.get(element.name)
    if kind is None:
        raise FileRefusedError(_("There is no “%(name)s” here."), element.place, name=element.name)
    text = _text(element, *{"group": ("Id", "EmailAddress"), "person": ("Id",)}.get(kind, ()))
    value: dict[str, Node] = {"kind": Node(kind, element.place)}
    member = {"group": "name", "domain": "domain", "organization": "id"}.get(kind, "address")
    if text.value.strip():
        value[member] = text
    for attribute, member in (("Id", "id"), ("EmailAddress", "address")):
        if attribute in element.attributes:
            value[member] = Node(element.attributes[attribute], element.place)
    return Node(value, element.place)


def _offline(element: Element) -> Node:
    """Days; the field says -1 where there is no limit of its own."""
    node = _number(element)
    return Node(None, node.place) if node.value == -1 else node


def _word(element: Element, words: dict[str, str]) -> Node:
    text = _text(element).value.strip()
    if text not in words:
        reason = _("“%(value)s” is none of: %(choices)s.")
        raise FileRefusedError(reason, element.place, value=text[:80], choices=", ".join(words))
    return Node(words[text], element.place)


def _number(element: Element) -> Node:
    text = _text(element).value.strip()
    if not _NUMBER.fullmatch(text):
        raise FileRefusedError(_("A whole number from 0 on is expected here."), element.place)
    return Node(int(text), element.place)


def _text(element: Element, *attributes: str) -> Node:
    _attributes(element, *attributes)
    if element.children:
        raise FileRefusedError(_("A text is expected here."), element.place)
    return Node(element.text, element.place)


def _attributes(element: Element, *allowed: str) -> dict[str, Node]:
    for name in element.attributes:
        if name not in allowed:
            raise FileRefusedError(_("There is no “%(name)s” here."), element.place, name=name[:80])
    return {name: Node(value, element.place) for name, value in element.attributes.items()}


def _children(element: Element, name: str) -> list[Element]:
    for child in element.children:
        if child.name != name:
            raise FileRefusedError(_("There is no “%(name)s” here."), child.place, name=child.name)
    _no_text(element)
    return element.children


def _parts(element: Element, allowed: frozenset[str]) -> dict[str, Element]:
    """The children by name, each once."""
    parts: dict[str, Element] = {}
    for child in element.children:
        if child.name not in allowed:
            raise FileRefusedError(_("There is no “%(name)s” here."), child.place, name=child.name)
        if child.name in parts:
            raise FileRefusedError(_("“%(name)s” stands here twice."), child.place, name=child.name)
        parts[child.name] = child
    _no_text(element)
    return parts


def _need(element: Element, parts: dict[str, Element], *names: str) -> None:
    for name in names:
        if name not in parts:
            raise FileRefusedError(_("“%(name)s” is missing here."), element.place, name=name)


def _no_text(element: Element) -> None:
    if element.text.strip():
        raise FileRefusedError(_("There is text where none belongs."), element.place)
