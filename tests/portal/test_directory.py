"""Directory sync in the settings, in the API, and by command."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from audit.models import AdminEvent
from tenants.models import ScimToken
from tests.conftest import Device, World
from tests.portal.conftest import Browse

pytestmark = pytest.mark.django_db


def works(world: World, secret: str) -> bool:
    answer = Client().get(
        f"/t/{world.contoso.id}/scim/v2/Users", headers={"Authorization": f"Bearer {secret}"}
    )
    return bool(answer.status_code == 200)


def test_a_token_is_shown_once_and_ends_when_revoked(world: World, browse: Browse) -> None:
    alice = browse("alice")
    assert b"No directory yet" in alice.get("/settings/directory/").content
    made = alice.post("/settings/directory/", {"name": "Entra ID", "days": "365"})
    token = ScimToken.objects.get()
    secret = made.context["secret"]
    assert secret.encode() in made.content
    assert made["Cache-Control"].startswith("max-age=0")
    assert works(world, secret)
    shown = alice.get("/settings/directory/").content
    assert secret.encode() not in shown and b"Entra ID" in shown
    assert secret not in str(list(AdminEvent.objects.values_list("after", flat=True)))
    twice = alice.post("/settings/directory/", {"name": "Entra ID", "days": "0"})
    assert twice.status_code == 400 and b"already a token" in twice.content
    place = f"/settings/directory/{token.id}/revoke/"
    assert b"no longer kept up to date" in alice.get(place).content
    assert alice.post(place).status_code == 302
    assert not works(world, secret)
    assert browse("bob").get("/settings/directory/").status_code == 403


def test_by_api(world: World, device: Callable[[str], Device]) -> None:
    alice = device("alice")
    made = alice.post("/api/v1/scim-tokens/", {"name": "Okta"})
    assert made.status_code == 201, made.content
    assert made.json()["url"].endswith(f"/t/{world.contoso.id}/scim/v2")
    assert works(world, made.json()["secret"])
    assert alice.post("/api/v1/scim-tokens/", {"name": "Okta"}).json()["code"] == "name_taken"
    assert [row["name"] for row in alice.get("/api/v1/scim-tokens/").json()["results"]] == ["Okta"]
    assert "secret" not in alice.get("/api/v1/scim-tokens/").json()["results"][0]
    assert device("bob").get("/api/v1/scim-tokens/").status_code == 403


def test_by_manage(world: World) -> None:
    out = io.StringIO()
    call_command("create_scim_token", "contoso.example", stdout=out)
    url, secret = out.getvalue().split()[-2:]
    assert url.endswith(f"/t/{world.contoso.id}/scim/v2") and works(world, secret)
    assert AdminEvent.objects.filter(action="CreateScimToken", actor="operator").count() == 1
    with pytest.raises(CommandError):
        call_command("create_scim_token", "nobody.example", stdout=io.StringIO())


def test_nobody_is_mailed_where_there_is_no_address(world: World) -> None:
    from django.utils.translation import gettext_lazy as _

    from tenants.models import OutgoingMail
    from tenants.outbox import tell

    bob: Any = world.person("bob")
    bob.email = f"{bob.id}@{world.contoso.id}.directory.invalid"
    before = OutgoingMail.objects.count()
    tell([bob], subject=_("Groups"), text=_("Groups"), values={})
    assert OutgoingMail.objects.count() == before
