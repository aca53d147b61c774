"""Browsers without a screen: Django's test client, signed in as somebody of the demo."""

import datetime as dt
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import UsageEvent
from keys.models import KeyVersion
from tenants import throttle
from tests.conftest import World
from tracking.models import Document
from tracking.registry import OPENING

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
Browse = Callable[..., Client]
MakeDocument = Callable[..., Document]


@pytest.fixture
def browse(world: World) -> Browse:
    """`browse("bob")`: bob signed in; `browse("")`: nobody."""

    def sign_in(name: str, **options: Any) -> Client:
        client = Client(raise_request_exception=False, **options)
        if name:
            client.force_login(world.person(name), backend=BACKEND)
        return client

    return sign_in


@pytest.fixture
def make_document(world: World) -> MakeDocument:
    """A registered document of Contoso, protected by bob a minute ago unless told otherwise."""

    def make(**given: Any) -> Document:
        bob = world.person("bob")
        facts: dict[str, Any] = {
            "tenant": world.contoso,
            "content_id": uuid.uuid4(),
            "key": KeyVersion.objects.for_tenant(world.contoso).get(state="active"),
            "issuer": bob,
            "issuer_address": bob.email,
            "owner_address": bob.email,
            "file_name": "plan.pdf",
            "name": "For 1 person",
            "published_at": timezone.now() - dt.timedelta(minutes=1),
        }
        return Document.objects.create(**{**facts, **given})

    return make


class Clock:
    """Stands still until told otherwise; what is counted by it counts the same however long a test takes."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, world: World) -> Clock:
    """The clock by which tries are counted."""
    made = Clock()
    monkeypatch.setattr(throttle, "time", SimpleNamespace(time=made.time))
    return made


def log_opening(document: Document, who: str, *, result: str = "Success") -> UsageEvent:
    """A row of the usage log, as an attempt to open leaves it."""
    return UsageEvent.objects.create(
        tenant_id=document.tenant_id,
        request_type=OPENING,
        user_id=who,
        result=result,
        content_id=document.content_id,
        file_name=document.file_name,
        issuer=document.issuer_address,
        c_ip="203.0.113.9",
        c_info="AppName=rightskeep;AppVersion=0.1.0;DevicePlatform=Linux",
    )
