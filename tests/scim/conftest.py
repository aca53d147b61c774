"""A directory that speaks SCIM to one organization."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tenants.changes import Actor
from tenants.models import Tenant
from tenants.scim_tokens import create_token
from tests.conftest import World

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Directory:
    """Sends JSON with the organization's secret, and reads JSON."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant, self.client = tenant, Client(raise_request_exception=True)
        self.token, self.secret = create_token(tenant, "Entra", actor=Actor("test"))
        self.base = f"/t/{tenant.id}/scim/v2"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.client.generic(
            method,
            self.base + path,
            b"" if body is None else data,
            content_type="application/scim+json",
            headers={"Authorization": f"Bearer {self.secret}"} | headers,
        )

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def add_user(self, user_name: str, **attributes: Any) -> dict[str, Any]:
        response = self.call("POST", "/Users", {"schemas": [USER], "userName": user_name} | attributes)
        assert response.status_code == 201, response.content
        return dict(response.json())

    def add_group(self, name: str, *members: str) -> dict[str, Any]:
        body = {"schemas": [GROUP], "displayName": name, "members": [{"value": found} for found in members]}
        response = self.call("POST", "/Groups", body)
        assert response.status_code == 201, response.content
        return dict(response.json())

    def patch(self, path: str, *operations: dict[str, Any]) -> Any:
        return self.call("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})

    def names(self, text: str) -> list[str]:
        response = self.client.get(
            f"{self.base}/Users", {"filter": text}, headers={"Authorization": f"Bearer {self.secret}"}
        )
        assert response.status_code == 200, response.content
        return [found["userName"] for found in response.json()["Resources"]]


@pytest.fixture
def directory(world: World) -> Callable[[str], Directory]:
    made: dict[str, Directory] = {}

    def of(slug: str) -> Directory:
        if slug not in made:
            made[slug] = Directory(getattr(world, slug))
        return made[slug]

    return of


@pytest.fixture
def contoso(directory: Callable[[str], Directory]) -> Directory:
    return directory("contoso")


@pytest.fixture
def fabrikam(directory: Callable[[str], Directory]) -> Directory:
    return directory("fabrikam")
