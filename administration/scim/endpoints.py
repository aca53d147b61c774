"""What the collections of SCIM have in common: the organization, the directory that asks, places and versions."""

import datetime as dt
import re
import uuid
from abc import ABC, abstractmethod
from typing import Any, Final

from django.conf import settings
from scim2_models import Context, Resource

from administration.scim.errors import ScimError, not_found
from administration.scim.exchange import Query, parse_id
from tenants.changes import Actor
from tenants.models import ScimToken, Tenant
from tenants.scim_tokens import actor_of

_LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


def base_url(tenant: Tenant) -> str:
    """Where the directory of `tenant` is sent to."""
    return f"{settings.PUBLIC_URL}/t/{tenant.id}/scim/v2"


class Endpoint(ABC):
    """One collection of one organization, for the time of one request."""

    name: str
    plural: str

    def __init__(self, token: ScimToken) -> None:
        self.tenant: Tenant = token.tenant
        self.actor: Actor = actor_of(token)

    @abstractmethod
    def find(self, query: Query) -> dict[str, Any]:
        """A page of what matches."""

    @abstractmethod
    def get(self, found_id: uuid.UUID, query: Query) -> dict[str, Any]:
        """One resource. Raises `ScimError` 404."""

    @abstractmethod
    def add(self, body: dict[str, Any], query: Query) -> dict[str, Any]:
        """Make one, from its description."""

    @abstractmethod
    def put(self, found_id: uuid.UUID, body: dict[str, Any], query: Query, if_match: str) -> dict[str, Any]:
        """Make one what the description says."""

    @abstractmethod
    def patch(self, found_id: uuid.UUID, body: dict[str, Any], query: Query, if_match: str) -> dict[str, Any]:
        """Change one by steps, all of them or none."""

    @abstractmethod
    def remove(self, found_id: uuid.UUID, if_match: str) -> None:
        """Remove one."""

    def location(self, found_id: uuid.UUID) -> str:
        return f"{base_url(self.tenant)}/{self.plural}/{found_id}"

    def meta(self, found_id: uuid.UUID, created: dt.datetime, changed: dt.datetime) -> dict[str, Any]:
        return {
            "resourceType": self.name,
            "created": created,
            "lastModified": changed,
            "location": self.location(found_id),
            "version": version_of(changed),
        }

    def shaped(self, model: type[Resource[Any]], data: dict[str, Any], query: Query) -> dict[str, Any]:
        """`data` with the attributes that were asked for."""
        context = Context.RESOURCE_QUERY_RESPONSE
        shaped: dict[str, Any] = model.model_validate(data).model_dump(
            scim_ctx=context, response_parameters=query.shape
        )
        return shaped


def listed(rows: list[dict[str, Any]], total: int, query: Query) -> dict[str, Any]:
    """A page as the RFC has it."""
    return {
        "schemas": [_LIST],
        "totalResults": total,
        "startIndex": query.start,
        "itemsPerPage": len(rows),
        "Resources": rows,
    }


def version_of(changed: dt.datetime) -> str:
    """The weak entity tag of what was changed last at `changed`."""
    return f'W/"{int(changed.timestamp() * 1_000_000):x}"'


def check_version(if_match: str, changed: dt.datetime) -> None:
    """Raises 412 where the sender knows another version than ours."""
    if if_match and if_match.strip() != "*" and _bare(version_of(changed)) not in _tags(if_match):
        raise ScimError(412, "This has changed since you read it. Read it again.")


def is_known_version(if_none_match: str, version: str) -> bool:
    """Whether the sender has this version already."""
    return bool(if_none_match) and _bare(version) in _tags(if_none_match)


def required_id(text: str) -> uuid.UUID:
    """An id in a path; what is not an id names nothing."""
    found = parse_id(text)
    if found is None:
        raise not_found()
    return found


def _tags(header: str) -> set[str]:
    return set(re.findall(r'"([^"]*)"', header))


def _bare(version: str) -> str:
    return version.removeprefix("W/").strip('"')
