"""Filters of SCIM as conditions on the database, for the attributes listed here and no others."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from allauth.account.models import EmailAddress
from django.db.models import F, Q, Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.utils.dateparse import parse_datetime
from scim2_models import ScimFilter
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from administration.scim.errors import ScimError
from administration.scim.exchange import parse_id
from administration.scim.resources import Group, Person
from tenants.directory import is_proven
from tenants.domain_names import canonical_address
from tenants.models import DirectoryEntry, GroupMember, GroupNesting, Tenant

MAX_TERMS: Final = 40
# So many people may share one stated address before the question for it is too wide.
_MAX_CANDIDATES: Final = 200
_ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user"
_ORDER: Final = {
    CompareOperator.gt: "gt",
    CompareOperator.ge: "gte",
    CompareOperator.lt: "lt",
    CompareOperator.le: "lte",
}
_TEXT: Final = {
    CompareOperator.co: "icontains",
    CompareOperator.sw: "istartswith",
    CompareOperator.ew: "iendswith",
}
Condition = Callable[[CompareOperator, Any], Q]
NOTHING: Final = Q(pk__in=[])


def refuse(text: str) -> ScimError:
    """The filter cannot be answered."""
    return ScimError(400, text, "invalidFilter")


def people_matching(tenant: Tenant, text: str) -> Q:
    """The condition on `DirectoryEntry` that `text` means. Raises `ScimError`."""
    return _People(tenant).visit(_parse(ScimFilter[Person], text)) if text else Q()


def groups_matching(text: str) -> Q:
    """The condition on `Group` that `text` means. Raises `ScimError`."""
    return _Groups().visit(_parse(ScimFilter[Group], text)) if text else Q()


def _parse(kind: Any, text: str) -> FilterNode:
    try:
        node: FilterNode = kind(text).ast
    except RecursionError as error:
        raise refuse("The filter is nested too deeply.") from error
    if _terms(node) > MAX_TERMS:
        raise refuse(f"A filter has at most {MAX_TERMS} terms.")
    return node


def _terms(node: FilterNode) -> int:
    if isinstance(node, Not):
        return _terms(node.expr)
    if isinstance(node, LogicalExpr):
        return sum(_terms(term) for term in node.terms)
    return 1 + _terms(node.val_filter) if isinstance(node, ValuePath) else 1


class _Conditions(FilterVisitor[Q]):
    """Logic is the same for everything; attributes are looked up by their lower-case names."""

    def condition_of(self, name: str) -> Condition | None:
        raise NotImplementedError

    def visit_not(self, node: Not) -> Q:
        return ~self.visit(node.expr)

    def visit_logical_expr(self, node: LogicalExpr) -> Q:
        found = self.visit(node.terms[0])
        for term in node.terms[1:]:
            found = found & self.visit(term) if node.op == LogicalOperator.and_ else found | self.visit(term)
        return found

    def visit_comparison(self, node: Comparison) -> Q:
        condition = self._condition(node.attr_path)
        if node.op == CompareOperator.ne:
            return ~condition(CompareOperator.eq, node.value)
        return condition(node.op, node.value)

    def visit_present(self, node: Present) -> Q:
        return ~self._condition(node.attr_path)(CompareOperator.eq, None)

    def visit_value_path(self, node: ValuePath) -> Q:
        raise refuse(f"{node.attr_path} cannot be selected from.")

    def _condition(self, path: AttrPath) -> Condition:
        name = f"{path.attr}.{path.sub_attr}" if path.sub_attr else path.attr
        if path.uri and path.uri.lower() == _ENTERPRISE:
            name = f"enterprise:{name}"
        found = self.condition_of(name.lower())
        if found is None:
            raise refuse(f"There is no filter by {path}.")
        return found


class _People(_Conditions):
    """Conditions on the entries of one organization's directory."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant

    def condition_of(self, name: str) -> Condition | None:
        return {
            "id": _same_id("user_id"),
            "username": _text_column("user_name", exact=False),
            "externalid": _text_column("external_id", exact=True),
            "active": _truth("user__is_active"),
            "emails": self._address,
            "emails.value": self._address,
            "meta.created": _moment("created_at"),
            "meta.lastmodified": _moment("changed_at"),
        }.get(name) or _attribute(name)

    def visit_value_path(self, node: ValuePath) -> Q:
        if str(node.attr_path).lower() != "emails":
            raise refuse(
                f"There is no filter by {node.attr_path} with a selection; emails can be selected from."
            )
        terms = node.val_filter.terms if isinstance(node.val_filter, LogicalExpr) else (node.val_filter,)
        is_or = isinstance(node.val_filter, LogicalExpr) and node.val_filter.op == LogicalOperator.or_
        wanted = [
            term.value
            for term in terms
            if isinstance(term, Comparison)
            and term.op == CompareOperator.eq
            and str(term.attr_path).lower() == "value"
            and isinstance(term.value, str)
        ]
        if not wanted or is_or:
            raise refuse(
                'A selection from emails names the value, as in emails[type eq "work" and value eq "…"].'
            )
        # Few people share an address: the rest of the selection is compared on these.
        entries = DirectoryEntry.objects.for_tenant(self.tenant).filter(
            self._address(CompareOperator.eq, wanted[0])
        )
        candidates = list(entries.values_list("id", "user_name", "attributes")[: _MAX_CANDIDATES + 1])
        if len(candidates) > _MAX_CANDIDATES:
            raise ScimError(400, "Too many people have this address.", "tooMany")
        exact = ScimFilter[Person](node)
        return Q(
            id__in=[
                entry_id
                for entry_id, user_name, attributes in candidates
                if exact.match(Person.model_validate({**attributes, "userName": user_name}))
            ]
        )

    def _address(self, op: CompareOperator, value: Any) -> Q:
        """Addresses that count are found by index; those outside the proven domains by reading the entries."""
        if value is None and op == CompareOperator.eq:
            return Q(attributes__emails__isnull=True)
        text = _string(value)
        if op == CompareOperator.eq:
            held = EmailAddress.objects.filter(email=canonical_address(text), user__tenant=self.tenant)
            own = Q(user_id__in=held.values("user_id"), attributes__emails__icontains=f'"{text}"')
            return own if self._is_own(text) else Q(attributes__emails__icontains=f'"{text}"')
        if op == CompareOperator.co:
            return Q(attributes__emails__icontains=text)
        raise refuse(f"emails can be compared with eq and co, not with {op.value}.")

    def _is_own(self, address: str) -> bool:
        return is_proven(self.tenant, address)


