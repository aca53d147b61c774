"""Two organizations and a person of none, as in the demo: contoso (alice admin, bob, carol), fabrikam (mallory admin, dave), erin."""

import base64
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from allauth.idp.oidc.models import Token
from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling

from administration.demo import seed_demo
from administration.devices import SCOPES, command_line_client
from keys import custody
from policies.publishing import forget_versions
from tenants.freshness import forget_facts
from tenants.models import Tenant, User

PASSWORD = "correct horse battery"

# The same examples in every run, so that a run fails for what was changed and never by luck or on a busy machine. New
# examples each time: `script/test --hypothesis-profile=random tests/…`
for _name, _same in (("suite", True), ("random", False)):
    hypothesis_settings.register_profile(
        _name, derandomize=_same, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
    )
hypothesis_settings.load_profile("suite")


# Real servers: never two of these at the same time.
SERVERS = ("tests/e2e/test_quick_start.py", "tests/operations/")


class OneProcessForServers(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types for it
    """Each test goes to whichever process is free, those that start servers all to the same one, and first.

    By their places: the mark `xdist_group` is lost between xdist 3.8 and pytest 9.2, without a word."""

    def _split_scope(self, nodeid: str) -> str:
        return "servers" if nodeid.startswith(SERVERS) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneProcessForServers:
    return OneProcessForServers(config, log)


USE_A_DATABASE = {"db", "transactional_db", "live_server", "surroundings"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the mark `database` to the tests that use one, or start servers that do."""
    for item in items:
        if item.get_closest_marker("django_db") or USE_A_DATABASE & set(getattr(item, "fixturenames", ())):
            item.add_marker("database")


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """Each test starts without cached facts: the database was rolled back under them."""
    forget_facts()
    forget_versions()
    yield
    forget_facts()
    forget_versions()


@pytest.fixture(scope="session", autouse=True)
def _emptied_by_rows() -> Iterator[None]:
    """After a test that commits, the tables are emptied: that of the cache too, which belongs to no model, but not those
    that Django would fill again with the same. By DELETE, since TRUNCATE has PostgreSQL make new files for all tables
    and indexes, which takes seconds."""

    def sql_flush(
        operations: BaseDatabaseOperations, style: Any, tables: Iterable[str], **options: Any
    ) -> list[str]:
        emptied = {*tables, "cache"} - {"django_content_type", "auth_permission"}
        names = [operations.quote_name(name) for name in sorted(emptied)]
        # Waits for whoever still writes, as TRUNCATE does.
        lock = [f"LOCK TABLE {', '.join(names)} IN SHARE ROW EXCLUSIVE MODE"]
        return [
            *(lock if connection.vendor == "postgresql" else []),
            *(f"DELETE FROM {name}" for name in names),
        ]

    patch = pytest.MonkeyPatch()
    patch.setattr(type(connection.ops), "sql_flush", sql_flush)
    yield
    patch.undo()


@dataclass(frozen=True)
class World:
    """The seeded installation."""

    contoso: Tenant
    fabrikam: Tenant

    def person(self, name: str) -> User:
        return User.objects.select_related("tenant").get(email__startswith=f"{name}@")


@pytest.fixture
def world(db: None, settings: Any) -> World:
    settings.PASSWORD_HASHERS = ["tenants.hashers.RandomSecretHasher"]
    seed_demo(PASSWORD)
    return World(Tenant.objects.get(slug="contoso"), Tenant.objects.get(slug="fabrikam"))


@pytest.fixture(scope="session", autouse=True)
def _keys_made_once() -> Iterator[None]:
    """RSA keys are slow to make and always different: the tests draw from a small stock made once."""
    made: list[tuple[int, bytes]] = []
    from keys.backends import software

    real = software.generate
    used: list[int] = []

    def generate(bits: int) -> tuple[int, bytes]:
        if bits != 2048:
            return real(bits)
        if len(used) >= len(made):
            made.append(real(bits))
        used.append(1)
        return made[len(used) - 1]

    patch = pytest.MonkeyPatch()
    patch.setattr(software, "generate", generate)
    _stock.append(used)
    yield
    patch.undo()


_stock: list[list[int]] = []


@pytest.fixture(autouse=True)
def _stock_is_full() -> None:
    """The database was rolled back, so the same keys may be handed out again."""
    for used in _stock:
        used.clear()
    custody.forget_loaded()


class Device:
    """What an RMS client does: sends JSON with a bearer token and reads JSON."""

    def __init__(self, client: Client, person: User | None) -> None:
        self.client, self.person = client, person
        self.token = make_token(person) if person else ""

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=self._headers(headers))

    def post(self, path: str, body: Any, **headers: str) -> Any:
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.client.post(path, data, content_type="application/json", headers=self._headers(headers))

    def publish(self, body: dict[str, Any]) -> dict[str, Any]:
        response = self.post("/my/v2/publishinglicenses", body)
        assert response.status_code == 200, response.content
        answer: dict[str, Any] = response.json()
        return answer

    def open(self, license: str) -> dict[str, Any]:
        response = self.post("/my/v2/enduserlicenses", {"SerializedPublishingLicense": license})
        assert response.status_code == 200, response.content
        answer: dict[str, Any] = response.json()
        return answer

    def protect_for(self, *grants: tuple[str, list[str]], **more: Any) -> dict[str, Any]:
        """An ad-hoc license; `more` are members of Policy when they belong there, else of the request."""
        policy = {
            "UserRights": [{"Users": [who], "Rights": rights} for who, rights in grants],
            "allowOfflineAccess": True,
            "IntervalTimeInDays": -1,
        }
        request: dict[str, Any] = {"PreferDeprecatedAlgorithms": False, "AllowAuditedExtraction": False}
        for name, value in more.items():
            (policy if name in POLICY_MEMBERS else request)[name] = value
        return self.publish({**request, "Policy": policy})

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {**named, "Authorization": f"Bearer {self.token}"} if self.token else named


POLICY_MEMBERS = {
    "Descriptors",
    "UserRoles",
    "allowOfflineAccess",
    "IntervalTimeInDays",
    "LicenseValidUntil",
    "EncryptedApplicationData",
}


def make_token(person: User, *, minutes: int = 60, scopes: tuple[str, ...] = SCOPES) -> str:
    value = uuid.uuid4().hex
    token = Token(type=Token.Type.ACCESS_TOKEN, user=person, client=command_line_client())
    token.expires_at = timezone.now() + timedelta(minutes=minutes)
    token.set_value(value)
    token.set_scopes(list(scopes))
    token.save()
    return value


@pytest.fixture
def device(world: World) -> Callable[[str], Device]:
    """`device("bob")`: a device on which that person is signed in; `device("")`: on which nobody is."""
    return lambda name: Device(Client(raise_request_exception=False), world.person(name) if name else None)


def license_bytes(answer: dict[str, Any]) -> bytes:
    return base64.b64decode(answer["SerializedPublishingLicense"])
