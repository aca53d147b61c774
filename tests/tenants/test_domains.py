"""Mail domains: claimed, proven by a live look at the DNS, kept, lost, taken over."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from administration.demo import make_person
from audit.models import AdminEvent
from tenants import domains
from tenants.domain_names import DomainNameError, clean_domain
from tenants.domain_records import look_up as look_up_really
from tenants.domain_records import record_name, record_value
from tenants.identity import Caller, standing_of
from tenants.models import DomainClaim, OutgoingMail, Tenant, User, VerifiedDomain
from tests.conftest import World
from tests.tenants.dns_server import Zone

pytestmark = pytest.mark.django_db
DOMAIN = "big.example"


def publish(zone: Zone, claim: DomainClaim, *, at_the_top: bool = False) -> None:
    name = claim.domain if at_the_top else record_name(claim.domain)
    zone.texts.setdefault(name, []).append(record_value(claim.token))


def actions(tenant: Tenant) -> list[str]:
    return list(AdminEvent.objects.for_tenant(tenant.id).order_by("id").values_list("action", flat=True))


def claim(world: World, tenant: Tenant, who: str, domain: str = DOMAIN) -> DomainClaim:
    return domains.claim(tenant, domain, actor=world.person(who))


def proven(world: World, zone: Zone) -> VerifiedDomain:
    made = claim(world, world.contoso, "alice")
    publish(zone, made)
    assert domains.check(made, actor=world.person("alice")) == domains.PROVEN
    return VerifiedDomain.objects.get(domain=DOMAIN)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        (" Big.Example. ", "big.example"),
        ("alice@Big.example", "big.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("a-1.b.example", "a-1.b.example"),
    ],
)
def test_names_as_people_type_them(text: str, domain: str) -> None:
    assert clean_domain(text) == domain


@pytest.mark.parametrize(
    "text",
    ["", "example", ".", "a..example", "-a.example", "a_b.example", "a b.example", "192.0.2.1", "https://a.example",
     "x" * 64 + ".example", ".".join(["abcdefgh"] * 30) + ".example", "a.example\n.b", "*.example"],
)  # fmt: skip
def test_what_is_no_domain(text: str) -> None:
    with pytest.raises(DomainNameError) as caught:
        clean_domain(text)
    assert caught.value.code == "bad_domain"


@pytest.mark.parametrize("text", ["gmail.com", "me@GMX.de", "Outlook.com."])
def test_free_mail_belongs_to_nobody(world: World, text: str) -> None:
    with pytest.raises(domains.DomainError, match="Anybody can get a mailbox") as caught:
        claim(world, world.contoso, "alice", text)
    assert caught.value.code == "free_mail"


@pytest.mark.parametrize("at_the_top", [False, True])
def test_proven_by_a_record_at_either_name(world: World, zone: Zone, at_the_top: bool) -> None:
    alice = world.person("alice")
    made = claim(world, world.contoso, "alice")
    assert domains.check(made, actor=alice) == domains.NOT_FOUND
    made.refresh_from_db()
    assert (made.result, made.checked_at is not None) == ("not_found", True)
    zone.texts[DOMAIN] = ["v=spf1 -all", record_value("somebody-else")]
    assert domains.check(made, actor=alice) == domains.OTHER_VALUE
    publish(zone, made, at_the_top=at_the_top)
    assert domains.check(made, actor=alice) == domains.PROVEN
    held = VerifiedDomain.objects.get(domain=DOMAIN)
    assert (held.tenant, held.token, held.id) == (world.contoso, made.token, made.id)
    assert not DomainClaim.objects.exists()
    assert actions(world.contoso)[-2:] == ["AddDomain", "ProveDomain"]
    with pytest.raises(domains.DomainError, match="already in your list"):
        claim(world, world.contoso, "alice")


def test_a_silent_server_proves_and_disproves_nothing(world: World, zone: Zone) -> None:
    made = claim(world, world.contoso, "alice")
    zone.failing = {record_name(DOMAIN)}
    assert domains.check(made, actor=world.person("alice")) == domains.SERVER_FAILURE
    publish(zone, made, at_the_top=True)  # one name answers with what we look for: enough
    assert domains.check(made, actor=world.person("alice")) == domains.PROVEN


def test_a_long_list_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "MAX_CLAIMS", 1)
    claim(world, world.contoso, "alice", "one.example")
    with pytest.raises(domains.DomainError) as caught:
        claim(world, world.contoso, "alice", "two.example")
    assert caught.value.code == "too_many"


def test_another_gets_a_domain_only_when_the_holders_record_is_gone(world: World, zone: Zone) -> None:
    held = proven(world, zone)
    mallory = world.person("mallory")
    rival = claim(world, world.fabrikam, "mallory")
    assert domains.check(rival, actor=mallory) == domains.OTHER_VALUE, (
        "the holder's record proves nothing for others"
    )
    publish(zone, rival)
    assert domains.check(rival, actor=mallory) == domains.HELD
    assert VerifiedDomain.objects.get(domain=DOMAIN).tenant == world.contoso
    zone.texts = {}
    publish(zone, rival)
    zone.failing = {DOMAIN}  # where the holder's record may still be
    assert domains.check(rival, actor=mallory) == domains.SERVER_FAILURE
    zone.failing = set()
    assert domains.check(rival, actor=mallory) == domains.PROVEN
    assert VerifiedDomain.objects.get(domain=DOMAIN).tenant == world.fabrikam
    assert actions(world.contoso)[-1] == "LoseDomain"
    assert actions(world.fabrikam)[-1] == "ProveDomain"
    lost = AdminEvent.objects.for_tenant(world.contoso.id).latest("id")
    assert (lost.target_id, "fabrikam" in str(lost.after).lower()) == (str(held.id), False)
    told = OutgoingMail.objects.get(subject__contains="no longer belongs")
    assert told.to == "alice@contoso.example"
    assert "fabrikam" not in (told.text + told.subject).lower()


def test_what_the_installation_vouches_for_cannot_be_taken(world: World, zone: Zone) -> None:
    rival = claim(world, world.fabrikam, "mallory", "contoso.example")
    publish(zone, rival)
    assert domains.check(rival, actor=world.person("mallory")) == domains.VOUCHED
    assert VerifiedDomain.objects.get(domain="contoso.example").tenant == world.contoso


def later(held: VerifiedDomain, **time: float) -> None:
    """As if the last look, and the loss, were that much longer ago."""
    held.refresh_from_db()
    changes: dict[str, Any] = {"checked_at": held.checked_at - timedelta(**time)}
    if held.lost_since:
        changes["lost_since"] = held.lost_since - timedelta(**time)
    VerifiedDomain.objects.filter(id=held.id).update(**changes)


def mails() -> int:
    return OutgoingMail.objects.filter(subject__contains="missing").count()


def test_the_daily_look_warns_of_a_loss_and_tells_of_the_return(world: World, zone: Zone) -> None:
    held = proven(world, zone)
    assert domains.check_due() == 0, "looked at a moment ago; what has no token is never looked at"
    later(held, hours=25)
    zone.failing = {DOMAIN, record_name(DOMAIN)}
    assert domains.check_due() == 1
    held.refresh_from_db()
    assert held.lost_since is None, "no answer is not a loss"
    assert held.checked_at < timezone.now() - timedelta(hours=22), "and is asked for again soon"
    zone.failing, records = set(), zone.texts
    zone.texts = {}
    later(held, hours=2)
    assert domains.check_due() == 1
    held.refresh_from_db()
    assert held.lost_since is not None and mails() == 1
    assert actions(world.contoso)[-1] == "MissDomainRecord"
    for _ in range(8):  # days
        later(held, hours=24.1)
        assert domains.check_due() == 1
    assert mails() == 2, "once, and again after a week"
    zone.texts = records
    later(held, hours=24.1)
    domains.check_due()
    held.refresh_from_db()
    assert held.lost_since is None
    assert actions(world.contoso)[-1] == "FindDomainRecord"
    assert OutgoingMail.objects.filter(subject__contains="is back").count() == 1


def test_a_lost_domain_keeps_counting(world: World, zone: Zone) -> None:
    proven(world, zone)
    bob = world.person("bob")
    EmailAddress.objects.create(user=bob, email=f"bob@{DOMAIN}", verified=False)
    VerifiedDomain.objects.filter(domain=DOMAIN).update(lost_since=timezone.now())
    assert f"bob@{DOMAIN}" in standing_of(Caller.of(bob), world.contoso.id).addresses


def test_the_look_is_made_once_by_two_workers(
    world: World, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = proven(world, zone)
    later(held, hours=25)
    real = look_up_really
    inner: list[int] = []

    def look_up(domain: str) -> Any:
        if not inner:
            inner.append(0)
            inner[0] = domains.check_due()  # the other worker, at the worst moment
        return real(domain)

    monkeypatch.setattr(domains, "look_up", look_up)
    assert domains.check_due() == 1
    assert inner == [0]


def test_people_who_came_alone_become_members(world: World, zone: Zone) -> None:
    frank = make_person(f"frank@{DOMAIN}", "Frank", None, None)
    frank.is_guest = True
    frank.save()
    stranger = make_person("grace@elsewhere.example", "Grace", None, None)
    EmailAddress.objects.create(user=stranger, email=f"grace@{DOMAIN}", verified=False)  # said, not proven
    similar = make_person(f"heidi@not{DOMAIN}", "Heidi", None, None)
    operator = User.objects.create_superuser(f"ops@{DOMAIN}", None)
    EmailAddress.objects.create(user=operator, email=operator.email, verified=True)
    other = make_person("ivan@fabrikam.example", "Ivan", None, world.fabrikam)
    EmailAddress.objects.create(user=other, email=f"ivan@{DOMAIN}", verified=True)
    proven(world, zone)
    homes = {user.name or user.email: user.tenant for user in User.objects.select_related("tenant")}
    frank.refresh_from_db()
    assert (frank.tenant, frank.is_guest) == (world.contoso, False)
    assert homes["Grace"] is None and homes["Heidi"] is None and homes[operator.email] is None
    assert homes["Ivan"] == world.fabrikam
    assert similar.tenant is None
    assert AdminEvent.objects.for_tenant(world.contoso.id).get(action="AdoptPerson").target == frank.email


def test_giving_a_domain_up(world: World, zone: Zone) -> None:
    held = proven(world, zone)
    bob = world.person("bob")
    EmailAddress.objects.create(user=bob, email=f"bob@{DOMAIN}", verified=False)
    assert domains.addresses_in(world.contoso, DOMAIN) == 1
    domains.release(held, actor=world.person("alice"))
    domains.release(held, actor=world.person("alice"))
    assert actions(world.contoso).count("RemoveDomain") == 1
    assert f"bob@{DOMAIN}" not in standing_of(Caller.of(bob), world.contoso.id).addresses
    made = claim(world, world.contoso, "alice", "waiting.example")
    domains.withdraw(made, actor=world.person("alice"))
    assert not DomainClaim.objects.exists()


def test_a_look_at_a_proven_domain_by_hand(world: World, zone: Zone) -> None:
    held = proven(world, zone)
    assert domains.recheck(held) == domains.PROVEN
    zone.texts = {}
    assert domains.recheck(held) == domains.NOT_FOUND
    assert domains.recheck(VerifiedDomain.objects.get(domain="contoso.example")) == domains.VOUCHED
