"""Who may use what: each persona at each route, held against one table in the powers of `tenants.membership`.

The routes come from the URLconf and the methods from its views: a route, or a method of the API, that has no line here
fails. Other organizations' objects: `test_matrix.py`.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Token
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from administration.devices import create_service
from portal.access import PROVEN_AT
from portal.guests import _UNTIL as GUEST_UNTIL
from tenants import membership as m
from tenants.models import IdentityProvider, RoleAssignment, ServicePrincipal, User
from tests.conftest import Device, World, make_token
from tests.isolation.test_matrix import samples
from tests.portal.conftest import BACKEND
from tracking.models import Document

pytestmark = pytest.mark.django_db

# Besides powers, named by `tenants.membership`:
PUBLIC: Final = "everybody"
TOKEN: Final = "every person or service with a token"
GUEST: Final = "everybody who is signed in, people without an account too"
PERSON: Final = "people with an account, of an organization or none"
MEMBER: Final = "people of an organization"

# Page: who may look (GET), who may act (POST); None: there is nothing of the kind.
PAGES: Final[dict[str, tuple[str | None, str | None]]] = {
    "": (GUEST, None),
    "help/": (GUEST, None),
    "preferences/": (None, PUBLIC),
    "guest/": (PUBLIC, PUBLIC),
    "guest/code/": (PUBLIC, PUBLIC),
    "invitation/<str:token>/": (PUBLIC, PUBLIC),
    "organization/invitation/<str:token>/": (PUBLIC, None),
    "organization/new/": (PERSON, PERSON),
    "organization/setup/": (m.ADMINISTER, m.ADMINISTER),
    "profile/": (GUEST, GUEST),
    "profile/sessions/": (GUEST, GUEST),
    "profile/devices/": (GUEST, None),
    "profile/devices/end/": (None, GUEST),
    "sign-in-again/": (GUEST, None),
    "open/": (GUEST, None),
    "open/license/": (None, GUEST),
    "protect/": (PERSON, None),
    "protect/license/": (None, PERSON),
    "protect/seal/": (None, PERSON),
    "documents/": (MEMBER, None),
    "documents/<uuid:content_id>/": (m.TRACK_ALL, None),
    "documents/<uuid:content_id>/revoke/": (m.REVOKE_ALL, m.REVOKE_ALL),
    "documents/<uuid:content_id>/restore/": (None, m.REVOKE_ALL),
    "documents/<uuid:content_id>/access/": (m.TRACK_ALL, None),
    "documents/<uuid:content_id>/access/change/": (m.ADMINISTER, m.ADMINISTER),
    "documents/<uuid:content_id>/access/<uuid:change_id>/undo/": (None, m.ADMINISTER),
    "templates/": (MEMBER, None),
    "templates/new/": (m.MANAGE_TEMPLATES, m.MANAGE_TEMPLATES),
    "templates/files/": (m.READ_TEMPLATES, None),
    "templates/export/": (None, m.READ_TEMPLATES),
    "templates/import/": (m.MANAGE_TEMPLATES, m.MANAGE_TEMPLATES),
    "templates/<uuid:template_id>/": (MEMBER, None),
    "templates/<uuid:template_id>/edit/": (m.MANAGE_TEMPLATES, m.MANAGE_TEMPLATES),
    "templates/<uuid:template_id>/publish/": (m.MANAGE_TEMPLATES, m.MANAGE_TEMPLATES),
    "templates/<uuid:template_id>/discard/": (None, m.MANAGE_TEMPLATES),
    "templates/<uuid:template_id>/archive/": (None, m.MANAGE_TEMPLATES),
    "templates/<uuid:template_id>/unarchive/": (None, m.MANAGE_TEMPLATES),
    "templates/<uuid:template_id>/copy/": (None, m.MANAGE_TEMPLATES),
    "templates/<uuid:template_id>/move/": (None, m.MANAGE_TEMPLATES),
    "templates/<uuid:template_id>/delete/": (m.MANAGE_TEMPLATES, m.MANAGE_TEMPLATES),
    "templates/<uuid:template_id>/versions/": (m.READ_TEMPLATES, None),
    "templates/<uuid:template_id>/versions/<int:number>/": (m.READ_TEMPLATES, None),
    "templates/<uuid:template_id>/versions/<int:number>/restore/": (None, m.MANAGE_TEMPLATES),
    "templates/<uuid:template_id>/what-if/": (m.READ_TEMPLATES, None),
    "people/": (m.READ_PEOPLE, None),
    "people/export/": (m.READ_PEOPLE, None),
    "people/import/": (m.MANAGE_PEOPLE, m.MANAGE_PEOPLE),
    "people/bulk/": (None, m.MANAGE_PEOPLE),
    "people/invite/": (m.MANAGE_PEOPLE, m.MANAGE_PEOPLE),
    "people/invitations/": (m.MANAGE_PEOPLE, None),
    "people/invitations/<uuid:invitation_id>/": (None, m.MANAGE_PEOPLE),
    "people/<uuid:person_id>/": (m.READ_PEOPLE, None),
    "people/<uuid:person_id>/edit/": (m.MANAGE_PEOPLE, m.MANAGE_PEOPLE),
    "people/<uuid:person_id>/suspend/": (m.MANAGE_PEOPLE, m.MANAGE_PEOPLE),
    "people/<uuid:person_id>/resume/": (None, m.MANAGE_PEOPLE),
    "people/<uuid:person_id>/remove/": (m.MANAGE_PEOPLE, m.MANAGE_PEOPLE),
    "people/<uuid:person_id>/addresses/": (None, m.MANAGE_PEOPLE),
    "people/<uuid:person_id>/merge/": (m.MANAGE_PEOPLE, m.MANAGE_PEOPLE),
    "people/<uuid:person_id>/devices/": (m.RESET_FACTORS, None),
    "people/<uuid:person_id>/devices/end/": (None, m.RESET_FACTORS),
    "people/<uuid:person_id>/reset-factors/": (m.RESET_FACTORS, m.RESET_FACTORS),
    "groups/": (m.READ_PEOPLE, None),
    "groups/new/": (m.MANAGE_PEOPLE, m.MANAGE_PEOPLE),
    "groups/<uuid:group_id>/": (m.READ_PEOPLE, None),
    "groups/<uuid:group_id>/edit/": (m.MANAGE_PEOPLE, m.MANAGE_PEOPLE),
    "groups/<uuid:group_id>/delete/": (m.MANAGE_PEOPLE, m.MANAGE_PEOPLE),
    "groups/<uuid:group_id>/take-over/": (None, m.MANAGE_PEOPLE),
    "groups/<uuid:group_id>/add/": (m.MANAGE_PEOPLE, None),
    "groups/<uuid:group_id>/members/": (None, m.MANAGE_PEOPLE),
    "keys/": (m.READ_KEYS, None),
    "keys/<uuid:key_id>/": (m.READ_KEYS, None),
    "keys/<uuid:key_id>/reseal/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/<uuid:key_id>/disable/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/<uuid:key_id>/enable/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/<uuid:key_id>/destroy/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/<uuid:key_id>/destroy/approve/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/<uuid:key_id>/destroy/cancel/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/<uuid:key_id>/certificate.json": (m.READ_KEYS, None),
    "keys/roll/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/withdraw/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/policy/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/bring/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/import-key/": (None, m.MANAGE_KEYS),
    "keys/import-key/import.pem": (m.MANAGE_KEYS, None),
    "keys/place/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/export/": (m.READ_KEYS, None),
    "keys/recovery/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/export/new/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/export/waiting/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/export/<uuid:export_id>/approve/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/export/<uuid:export_id>/end/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/export/<uuid:export_id>/package/": (None, m.MANAGE_KEYS),
    "keys/<uuid:key_id>/hold/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/<uuid:key_id>/restore/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/incidents/": (m.READ_KEYS, None),
    "keys/incidents/open/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/incidents/<uuid:incident_id>/": (m.READ_KEYS, None),
    "keys/incidents/<uuid:incident_id>/steps/<slug:step>/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "keys/incidents/<uuid:incident_id>/message/": (m.READ_KEYS, None),
    "keys/incidents/<uuid:incident_id>/report/": (m.READ_KEYS, None),
    "keys/incidents/<uuid:incident_id>/close/": (m.MANAGE_KEYS, m.MANAGE_KEYS),
    "logs/": (m.READ_LOGS, None),
    "logs/usage/<day:day>/": (m.READ_LOGS, None),
    "logs/usage/<day:day>/proof/": (m.READ_LOGS, None),
    "logs/changes/": (m.READ_LOGS, None),
    "settings/": (m.READ_SETTINGS, None),
    "settings/edit/": (m.ADMINISTER, m.ADMINISTER),
    "settings/activate/": (None, m.ADMINISTER),
    "settings/deactivate/": (m.ADMINISTER, m.ADMINISTER),
    "settings/removal/": (m.ADMINISTER, None),
    "settings/removal/request/": (m.ADMINISTER, m.ADMINISTER),
    "settings/removal/cancel/": (None, m.ADMINISTER),
    "settings/removal/export/": (None, m.ADMINISTER),
    "settings/removal/export/file/": (m.ADMINISTER, None),
    "settings/domains/": (m.ADMINISTER, m.ADMINISTER),
    "settings/domains/<uuid:domain_id>/": (m.ADMINISTER, None),
    "settings/domains/<uuid:domain_id>/check/": (None, m.ADMINISTER),
    "settings/domains/<uuid:domain_id>/remove/": (m.ADMINISTER, m.ADMINISTER),
    "settings/directory/": (m.MANAGE_SIGN_IN, m.MANAGE_SIGN_IN),
    "settings/directory/<uuid:token_id>/revoke/": (m.MANAGE_SIGN_IN, m.MANAGE_SIGN_IN),
    "settings/sign-in/": (m.MANAGE_SIGN_IN, None),
    "settings/sign-in/oidc/": (m.MANAGE_SIGN_IN, m.MANAGE_SIGN_IN),
    "settings/sign-in/saml/": (m.MANAGE_SIGN_IN, m.MANAGE_SIGN_IN),
    "settings/sign-in/test/": (None, m.MANAGE_SIGN_IN),
    "settings/sign-in/use/": (None, m.MANAGE_SIGN_IN),
    "settings/sign-in/release/": (None, m.MANAGE_SIGN_IN),
    "settings/sign-in/remove/": (m.MANAGE_SIGN_IN, m.MANAGE_SIGN_IN),
    "settings/security/": (m.ADMINISTER, m.ADMINISTER),
    "settings/roles/": (m.READ_SETTINGS, None),
    "settings/roles/give/": (m.ADMINISTER, m.ADMINISTER),
    "settings/roles/<uuid:role_id>/take/": (m.ADMINISTER, m.ADMINISTER),
    "settings/super-users/": (m.READ_SETTINGS, None),
    "settings/super-users/switch/": (m.ADMINISTER, m.ADMINISTER),
    "settings/super-users/approval/": (m.ADMINISTER, m.ADMINISTER),
    "settings/super-users/appoint/": (m.ADMINISTER, m.ADMINISTER),
    "settings/super-users/<uuid:appointment_id>/approve/": (m.ADMINISTER, m.ADMINISTER),
    "settings/super-users/<uuid:appointment_id>/end/": (m.ADMINISTER, m.ADMINISTER),
    "settings/protecting/": (m.READ_SETTINGS, m.ADMINISTER),
    "settings/limits/": (m.READ_SETTINGS, m.ADMINISTER),
    "settings/services/": (m.READ_SETTINGS, None),
    "settings/services/new/": (m.ADMINISTER, m.ADMINISTER),
    "settings/services/<uuid:service_id>/rotate/": (m.ADMINISTER, m.ADMINISTER),
    "settings/services/<uuid:service_id>/delete/": (m.ADMINISTER, m.ADMINISTER),
}

# Route below /api/v1/: for each method who may use it.
API: Final[dict[str, dict[str, str]]] = {
    "schema/": {"get": PUBLIC},
    "whoami/": {"get": TOKEN},
    "organization/": {"get": MEMBER, "post": PERSON, "patch": m.ADMINISTER},
    "organization/activate/": {"post": m.ADMINISTER},
    "organization/deactivate/": {"post": m.ADMINISTER},
    "organization/removal/": {"get": m.ADMINISTER, "post": m.ADMINISTER, "delete": m.ADMINISTER},
    "organization/export/": {"get": m.ADMINISTER, "post": m.ADMINISTER},
    "organization/export/file/": {"get": m.ADMINISTER},
    "organization/second-factor/": {"get": m.ADMINISTER, "put": m.ADMINISTER},
    "domains/": {"get": m.ADMINISTER, "post": m.ADMINISTER},
    "domains/<uuid:domain_id>/": {"get": m.ADMINISTER, "delete": m.ADMINISTER},
    "domains/<uuid:domain_id>/check/": {"post": m.ADMINISTER},
    "organization/limits/": {"get": m.READ_SETTINGS, "patch": m.ADMINISTER},
    "templates/": {"get": m.READ_TEMPLATES, "post": m.MANAGE_TEMPLATES},
    "templates/export/": {"get": m.READ_TEMPLATES},
    "templates/import/": {"post": m.MANAGE_TEMPLATES},
    "templates/<uuid:template_id>/": {
        "get": m.READ_TEMPLATES, "put": m.MANAGE_TEMPLATES, "delete": m.MANAGE_TEMPLATES,
    },
    "templates/<uuid:template_id>/draft/": {"delete": m.MANAGE_TEMPLATES},
    "templates/<uuid:template_id>/publish/": {"post": m.MANAGE_TEMPLATES},
    "templates/<uuid:template_id>/archive/": {"post": m.MANAGE_TEMPLATES},
    "templates/<uuid:template_id>/unarchive/": {"post": m.MANAGE_TEMPLATES},
    "templates/<uuid:template_id>/copy/": {"post": m.MANAGE_TEMPLATES},
    "templates/<uuid:template_id>/move/": {"post": m.MANAGE_TEMPLATES},
    "templates/<uuid:template_id>/versions/": {"get": m.READ_TEMPLATES},
    "templates/<uuid:template_id>/versions/<int:number>/": {"get": m.READ_TEMPLATES},
    "templates/<uuid:template_id>/versions/<int:number>/restore/": {"post": m.MANAGE_TEMPLATES},
    "templates/<uuid:template_id>/what-if/": {"get": m.READ_TEMPLATES},
    "people/": {"get": m.READ_PEOPLE, "post": m.MANAGE_PEOPLE},
    "people/import/": {"post": m.MANAGE_PEOPLE},
    "people/<uuid:person_id>/": {"get": m.READ_PEOPLE, "patch": m.MANAGE_PEOPLE, "delete": m.MANAGE_PEOPLE},
    "people/<uuid:person_id>/addresses/": {"post": m.MANAGE_PEOPLE, "delete": m.MANAGE_PEOPLE},
    "people/<uuid:person_id>/merge/": {"post": m.MANAGE_PEOPLE},
    "people/<uuid:person_id>/reset-factors/": {"post": m.RESET_FACTORS},
    "invitations/": {"get": m.MANAGE_PEOPLE},
    "invitations/<uuid:invitation_id>/": {"delete": m.MANAGE_PEOPLE},
    "groups/": {"get": m.READ_PEOPLE, "post": m.MANAGE_PEOPLE},
    "groups/<uuid:group_id>/": {"get": m.READ_PEOPLE, "patch": m.MANAGE_PEOPLE, "delete": m.MANAGE_PEOPLE},
    "groups/<uuid:group_id>/take-over/": {"post": m.MANAGE_PEOPLE},
    "groups/<uuid:group_id>/members/": {
        "get": m.READ_PEOPLE, "post": m.MANAGE_PEOPLE, "delete": m.MANAGE_PEOPLE,
    },
    "roles/": {"get": m.READ_SETTINGS, "post": m.ADMINISTER},
    "roles/<uuid:role_id>/": {"delete": m.ADMINISTER},
    "super-users/": {"get": m.READ_SETTINGS, "post": m.ADMINISTER},
    "super-users/feature/": {"get": m.READ_SETTINGS, "patch": m.ADMINISTER},
    "super-users/<uuid:appointment_id>/": {"delete": m.ADMINISTER},
    "super-users/<uuid:appointment_id>/approve/": {"post": m.ADMINISTER},
    "onboarding/": {"get": m.READ_SETTINGS, "put": m.ADMINISTER},
    "services/": {"get": m.READ_SETTINGS, "post": m.ADMINISTER},
    "services/<uuid:service_id>/": {"delete": m.ADMINISTER},
    "services/<uuid:service_id>/rotate/": {"post": m.ADMINISTER},
    "devices/": {"get": PERSON},
    "devices/<slug:program>/": {"delete": PERSON},
    "identity-provider/": {
        "get": m.MANAGE_SIGN_IN, "put": m.MANAGE_SIGN_IN, "patch": m.MANAGE_SIGN_IN, "delete": m.MANAGE_SIGN_IN,
    },
    "scim-tokens/": {"get": m.MANAGE_SIGN_IN, "post": m.MANAGE_SIGN_IN},
    "scim-tokens/<uuid:token_id>/": {"delete": m.MANAGE_SIGN_IN},
    "keys/": {"get": m.READ_KEYS},
    "keys/<uuid:key_id>/reseal/": {"post": m.MANAGE_KEYS},
    "keys/<uuid:key_id>/documents/": {"get": m.READ_KEYS},
    "keys/<uuid:key_id>/disable/": {"post": m.MANAGE_KEYS},
    "keys/<uuid:key_id>/enable/": {"post": m.MANAGE_KEYS},
    "keys/<uuid:key_id>/destroy/": {"post": m.MANAGE_KEYS},
    "keys/<uuid:key_id>/destroy/approve/": {"post": m.MANAGE_KEYS},
    "keys/<uuid:key_id>/destroy/cancel/": {"post": m.MANAGE_KEYS},
    "keys/<uuid:key_id>/certificate/": {"get": m.READ_KEYS},
    "keys/roll/": {"post": m.MANAGE_KEYS},
    "keys/withdraw/": {"post": m.MANAGE_KEYS},
    "keys/policy/": {"get": m.READ_KEYS, "patch": m.MANAGE_KEYS},
    "keys/<uuid:pk>/": {"get": m.READ_KEYS},
    "keys/import-key/": {"get": m.MANAGE_KEYS, "post": m.MANAGE_KEYS},
    "keys/import/": {"post": m.MANAGE_KEYS},
    "keys/place/": {"get": m.READ_KEYS, "put": m.MANAGE_KEYS},
    "keys/exports/": {"get": m.READ_KEYS, "post": m.MANAGE_KEYS},
    "keys/exports/waiting/": {"get": m.READ_KEYS, "put": m.MANAGE_KEYS},
    "keys/exports/<uuid:export_id>/": {"get": m.READ_KEYS},
    "keys/exports/<uuid:export_id>/approve/": {"post": m.MANAGE_KEYS},
    "keys/exports/<uuid:export_id>/end/": {"post": m.MANAGE_KEYS},
    "keys/exports/<uuid:export_id>/package/": {"get": m.MANAGE_KEYS},
    "keys/<uuid:pk>/hold/": {"post": m.MANAGE_KEYS},
    "keys/<uuid:pk>/restore/": {"post": m.MANAGE_KEYS},
    "keys/import-package/": {"post": m.MANAGE_KEYS},
    "keys/incidents/": {"get": m.READ_KEYS, "post": m.MANAGE_KEYS},
    "keys/incidents/<uuid:incident_id>/": {"get": m.READ_KEYS},
    "keys/incidents/<uuid:incident_id>/steps/<slug:step>/": {"post": m.MANAGE_KEYS},
    "keys/incidents/<uuid:incident_id>/close/": {"post": m.MANAGE_KEYS},
    "keys/incidents/<uuid:incident_id>/report/": {"get": m.READ_KEYS},
    "documents/": {"get": MEMBER},
    "documents/<uuid:content_id>/": {"get": m.TRACK_ALL},
    "documents/<uuid:content_id>/openings/": {"get": m.TRACK_ALL},
    "documents/<uuid:content_id>/revoke/": {"post": m.REVOKE_ALL},
    "documents/<uuid:content_id>/restore/": {"post": m.REVOKE_ALL},
    "documents/<uuid:content_id>/access/": {"get": m.TRACK_ALL, "post": m.ADMINISTER},
    "documents/<uuid:content_id>/access/<uuid:change_id>/undo/": {"post": m.ADMINISTER},
    "documents/<uuid:content_id>/what-if/": {"get": m.TRACK_ALL},
    "documents/<uuid:content_id>/seal/": {"post": TOKEN},
    "logs/usage/": {"get": m.READ_LOGS},
    "logs/usage/<str:day>/": {"get": m.READ_LOGS},
    "logs/usage/<str:day>/proof/": {"get": m.READ_LOGS},
    "logs/admin/": {"get": m.READ_LOGS},
}  # fmt: skip

# Pages that find nothing (404) when nothing is sent; `$` is somebody of the organization.
FORMS: Final[dict[str, dict[str, str]]] = {
    "profile/sessions/": {"session": "others"},
    "people/bulk/": {"action": "suspend"},
    "people/<uuid:person_id>/addresses/": {"do": "add"},
    "groups/<uuid:group_id>/members/": {"do": "add", "person": "$"},
}

# No roles decide here.
ELSEWHERE: Final = {
    "healthz": "tells everybody that the process answers",
    "readyz": "tells everybody whether it can work",
    "design/": "samples for those who build pages; in production for operators",
    "operator/": "operators of the installation: tests/administration/test_operator_pages.py",
    "accounts/": "signing in: tests/portal/test_sign_in.py, test_factors.py, tests/sign_on",
    "identity/": "tokens for devices: tests/administration/test_tokens.py",
    ".well-known/": "what the token provider says of itself",
    "t/<uuid:tenant_id>/": "directories, by their own secrets: tests/scim; and the address inside a license",
    "^my/": "devices: everybody with a token, rights decide: tests/licensing",
}
_API: Final = "api/v1/"
ROLES: Final = tuple(RoleAssignment.Role.values)
PERSONAS: Final = (*ROLES, "member", "of no organization", "guest", "service", "nobody")


def routes() -> Iterator[tuple[str, Any]]:
    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, Any]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            elif not route.startswith(tuple(ELSEWHERE)):
                yield route, pattern.callback

    yield from walk(get_resolver().url_patterns, "")


def test_every_route_has_its_line() -> None:
    pages, api = set(), {}
    for route, view in routes():
        if route.startswith(_API):
            served = {"get", "post", "put", "patch", "delete"} & set(view.cls.http_method_names)
            api[route.removeprefix(_API)] = {method for method in served if hasattr(view.cls, method)}
        else:
            pages.add(route)
    assert pages == set(PAGES)
    assert api == {route: set(methods) for route, methods in API.items()}


def is_allowed(persona: str, who: str) -> bool:
    if who == PUBLIC or persona == "nobody":
        return who == PUBLIC
    if persona == "service":
        return who == TOKEN
    if persona == "guest":
        return who == GUEST
    if who in (TOKEN, GUEST, PERSON):
        return True
    return persona in (*ROLES, "member") if who == MEMBER else who in m.allowed_to(persona)


class Cast:
    """One of each, in an organization that has one of everything."""

    def __init__(self, world: World, bob: Device) -> None:
        self.world = world
        bob.protect_for(("carol@contoso.example", ["VIEW"]), FileName="plan.pdf")
        IdentityProvider.objects.create(
            tenant=world.contoso, kind="oidc", name="Login",
            settings={"issuer": "https://login.example", "client_id": "c"},
        )  # fmt: skip
        # Before there are more roles: the samples name the only one.
        made = samples(world, Document.objects.get())
        self._values = {name: make("") for name, make in made.items()} | {"token": "x", "program": "other"}

    def path(self, route: str) -> str:
        return "/" + re.sub(r"<\w+:(\w+)>", lambda name: str(self._values[name[1]]), route)

    def form(self, route: str, method: str) -> dict[str, str]:
        sent = FORMS.get(route, {}) if method == "post" else {}
        return {name: value.replace("$", str(self._values["person_id"])) for name, value in sent.items()}

    def person(self, persona: str) -> User | None:
        if persona in ("nobody", "service"):
            return None
        if persona == "of no organization":
            return self.world.person("erin")
        name = persona.replace("_", "-")
        home = None if persona == "guest" else self.world.contoso
        person = User.objects.create_user(
            f"{name}@{'individual' if home is None else 'contoso'}.example",
            tenant=home,
            is_guest=home is None,
        )
        EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
        if persona in ROLES:
            RoleAssignment.objects.create(tenant=self.world.contoso, user=person, role=persona)
        return person

    def token(self, persona: str) -> str:
        if persona != "service":
            person = self.person(persona)
            return make_token(person) if person else ""
        create_service(self.world.contoso, "Indexer", {"licensing", "protect-for-others"}, actor="operator")
        client = ServicePrincipal.objects.for_tenant(self.world.contoso).get(name="Indexer").client
        token = Token(
            type=Token.Type.ACCESS_TOKEN, client=client, expires_at=timezone.now() + timedelta(hours=1)
        )
        token.set_value("of-the-service")
        token.set_scopes(client.get_scopes())
        token.save()
        return "of-the-service"


@pytest.fixture
def cast(world: World, device: Any) -> Cast:
    return Cast(world, device("bob"))


def test_pages(cast: Cast) -> None:
    wrong = []
    for persona in PERSONAS:
        if persona != "service":
            wrong += wrong_pages(cast, persona)
    assert wrong == []


def wrong_pages(cast: Cast, persona: str) -> Iterator[str]:
    client = Client(raise_request_exception=False)
    person = cast.person(persona)
    if person is not None:
        client.force_login(person, backend=BACKEND)
        session = client.session
        # Long ago, so that dangerous pages go no further than to ask for a proof; roles are looked at before.
        session[PROVEN_AT], session[GUEST_UNTIL] = 0, 2**40
        session.save()
    for route, line in PAGES.items():
        for method, who in zip(("get", "post"), line, strict=True):
            with transaction.atomic():
                answer = getattr(client, method)(cast.path(route), cast.form(route, method))
                transaction.set_rollback(True)
            if who is None:
                if answer.status_code not in (302, 403, 405):
                    yield f"{method} {route}: {answer.status_code}, and has no line"
            elif is_let_in(answer, route, person) != is_allowed(persona, who):
                target = answer.headers.get("Location", "")
                yield f"{method} {route} answers {persona} with {answer.status_code} {target}"


def is_let_in(answer: Any, route: str, person: User | None) -> bool:
    """Refusals: forbidden, not found, and away to signing in, or home for those whom the page is not for."""
    if answer.status_code == 302:
        away = answer.headers["Location"]
        # Guests read first and join organizations later.
        outside = person is not None and person.tenant_id is None and "<str:token>" not in route
        return not (
            away.startswith("/accounts/login/") or (away == "/" and outside and route != "preferences/")
        )
    if answer.status_code == 404:  # nobody invited, no day over, no import key made
        return any(part in route for part in ("<str:token>", "proof", "import.pem", "certificate"))
    return answer.status_code not in (401, 403, 405) and answer.status_code < 500


def test_api(cast: Cast) -> None:
    wrong = []
    for persona in PERSONAS:
        if persona != "guest":
            wrong += wrong_calls(cast, persona)
    assert wrong == []


def wrong_calls(cast: Cast, persona: str) -> Iterator[str]:
    token = cast.token(persona)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client = Client(raise_request_exception=False)
    for route, line in API.items():
        for method, who in line.items():
            sent = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
            with transaction.atomic():
                answer = getattr(client, method)(cast.path(f"{_API}{route}"), headers=headers, **sent)
                transaction.set_rollback(True)
            # Nobody has a program called "other", no day is over yet, no archive and no import key was made; but looking is
            # allowed.
            is_there = not any(
                part in route for part in ("program", "proof", "export/file", "import-key", "certificate")
            )
            refused = answer.status_code in (401, 403) or (answer.status_code == 404 and is_there)
            if refused == is_allowed(persona, who) or answer.status_code >= 500:
                yield f"{method} {route} answers {persona} with {answer.status_code}"
