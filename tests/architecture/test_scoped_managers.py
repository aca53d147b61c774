"""Interface code reaches an organization's objects only through `.for_tenant(...)`, and never writes.

Read from the syntax tree of the pages and views. A false positive is excused in its statement by `# unscoped: <reason>`.
"""

import ast
from pathlib import Path

import pytest
from django.apps import apps

from tenants.models import TenantOwned

ROOT = Path(__file__).resolve().parents[2]
INTERFACES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in (
        "portal/**/*.py",
        "administration/api/**/*.py",
        "administration/scim/**/*.py",
        "licensing/views.py",
        "licensing/discovery.py",
    )
    for path in ROOT.glob(pattern)
)
WRITES = {
    "save",
    "create",
    "update",
    "delete",
    "bulk_create",
    "bulk_update",
    "get_or_create",
    "update_or_create",
}
# These belong to an organization without being `TenantOwned`: a person may have none, a log row has no relations.
SCOPED = {model.__name__ for model in apps.get_models() if issubclass(model, TenantOwned)} | {
    "User",
    "UsageEvent",
    "AdminEvent",
    "LogSegment",
    "ClientLog",
}
EXCUSE = "# unscoped: "


def offences(source: str) -> list[str]:
    """Lines that use a manager without `.for_tenant`, or call what writes on a model or query set."""
    lines = source.splitlines()
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or _is_excused(node, parents, lines):
            continue
        parent = parents.get(node)
        if node.attr in ("_base_manager", "_default_manager"):
            found.append(f"{node.lineno}: {node.attr}")
        elif node.attr == "objects" and isinstance(node.value, ast.Name) and node.value.id in SCOPED:
            if not (isinstance(parent, ast.Attribute) and parent.attr == "for_tenant"):
                found.append(f"{node.lineno}: {node.value.id}.objects without for_tenant")
        elif (
            node.attr in WRITES
            and isinstance(parent, ast.Call)
            and parent.func is node
            and _is_orm(node.value)
        ):
            found.append(f"{node.lineno}: writes with .{node.attr}()")
    return found


def _is_excused(node: ast.AST, parents: dict[ast.AST, ast.AST], lines: list[str]) -> bool:
    """Whether a line of the statement around `node` says why this is meant."""
    while not isinstance(node, ast.stmt):
        node = parents[node]
    return any(EXCUSE in line for line in lines[node.lineno - 1 : node.end_lineno])


def _is_orm(value: ast.expr) -> bool:
    """Whether a call hangs on a manager, a query or a lower-case name that could be a model instance."""
    if isinstance(value, ast.Attribute) and value.attr == "objects":
        return True
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Attribute) and _is_orm(value.func.value)
    return isinstance(value, ast.Name) and value.id not in ("self", "dict", "values", "context", "response")


@pytest.mark.parametrize("path", INTERFACES)
def test_interfaces_are_scoped_and_do_not_write(path):
    assert offences((ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "Document.objects.get(pk=pk)",
        "PolicyTemplate.objects.all()",
        "Document._base_manager.all()",
        "Document.objects.for_tenant(t).update(name='')",
        "document.save(update_fields=['name'])",
        "User.objects.filter(email=address)",
    ],
)
def test_offences_are_found(line):
    assert len(offences(line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "Document.objects.for_tenant(t).get(pk=pk)",
        "Tenant.objects.get(pk=pk)",
        "User.objects.get(pk=pk)  # unscoped: their own row",
    ],
)
def test_what_is_allowed_is_not_reported(line):
    assert offences(line) == []
