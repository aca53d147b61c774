"""What counts only because an organization holds a domain ends with it, and follows whoever holds the domain now."""

import pytest
from allauth.account.models import EmailAddress

from administration.demo import make_person
from audit.models import AdminEvent
from tenants import domains, people
from tenants.changes import Actor
from tenants.directory import Stated, add_person
from tenants.freshness import forget_facts
from tenants.identity import Caller, standing_of
from tenants.models import StatedAddress, Tenant, User, VerifiedDomain
from tests.conftest import World
from tests.tenants.dns_server import Zone
from tests.tenants.test_domains import DOMAIN, claim, proven, publish

pytestmark = pytest.mark.django_db


def counting(person: User) -> set[str]:
    forget_facts()
    person.refresh_from_db()
    assert person.tenant_id is not None
    return set(standing_of(Caller.of(person), person.tenant_id).addresses)


def from_directory(tenant: Tenant, address: str) -> User:
    return add_person(tenant, Stated(address), actor=Actor("directory", by_directory=True)).user


def test_what_was_vouched_for_ends_with_the_domain_and_comes_back_with_it(world: World, zone: Zone) -> None:
    held = proven(world, zone)
    bob, synced = world.person("bob"), from_directory(world.contoso, f"syn@{DOMAIN}")
    people.add_address(bob, f"bob@{DOMAIN}", actor=Actor("alice"))
    carol = world.person("carol")
    EmailAddress.objects.create(user=carol, email=f"carol@{DOMAIN}", verified=True)
    assert synced.email == f"syn@{DOMAIN}"
    domains.release(held, actor=world.person("alice"))
    assert counting(bob) == {"bob@contoso.example"}
    assert counting(synced) == set() and synced.email.endswith(".directory.invalid")
    assert f"carol@{DOMAIN}" in counting(carol), "proven by a code"
    log = AdminEvent.objects.for_tenant(world.contoso.id).get(action="RemoveDomain")
    assert log.after == {"people_concerned": 2}
    zone.texts.clear()
    proven(world, zone)
    assert f"bob@{DOMAIN}" in counting(bob) and counting(synced) == {f"syn@{DOMAIN}"}
    assert synced.email == f"syn@{DOMAIN}" and not StatedAddress.objects.exists()


def test_a_domain_that_moved_brings_its_addresses_along(world: World, zone: Zone) -> None:
    proven(world, zone)
    old = make_person(f"ann@{DOMAIN}", "Ann", "a long password", world.contoso)
    bob = world.person("bob")
    EmailAddress.objects.create(user=bob, email=f"bob@{DOMAIN}", verified=True)
    zone.texts.clear()
    taking = claim(world, world.fabrikam, "mallory")
    publish(zone, taking)
    assert domains.check(taking, actor=world.person("mallory")) == domains.PROVEN
    assert counting(bob) == {"bob@contoso.example"} and counting(old) == set()
    new = from_directory(world.fabrikam, f"ann@{DOMAIN}")
    assert new.email == f"ann@{DOMAIN}" and counting(new) == {f"ann@{DOMAIN}"}
    assert not old.emailaddress_set.exists() and old.email != new.email


def test_stated_addresses_wait_for_the_domain(world: World, zone: Zone) -> None:
    bob, carol = world.person("bob"), world.person("carol")
    for person, address in ((bob, f"info@{DOMAIN}"), (carol, f"carol@{DOMAIN}")):
        assert people.add_address(person, address, actor=Actor("alice"))
        assert address not in counting(person) and not EmailAddress.objects.filter(email=address).exists()
    proven(world, zone)
    assert f"info@{DOMAIN}" in counting(bob) and f"carol@{DOMAIN}" in counting(carol)
    people.remove_address(bob, f"info@{DOMAIN}", actor=Actor("alice"))
    assert VerifiedDomain.objects.filter(domain=DOMAIN).exists() and counting(bob) == {"bob@contoso.example"}
