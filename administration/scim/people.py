"""`/Users`: the people whom the directory keeps."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from scim2_models import Context

from administration.scim.endpoints import Endpoint, base_url, check_version, listed
from administration.scim.errors import ScimError, not_found
from administration.scim.exchange import Query
from administration.scim.filters import people_matching
from administration.scim.patching import patch_person
from administration.scim.resources import POLICY, Person
from tenants.directory import Stated, add_person, change_person, find_entry, remove_person, stated_from
from tenants.freshness import FactCache
from tenants.models import DirectoryEntry, GroupMember

_MANY: Final = 10_000
_totals: FactCache = FactCache(1000)
_OWN = ("id", "meta", "groups", "schemas", "userName", "externalId")


class People(Endpoint):
    name, plural = "User", "Users"

    def find(self, query: Query) -> dict[str, Any]:
        entries = DirectoryEntry.objects.for_tenant(self.tenant).filter(
            people_matching(self.tenant, query.filter)
        )
        ids = entries.order_by("created_at", "id").values_list("id", flat=True)
        page = list(ids[query.start - 1 : query.start - 1 + query.count]) if query.count else []
        found = {entry.id: entry for entry in self._read(page)}
        rows = [found[entry_id] for entry_id in page if entry_id in found]
        # The first page that is not full tells the total by itself.
        known = query.start - 1 + len(page)
        total = known if page and len(page) < query.count else self._total(entries, query.filter)
        return listed(self._resources(rows, query), total, query)

    def _total(self, entries: "QuerySet[DirectoryEntry]", text: str) -> int:
        """How many match. A directory that pages through very many is told a number that may be five seconds old."""
        name = (self.tenant.id, text)
        known: int | None = _totals.get(name)
        if known is None:
            known = entries.count()
            if known > _MANY:
                _totals[name] = known
        return known

    def get(self, found_id: uuid.UUID, query: Query) -> dict[str, Any]:
        return self._one(self._entry(found_id), query)

    def add(self, body: dict[str, Any], query: Query) -> dict[str, Any]:
        stated = _stated(_described(body, Context.RESOURCE_CREATION_REQUEST))
        return self._one(add_person(self.tenant, stated, actor=self.actor), query)

    def put(self, found_id: uuid.UUID, body: dict[str, Any], query: Query, if_match: str) -> dict[str, Any]:
        described = _described(body, Context.RESOURCE_REPLACEMENT_REQUEST)
        with transaction.atomic():
            entry = self._entry(found_id, lock=True)
            check_version(if_match, entry.changed_at)
            change_person(entry, _stated(described), actor=self.actor)
        return self._one(entry, query)

    def patch(self, found_id: uuid.UUID, body: dict[str, Any], query: Query, if_match: str) -> dict[str, Any]:
        with transaction.atomic():
            entry = self._entry(found_id, lock=True)
            check_version(if_match, entry.changed_at)
            described = Person.model_validate(_data(entry))
            patch_person(described, body)
            change_person(entry, _stated(described), actor=self.actor)
        return self._one(entry, query)

    def remove(self, found_id: uuid.UUID, if_match: str) -> None:
        with transaction.atomic():
            entry = self._entry(found_id, lock=True)
            check_version(if_match, entry.changed_at)
            remove_person(entry, actor=self.actor)

    def _entry(self, found_id: uuid.UUID, *, lock: bool = False) -> DirectoryEntry:
        entry = find_entry(self.tenant, found_id, lock=lock)
        if entry is None:
            raise not_found()
        return entry

    def _read(self, entry_ids: Iterable[uuid.UUID]) -> Iterable[DirectoryEntry]:
        return DirectoryEntry.objects.for_tenant(self.tenant).select_related("user").filter(id__in=entry_ids)

    def _one(self, entry: DirectoryEntry, query: Query) -> dict[str, Any]:
        return self._resources([entry], query)[0]

    def _resources(self, entries: list[DirectoryEntry], query: Query) -> list[dict[str, Any]]:
        groups = self._groups(entries) if query.wants("groups") else {}
        return [
            self.shaped(
                Person,
                _data(entry)
                | {
                    "id": str(entry.user_id),
                    "active": entry.user.is_active,
                    "groups": groups.get(entry.user_id),
                    "meta": self.meta(entry.user_id, entry.created_at, entry.changed_at),
                },
                query,
            )
            for entry in entries
        ]

    def _groups(self, entries: list[DirectoryEntry]) -> dict[uuid.UUID, list[dict[str, str]]]:
        members = GroupMember.objects.filter(
            user_id__in=[entry.user_id for entry in entries],
            group__tenant=self.tenant,
            group__from_directory=True,
        )
        found = defaultdict(list)
        for user_id, group_id, name in members.values_list("user_id", "group_id", "group__name"):
            found[user_id].append(
                {
                    "value": str(group_id),
                    "$ref": f"{base_url(self.tenant)}/Groups/{group_id}",
                    "display": name,
                    "type": "direct",
                }
            )
        return found


def _described(body: dict[str, Any], context: Context) -> Any:
    active = next((key for key in body if key.lower() == "active"), None)
    if active is not None and not isinstance(body[active], bool):
        if str(body[active]).lower() not in ("true", "false"):
            raise ScimError(400, "active is true or false.", "invalidValue")
        body = body | {active: str(body[active]).lower() == "true"}
    return Person.model_validate(body, scim_ctx=context, scim_policy=POLICY)


def _data(entry: DirectoryEntry) -> dict[str, Any]:
    stated: dict[str, Any] = entry.attributes
    return stated | {"userName": entry.user_name, "externalId": entry.external_id or None}


def _stated(described: Any) -> Stated:
    data = described.model_dump()
    if not described.user_name:
        raise ScimError(400, "A person has a userName.", "invalidValue")
    attributes = {key: value for key, value in data.items() if key not in _OWN}
    attributes["active"] = described.active is not False
    return stated_from(described.user_name, described.external_id or "", attributes)
