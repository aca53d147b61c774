"""Who may use what: each persona at each route, held against one table in the powers of `tenants.membership`.

The routes come from the URLconf and the methods from its views: a route, or a method of the API, that has no line here
fails. Other organizations' objects: `test_matrix.py`.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tenants import membership as m
from tests.conftest import World
from tests.isolation.asking import API_ROOT, wrong_calls, wrong_pages
from tests.isolation.cast import GUEST, MEMBER, PERSON, PERSONAS, PUBLIC, TOKEN, Cast

pytestmark = pytest.mark.django_db

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
    "documents/<uuid:content_id>/reseal/": {"post": TOKEN},
    "documents/<uuid:content_id>/seal/": {"post": TOKEN},
    "logs/usage/": {"get": m.READ_LOGS},
    "logs/usage/<str:day>/": {"get": m.READ_LOGS},
    "logs/usage/<str:day>/proof/": {"get": m.READ_LOGS},
    "logs/admin/": {"get": m.READ_LOGS},
}  # fmt: skip

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
        if route.startswith(API_ROOT):
            served = {"get", "post", "put", "patch", "delete"} & set(view.cls.http_method_names)
            api[route.removeprefix(API_ROOT)] = {method for method in served if hasattr(view.cls, method)}
        else:
            pages.add(route)
    assert pages == set(PAGES)
    assert api == {route: set(methods) for route, methods in API.items()}


@pytest.fixture
def cast(world: World, device: Any) -> Cast:
    return Cast(world, device("bob"))


def test_pages(cast: Cast) -> None:
    wrong = []
    for persona in PERSONAS:
        if persona != "service":
            wrong += wrong_pages(cast, persona, PAGES)
    assert wrong == []


def test_api(cast: Cast) -> None:
    wrong = []
    for persona in PERSONAS:
        if persona != "guest":
            wrong += wrong_calls(cast, persona, API)
    assert wrong == []