class _Groups(_Conditions):
    """Conditions on groups."""

    def condition_of(self, name: str) -> Condition | None:
        return {
            "id": _same_id("id"),
            "displayname": _text_column("name", exact=False),
            "externalid": _text_column("external_id", exact=True),
            "members": self._member,
            "members.value": self._member,
            "meta.created": _moment("created_at"),
            "meta.lastmodified": _moment("changed_at"),
        }.get(name)

    def visit_value_path(self, node: ValuePath) -> Q:
        inner = node.val_filter
        if (
            str(node.attr_path).lower() == "members"
            and isinstance(inner, Comparison)
            and str(inner.attr_path).lower() == "value"
        ):
            return self._member(inner.op, inner.value)
        raise refuse("Members can be selected by value only.")

    def _member(self, op: CompareOperator, value: Any) -> Q:
        if op != CompareOperator.eq:
            raise refuse("Members can be compared with eq only.")
        if value is None:
            return Q(members__isnull=True, nested__isnull=True)
        found = parse_id(_string(value))
        if found is None:
            return NOTHING
        return Q(id__in=GroupMember.objects.filter(user_id=found).values("group_id")) | Q(
            id__in=GroupNesting.objects.filter(child_id=found).values("parent_id")
        )


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise refuse("Compare this attribute with a text in quotation marks.")
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise refuse("A text contains characters that cannot be compared.")
    return value


def _same_id(column: str) -> Condition:
    def condition(op: CompareOperator, value: Any) -> Q:
        if op != CompareOperator.eq:
            raise refuse("Ids can be compared with eq only.")
        found = None if value is None else parse_id(_string(value))
        return NOTHING if found is None else Q(**{column: found})

    return condition


def _text_column(column: str, *, exact: bool) -> Condition:
    def condition(op: CompareOperator, value: Any) -> Q:
        if value is None and op == CompareOperator.eq:
            return Q(**{column: ""})
        text = _string(value)
        if op in _ORDER:
            return Q(**{f"{column}__{_ORDER[op]}": text})
        if exact:
            lookups = {
                CompareOperator.eq: "exact",
                CompareOperator.co: "contains",
                CompareOperator.sw: "startswith",
            }
            return Q(**{f"{column}__{lookups.get(op, 'endswith')}": text})
        # Both sides are folded by the database, which is what its unique index does.
        folded = Lower(Value(text))
        if op == CompareOperator.eq:
            return Q(Exact(Lower(F(column)), folded))
        return Q(**{f"{column}__{_TEXT[op]}": text})

    return condition


def _attribute(name: str) -> Condition | None:
    """Other single texts of the description; answered from the entries, without an index."""
    keys = {
        "displayname": "displayName",
        "name.formatted": "name__formatted",
        "name.givenname": "name__givenName",
        "name.familyname": "name__familyName",
        "nickname": "nickName",
        "title": "title",
        "usertype": "userType",
        "preferredlanguage": "preferredLanguage",
        "locale": "locale",
        "timezone": "timezone",
    }
    if name not in keys:
        return None
    column = f"attributes__{keys[name]}"

    def condition(op: CompareOperator, value: Any) -> Q:
        if value is None and op == CompareOperator.eq:
            return Q(**{f"{column}__isnull": True})
        text = _string(value)
        if op == CompareOperator.eq:
            return Q(**{f"{column}__iexact": text, f"{column}__isnull": False})
        if op in _TEXT:
            return Q(**{f"{column}__{_TEXT[op]}": text, f"{column}__isnull": False})
        raise refuse("This attribute can be compared with eq, ne, co, sw, ew and pr.")

    return condition


def _truth(column: str) -> Condition:
    def condition(op: CompareOperator, value: Any) -> Q:
        if value is None and op == CompareOperator.eq:
            return NOTHING
        if op != CompareOperator.eq or not isinstance(value, bool):
            raise refuse("Compare this attribute with true or false.")
        return Q(**{column: value})

    return condition


def _moment(column: str) -> Condition:
    def condition(op: CompareOperator, value: Any) -> Q:
        if value is None and op == CompareOperator.eq:
            return NOTHING
        if op in _TEXT:
            raise refuse("Times are compared with eq, ne, gt, ge, lt and le.")
        if isinstance(value, dt.datetime):
            moment: dt.datetime | None = value
        else:
            try:
                moment = parse_datetime(_string(value))
            except ValueError:
                moment = None
        if moment is None:
            raise refuse("A time looks like 2026-01-31T12:00:00Z.")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        try:
            moment = moment.astimezone(dt.UTC)
        except OverflowError as error:
            raise refuse("This time is out of range.") from error
        return Q(**{f"{column}__{_ORDER.get(op, 'exact')}": moment})

    return condition
