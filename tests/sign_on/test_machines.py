"""`/api/v1/identity-provider/`: the same as the page, under the same rules."""

from collections.abc import Callable
from typing import Any

import pytest

from audit.models import AdminEvent
from tests.conftest import Device, World, make_token
from tests.sign_on.conftest import OpenIDProvider, SetUp

pytestmark = pytest.mark.django_db
PATH = "/api/v1/identity-provider/"


def call(device: Device, method: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {make_token(device.person)}"} if device.person else {}
    options = {} if body is None else {"data": body, "content_type": "application/json"}
    return getattr(device.client, method)(PATH, headers=headers, **options)


def test_set_up_use_and_remove(world: World, device: Callable[[str], Device], openid: OpenIDProvider) -> None:
    alice = device("alice")
    assert call(alice, "get").status_code == 404
    setup = {
        "kind": "oidc", "name": "Login", "issuer": openid.issuer, "client_id": "c", "client_secret": "top-secret-1",
    }  # fmt: skip
    made = call(alice, "put", setup)
    assert made.status_code == 200 and b"top-secret" not in made.content
    assert made.json()["use"] == "off" and made.json()["issuer"] == openid.issuer
    assert call(alice, "patch", {"use": "optional"}).json()["use"] == "optional"
    early = call(alice, "patch", {"use": "enforced"})
    assert early.status_code == 409 and "Test the sign-in first" in early.json()["message"]
    assert call(alice, "put", {**setup, "issuer": "http://10.0.0.1/"}).status_code == 409
    assert call(alice, "put", {"kind": "saml", "name": "S", "metadata": "<x/>"}).status_code == 409
    assert call(alice, "put", {"name": "no kind"}).status_code == 400
    # What one organization set up is nothing to another.
    mallory = device("mallory")
    assert call(mallory, "get").status_code == call(mallory, "delete").status_code == 404
    assert call(alice, "delete").status_code == 204
    assert call(alice, "get").status_code == 404
    logged = AdminEvent.objects.filter(tenant_id=world.contoso.id, target="Login").order_by("time")
    assert [row.action for row in logged] == ["ConfigureSignOn", "ChangeSignOnUse", "RemoveSignOn"]
    assert all(row.actor == "alice@contoso.example" for row in logged)
    assert "top-secret" not in str(list(logged.values()))


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
@pytest.mark.parametrize(("name", "status"), [("bob", 403), ("erin", 403), ("", 401)])
def test_only_for_global_administrators(
    world: World, device: Callable[[str], Device], set_up: SetUp, method: str, name: str, status: int
) -> None:
    set_up(world.contoso)
    assert call(device(name), method, {} if method in ("put", "patch") else None).status_code == status
