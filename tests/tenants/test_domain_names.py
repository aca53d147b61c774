"""One domain has one form, however it is written, everywhere domains and addresses are compared."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress

from tenants import domains, people
from tenants.changes import Actor
from tenants.domain_names import canonical_address, canonical_domain
from tenants.holders import find_person
from tenants.identity import tenant_of_domain
from tenants.models import User, VerifiedDomain
from tenants.sso import provider_for_address
from tests.conftest import World

pytestmark = pytest.mark.django_db
ASCII = "xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Bücher.Example.", ASCII),
        ("BÜCHER.example", ASCII),
        ("XN--BCHER-KVA.example..", ASCII),
        ("bücher。example", ASCII),
        ("straße.example", "xn--strae-oqa.example"),  # not strasse.example: that is somebody else's
        ("", ""),
        ("no domain", "no domain"),
        ("xn--\u00fc.example", "xn--\u00fc.example"),  # no such name can exist
    ],
)
def test_one_form(text: str, form: str) -> None:
    assert canonical_domain(text) == form
    assert canonical_domain(form) == form


def test_addresses() -> None:
    assert canonical_address(" Anna@Bücher.Example. ") == f"anna@{ASCII}"
    assert canonical_address("Nobody") == "nobody"


def test_wherever_they_are_compared(world: World, device: Any) -> None:
    alice = Actor.of(world.person("alice"))
    VerifiedDomain.objects.create(tenant=world.contoso, domain=ASCII)
    with pytest.raises(domains.DomainError, match="already in your list"):
        domains.claim(world.contoso, "BÜCHER.example.", actor=world.person("alice"))
    for written in ("bücher.example", f"{ASCII}.", "Bücher.Example"):
        assert tenant_of_domain(written) == world.contoso
    carol = world.person("carol")
    assert people.add_address(carol, "Carol@Bücher.example", actor=alice)
    assert not people.add_address(carol, f"carol@{ASCII.upper()}.", actor=alice)
    assert find_person(world.contoso, "carol@bücher.example") == carol
    assert provider_for_address("carol@bücher.example") is None
    for grant in ("@BÜCHER.example.", f"@{ASCII}", "carol@bücher.example", f"carol@{ASCII}."):
        answer = device("bob").protect_for((grant, ["VIEW"]))
        assert device("carol").open(answer["SerializedPublishingLicense"])["AccessStatus"] == "AccessGranted"
    # However an address got into the table, it is compared as DNS knows it.
    EmailAddress.objects.create(user=world.person("dave"), email="dave@bücher.example", verified=True)
    answer = device("bob").protect_for((f"dave@{ASCII}", ["VIEW"]))
    assert device("dave").open(answer["SerializedPublishingLicense"])["AccessStatus"] == "AccessGranted"
    assert User.objects.create_user("Eve@Bücher.example").email == f"eve@{ASCII}"
