"""PATCH as directories send it: the RFC's form, and the two biggest directories' own ways to write the same.

Both write "True" where a truth value belongs and a bare id where a manager is meant; one writes operations with a capital
letter, the other leaves the path out and sends attributes nobody may change beside those it means.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from scim2_models import Context, PatchOp, Path
from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator, ValuePath

from administration.scim.errors import ScimError
from administration.scim.exchange import parse_id
from administration.scim.resources import MAX_OPERATIONS, POLICY, Group, Person

_ENTERPRISE_MANAGER: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager"
_GROUP_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:group:"
_READ_ONLY: Final = frozenset({"schemas", "id", "meta", "groups"})
Op = Literal["add", "replace", "remove"]
_OPS: Final[dict[str, Op]] = {"add": "add", "replace": "replace", "remove": "remove"}


@dataclass(frozen=True, slots=True)
class GroupChange:
    """One step of a group's PATCH: a text attribute, or members by id (`ids` None: all of them)."""

    op: Op
    attribute: Literal["displayName", "externalId", "members"]
    text: str = ""
    ids: tuple[uuid.UUID, ...] | None = ()


def patch_person(person: Any, body: dict[str, Any]) -> None:
    """Apply a PATCH to `person` in place, or leave it as it was and raise an error that `scim_error` knows."""
    operations = [_plain(operation) for operation in _operations(body)]
    message = {"schemas": body.get("schemas") or [str(PatchOp.__schema__)], "Operations": operations}
    patch = PatchOp[Person].model_validate(
        message, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY
    )
    patch.patch(person, scim_policy=POLICY)


def group_changes(body: dict[str, Any]) -> list[GroupChange]:
    """The steps of a group's PATCH, without reading its members: it may have a hundred thousand. Raises `ScimError`."""
    return [change for operation in _operations(body) for change in _group_changes(operation)]


def _operations(body: dict[str, Any]) -> list[dict[str, Any]]:
    found = next((value for key, value in body.items() if key.lower() == "operations"), None)
    if not isinstance(found, list) or not found:
        raise ScimError(400, "A PATCH has a list of Operations.", "invalidSyntax")
    if len(found) > MAX_OPERATIONS:
        raise ScimError(413, f"A PATCH has at most {MAX_OPERATIONS} operations.")
    if not all(isinstance(operation, dict) for operation in found):
        raise ScimError(400, "An operation is a JSON object.", "invalidSyntax")
    return [{key.lower(): value for key, value in operation.items()} for operation in found]


def _plain(operation: dict[str, Any]) -> dict[str, Any]:
    """The operation with truth values and managers as the RFC has them, and without what is ours to say."""
    path, value = operation.get("path"), operation.get("value")
    if isinstance(path, str) and path.strip():
        return operation | ({"value": _plain_value(path.strip(), value)} if "value" in operation else {})
    operation = {key: item for key, item in operation.items() if key != "path"}
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key.lower() not in _READ_ONLY}
        operation["value"] = {key: _plain_value(key, item) for key, item in kept.items()}
    return operation


def _plain_value(name: str, value: Any) -> Any:
    last = name.lower()
    if last == "active" or last.endswith((":active", ".primary")):
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool) and value is not None:
            raise ScimError(400, f"{name} is true or false.", "invalidValue")
    if last == _ENTERPRISE_MANAGER and isinstance(value, str):
        return {"value": value} if value else None
    return value


def _group_changes(operation: dict[str, Any]) -> Iterator[GroupChange]:
    path, value = operation.get("path"), operation.get("value")
    op = _OPS.get(str(operation.get("op")).lower())
    if op is None:
        raise ScimError(400, "An operation is add, replace or remove.", "invalidValue")
    if path is None or path == "":
        if op == "remove":
            raise ScimError(400, "A remove names a path.", "noTarget")
        if not isinstance(value, dict):
            raise ScimError(400, "Without a path, the value is an object.", "invalidValue")
        for name, item in value.items():
            if name.lower() not in _READ_ONLY and _known(name):
                yield _change(op, name, item, has_value=True)
        return
    if not isinstance(path, str):
        raise ScimError(400, "A path is text.", "invalidPath")
    yield _change(op, path.strip(), value, has_value="value" in operation)


def _known(name: str) -> bool:
    return name.lower().removeprefix(_GROUP_SCHEMA) in ("displayname", "externalid", "members")


def _change(op: Op, path: str, value: Any, *, has_value: bool) -> GroupChange:
    name = path.lower().removeprefix(_GROUP_SCHEMA)
    if name == "members":
        return _members(op, value, has_value=has_value)
    if name in ("displayname", "externalid"):
        return _text(op, "displayName" if name == "displayname" else "externalId", value)
    if name.startswith("members"):
        return _selected(op, path)
    if name.partition(".")[0] in _READ_ONLY:
        raise ScimError(400, f"{path} cannot be changed.", "mutability")
    raise ScimError(400, f"A group has no {path[:100]}.", "invalidPath")


def _text(op: Op, attribute: Literal["displayName", "externalId"], value: Any) -> GroupChange:
    if op == "remove" or value is None:
        if attribute == "displayName":
            raise ScimError(400, "A group has a displayName.", "mutability")
        return GroupChange("replace", attribute)
    if not isinstance(value, str):
        raise ScimError(400, f"{attribute} is text.", "invalidValue")
    return GroupChange("replace", attribute, value)


def _members(op: Op, value: Any, *, has_value: bool) -> GroupChange:
    if value is None or (op == "remove" and value == []):
        if op == "add" or (op == "replace" and not has_value):
            raise ScimError(400, "Say which members.", "invalidValue")
        return (
            GroupChange("replace", "members", ids=())
            if op == "replace"
            else GroupChange(op, "members", ids=None)
        )
    return GroupChange(op, "members", ids=member_ids(value))


def member_ids(value: Any) -> tuple[uuid.UUID, ...]:
    """The ids in a list of members, or in one. Raises `ScimError` for what is not an id."""
    found = []
    for item in value if isinstance(value, list) else [value]:
        text = item.get("value") if isinstance(item, dict) else item
        member = parse_id(text) if isinstance(text, str) else None
        if member is None:
            raise ScimError(400, "A member is named by its id, in value.", "invalidValue")
        found.append(member)
    return tuple(dict.fromkeys(found))


def _selected(op: Op, path: str) -> GroupChange:
    node = Path[Group](path).ast
    if not isinstance(node, ValuePath):
        raise ScimError(400, "A member is added or removed as a whole.", "mutability")
    ids = tuple(_selected_ids(node.val_filter))
    if op != "remove" or node.sub_attr:
        raise ScimError(400, "A member cannot be changed; remove it and add another.", "mutability")
    return GroupChange("remove", "members", ids=ids)


def _selected_ids(node: FilterNode) -> Iterator[uuid.UUID]:
    if isinstance(node, LogicalExpr) and node.op == LogicalOperator.or_:
        for term in node.terms:
            yield from _selected_ids(term)
        return
    if (
        not isinstance(node, Comparison)
        or node.op != CompareOperator.eq
        or str(node.attr_path).lower() != "value"
        or not isinstance(node.value, str)
    ):
        raise ScimError(400, 'Members are selected by value eq "id".', "invalidFilter")
    found = parse_id(node.value)
    if found is not None:
        yield found
