"""What jobs that may be killed begin with, and what is so afterwards."""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from audit.models import AdminEvent
from keys.custody import forget_loaded
from keys.models import KeyVersion
from keys.rollover import create_first_key, finish_due_rolls, start_roll
from tenants.freshness import forget_facts
from tenants.models import RoleAssignment, Tenant, User
from tests.keys.aging import let_announcements_pass
from tests.keys.protecting import opening
from tests.keys.tokens import held_in_token


def organization() -> Tenant:
    """A new one with a key, an administrator, and another one who may approve."""
    tenant = Tenant.objects.create(slug=uuid.uuid4().hex, name="Contoso", state="active")
    for name, role in (("alice", "global_admin"), ("bob", "key_admin")):
        person = User.objects.create_user(f"{name}@{tenant.slug}.example", tenant=tenant)
        since = timezone.now() - timedelta(days=2)
        RoleAssignment.objects.create(tenant=tenant, user=person, role=role, since=since)
    create_first_key(tenant)
    return tenant


def person(tenant: Tenant, name: str = "alice") -> User:
    return User.objects.select_related("tenant").get(email=f"{name}@{tenant.slug}.example")


def roll(tenant: Tenant) -> KeyVersion:
    """A new active key; returns the one it replaced."""
    old = KeyVersion.objects.for_tenant(tenant).get(state="active")
    start_roll(tenant, actor=person(tenant))
    let_announcements_pass()
    assert finish_due_rolls() == 1
    old.refresh_from_db()
    return old


def again(facts: Any) -> Tenant:
    """The organization, for a server that has just been started. It has one active key."""
    forget_facts()
    forget_loaded()
    tenant = Tenant.objects.get(id=facts["tenant"])
    assert KeyVersion.objects.for_tenant(tenant).filter(state="active").count() == 1
    return tenant


def check_open(tenant: Tenant, documents: list[list[str]]) -> None:
    """All of these open, with the right content key."""
    for license, content_key in documents:
        assert opening(person(tenant, "bob"), license) == content_key


def check_shut(tenant: Tenant, documents: list[list[str]], *why: str) -> None:
    """None of these opens, for one of these reasons."""
    for license, _ in documents:
        assert opening(person(tenant, "bob"), license) in why


def check_story(tenant: Tenant, *expected: str) -> None:
    """The admin log tells this last, in this order, and of nothing twice."""
    told = AdminEvent.objects.for_tenant(tenant.id).order_by("id").values_list("action", flat=True)
    assert list(told)[-len(expected) :] == list(expected), list(told)
    assert told.filter(action__in=expected).count() == len(expected)


def check_token(*ids: uuid.UUID) -> None:
    """The token, where there is one, holds these keys and no other private key."""
    if settings.PKCS11_MODULE:
        assert sorted(held_in_token()) == sorted(each.bytes for each in ids)
