"""Every route that names an object of an organization, asked for by everybody of the other organization and of none.

The rows come from the URLconf: a route whose parameter has no sample below fails, so a new one cannot be forgotten.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from administration.devices import create_service
from keys.incidents import open_incident
from keys.models import KeyExport, KeyIncident, KeyVersion
from policies.models import PolicyTemplate
from tenants.changes import Actor
from tenants.invitations import invite
from tenants.models import Group, RoleAssignment, ServicePrincipal, SuperUserAppointment, VerifiedDomain
from tenants.scim_tokens import create_token
from tests.conftest import Device, World, make_token
from tracking.models import AccessChange, Document
from tracking.overrides import change_access

pytestmark = pytest.mark.django_db

STRANGERS = ("mallory", "dave", "erin")
# Parameters that say nothing by themselves: the same for what exists and for what does not.
PLAIN = ("day", "number", "step")
METHODS = ("get", "post", "put", "patch", "delete")
# Not ours to test object by object: operators' own pages, allauth's token pages, static text for any organization.
EXCUSED = {
    "invitation/<str:token>": "whoever holds the secret of the link may see it: tests/portal/test_people_pages.py",
    "operator/": "Django admin: only operators of the installation get in",
    "accounts/": "allauth: its keys belong to one sign-in and are tested there",
    "t/<uuid:tenant_id>/_wmcs": "the same text for every organization, known or not",
    "organization/invitation/": "a secret from a mail; it names no organization's object",
    "t/<uuid:tenant_id>/scim": "answers no person's token or session; tests/administration/test_scim.py tries other tenants' tokens",
    "devices/<slug:program>/": "names a program of one's own; another person is asked for by a query (test_powers_api.py)",
    "^my/": "device endpoints take no object in the address",
}


def routes() -> Iterator[tuple[str, dict[str, Any]]]:
    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            elif pattern.pattern.converters and not any(part in route for part in EXCUSED):
                yield route, pattern.pattern.converters

    yield from walk(get_resolver().url_patterns, "")


ROUTES = sorted(route for route, _ in routes())


def samples(world: World, document: Document) -> dict[str, Callable[[str], Any]]:
    """For each parameter, the value that names an object of Contoso on a given route."""
    template = PolicyTemplate.objects.for_tenant(world.contoso).order_by("created_at")[0]
    key, group = (
        KeyVersion.objects.for_tenant(world.contoso).get(),
        Group.objects.for_tenant(world.contoso).get(),
    )

    return {
        "content_id": lambda route: document.content_id,
        "template_id": lambda route: template.id,
        "person_id": lambda route: world.person("bob").id,
        "invitation_id": lambda route: (
            invite(world.contoso, "new@contoso.example", actor=Actor.of(world.person("alice"))).id
        ),
        "group_id": lambda route: group.id,
        "domain_id": lambda route: VerifiedDomain.objects.for_tenant(world.contoso).get().id,
        "token_id": lambda route: create_token(world.contoso, "Entra", actor=Actor("test"))[0].id,
        "role_id": lambda route: RoleAssignment.objects.for_tenant(world.contoso).get().id,
        "appointment_id": lambda route: (
            SuperUserAppointment.objects.get_or_create(
                tenant=world.contoso, user=world.person("carol"), reason="Audit", appointed_by="alice"
            )[0].id
        ),
        "service_id": lambda route: service_of(world).id,
        "change_id": lambda route: changed(document, world).id,
        "export_id": lambda route: export_of(world).id,
        "number": lambda route: 1,
        "pk": lambda route: key.id,
        "key_id": lambda route: key.id,
        "incident_id": lambda route: incident_of(world, key).id,
        "step": lambda route: "roll",
        "day": lambda route: dt.datetime.now(dt.UTC).date(),
    }


def export_of(world: World) -> KeyExport:
    return KeyExport.objects.get_or_create(
        tenant=world.contoso,
        reason="Leaving",
        recipient_modulus=b"m",
        recipient_fingerprint="ab" * 32,
        keys=["cd" * 32],
        requested_by="carol@contoso.example",
        requested_by_id=world.person("carol").id,
        defaults={"expires_at": timezone.now() + dt.timedelta(days=7)},
    )[0]


def changed(document: Document, world: World) -> AccessChange:
    change_access(document, {"dave@fabrikam.example": ["VIEW"]}, actor=world.person("bob"), reason="")
    return AccessChange.objects.get()


def incident_of(world: World, key: KeyVersion) -> KeyIncident:
    found = KeyIncident.objects.filter(key=key).first()
    return found or open_incident(
        world.contoso, key, "leaked", reason="A backup is lost", actor=world.person("alice")
    )


def service_of(world: World) -> ServicePrincipal:
    if not ServicePrincipal.objects.for_tenant(world.contoso).exists():
        create_service(world.contoso, "Gateway", {"licensing"}, actor="operator")
    return ServicePrincipal.objects.for_tenant(world.contoso).get()


def test_the_matrix_is_not_empty() -> None:
    assert any(route.startswith("documents/") for route in ROUTES)
    assert any(route.startswith("api/v1/documents/") for route in ROUTES)


@pytest.mark.parametrize("route", ROUTES)
def test_strangers_find_nothing(world: World, device: Callable[[str], Device], route: str) -> None:
    device("bob").protect_for(("carol@contoso.example", ["VIEW"]), FileName="secret-plan.pdf")
    document = Document.objects.get()
    values = samples(world, document)
    converters = dict(routes())[route]
    own, unknown = route, route
    for name, converter in converters.items():
        assert name in values, f"the route {route} has a parameter {name} without a sample: add one"
        value = values[name](route)
        placeholder = f"<{_converter_name(route, name)}{name}>"
        own = own.replace(placeholder, converter.to_url(value) if name not in PLAIN else str(value))
        unknown = unknown.replace(
            placeholder, str(value) if name in PLAIN else converter.to_url(uuid.uuid4())
        )
    for name in STRANGERS:
        ask = asking(world, name, route)
        for method in METHODS:
            seen, missed = ask(method, own), ask(method, unknown)
            assert seen.status_code == missed.status_code, f"{name} {method} {route}"
            assert same_text(seen) == same_text(missed), f"{name} can tell {route} exists"
            assert b"secret-plan" not in body(seen) and b"contoso" not in body(seen).lower()
            if "<uuid:" in route:
                # The seal is asked for with a license, so an empty request fails before any document is looked at.
                expected = (302, 400, 403, 404, 405) if "seal" in route else (302, 403, 404, 405)
                assert seen.status_code in expected, f"{name} {method} {route}: {seen.status_code}"
    document.refresh_from_db()
    assert document.revoked_at is None


def asking(world: World, name: str, route: str) -> Callable[[str, str], Any]:
    """Somebody signed in as routes of this kind want it: `ask(method, path)` returns the answer."""
    person = world.person(name)
    client = Client(raise_request_exception=False)
    if route.startswith("api/"):
        headers = {"Authorization": f"Bearer {make_token(person)}"}
        sent = {"data": "{}", "content_type": "application/json"}
        return lambda method, path: getattr(client, method)(
            f"/{path}", headers=headers, **({} if method == "get" else sent)
        )
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return lambda method, path: getattr(client, method)(f"/{path}")


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def same_text(response: Any) -> int:
    """Answers for an existing and for an unknown object differ in nothing but per-request tokens of equal length."""
    return len(body(response))


def _converter_name(route: str, name: str) -> str:
    for kind in ("uuid:", "day:", "str:", "int:", "path:", "slug:"):
        if f"<{kind}{name}>" in route:
            return kind
    return ""


@pytest.mark.parametrize(
    "path",
    [
        "documents/",
        "templates/",
        "people/",
        "groups/",
        "keys/",
        "keys/incidents/",
        "logs/usage/",
        "logs/admin/",
    ],
)
def test_lists_hold_only_ones_own(world: World, device: Callable[[str], Device], path: str) -> None:
    device("bob").protect_for(("mallory@fabrikam.example", ["VIEW"]), FileName="secret-plan.pdf")
    token = make_token(world.person("mallory"))
    response = Client().get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200
    assert b"contoso" not in response.content.lower() and b"secret-plan" not in response.content


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("bob", "people/", 403), ("bob", "keys/", 403), ("bob", "logs/usage/", 403), ("bob", "logs/admin/", 403),
        ("bob", "templates/", 403), ("bob", "documents/", 200), ("erin", "documents/", 403), ("erin", "whoami/", 200),
        ("alice", "people/", 200), ("alice", "keys/", 200), ("alice", "logs/usage/", 200), ("", "people/", 401),
    ],
)  # fmt: skip
def test_roles(world: World, device: Callable[[str], Device], name: str, path: str, status: int) -> None:
    response = device(name).get(f"/api/v1/{path}")
    assert response.status_code == status, response.content
    if status >= 400:
        assert response.json().keys() == {"code", "message"}


def test_token_with_licensing_scope_only_administers_nothing(world: World) -> None:
    token = make_token(world.person("alice"), scopes=("openid", "licensing"))
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().post("/api/v1/organization/deactivate/", headers=headers).status_code == 403
    assert Client().get("/api/v1/documents/", headers=headers).status_code == 200
