"""Who can open, gains or loses, counted and listed at once: always the people of whom the question "what if" says so."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.db.models import QuerySet
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from licensing.what_if import ask
from policies.evaluation import Grant, Policy
from policies.reach import Case, Counts, count_changes, count_openers, difference, listed, openers
from tenants.freshness import forget_facts
from tenants.models import Group, GroupMember, GroupNesting, SuperUserAppointment, Tenant, User
from tests.conftest import World

pytestmark = pytest.mark.django_db
MEMBERS = [f"{name}@contoso.example" for name in ("alice", "bob", "carol", "nina", "omar")]
MANY = Counts(1_000_000, 1_000_000, 1_000_000)
PRINCIPALS = (
    "group:Sales", "group:EMEA", "group:Board", "@contoso.example", "@alias.example", "@fabrikam.example", "members",
    "anyone", "nina@contoso.example", "bob@contoso.example", "carol@alias.example", "dave@fabrikam.example",
)  # fmt: skip
ADDRESSES = [each for each in PRINCIPALS if "@" in each[1:]]
granted = st.lists(st.sampled_from(PRINCIPALS), max_size=3, unique=True)
decided = st.dictionaries(st.sampled_from(ADDRESSES), st.booleans(), max_size=2)
policies = st.builds(
    lambda principals, later: (principals, later), granted, st.one_of(st.just({}), decided)
)  # what is granted, and whether what was decided later lets in
Drawn = tuple[list[str], dict[str, bool]]


@pytest.fixture
def contoso(world: World) -> Tenant:
    """Groups in groups, an alias, somebody suspended, a group with power, a stranger in a group."""
    tenant = world.contoso
    people = {name: world.person(name) for name in ("alice", "bob", "carol", "dave")}
    for name in ("nina", "omar"):
        people[name] = User.objects.create(email=f"{name}@contoso.example", tenant=tenant)
        EmailAddress.objects.create(user=people[name], email=people[name].email, verified=True, primary=True)
    EmailAddress.objects.create(user=people["carol"], email="carol@alias.example", verified=True)
    User.objects.filter(id=people["omar"].id).update(is_active=False)
    groups = {"Sales": Group.objects.get(tenant=tenant, name="Sales")}
    groups |= {name: Group.objects.create(tenant=tenant, name=name) for name in ("EMEA", "Board")}
    GroupNesting.objects.create(parent=groups["EMEA"], child=groups["Sales"])
    for group, name in (
        ("EMEA", "nina"),
        ("EMEA", "omar"),
        ("Board", "alice"),
        ("Board", "nina"),
        ("Board", "dave"),
    ):
        GroupMember.objects.create(group=groups[group], user=people[name])
    SuperUserAppointment.objects.create(
        tenant=tenant,
        group=groups["Board"],
        reason="audit",
        appointed_by="x",
        since=timezone.now() - timedelta(days=1),
    )
    return tenant


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=policies, after=policies, powerful=st.booleans())
def test_as_the_question_says(contoso: Tenant, before: Drawn, after: Drawn, powerful: bool) -> None:
    contoso.super_users_enabled = powerful
    Tenant.objects.filter(id=contoso.id).update(super_users_enabled=powerful)
    forget_facts()
    old, new = case(contoso, before), case(contoso, after)
    was, able = able_by(old), able_by(new)
    assert count_openers(new) == Counts(len(able), len(able))
    assert count_changes(old, new) == Counts(len(able), len(able - was), len(was - able))
    for counts in (Counts(0), MANY):  # however they are looked for
        assert emails(openers(new, count=counts.able)) == able
        assert [emails(people) for people in difference(old, new, counts)] == [able - was, was - able]
        shown = {
            which: emails(listed(new, counts, before=old, which=which)) for which in ("", "gaining", "losing")
        }
        assert shown == {"": able, "gaining": able - was, "losing": was - able}


def case(tenant: Tenant, drawn: Drawn) -> Case:
    principals, later = drawn
    groups = {f"group:{group.name}": f"group:{group.id}" for group in Group.objects.for_tenant(tenant)}
    grants = tuple(Grant(groups.get(each, each), ("VIEW",)) for each in principals)
    after = tuple(Grant(each, ("VIEW",) if lets_in else ()) for each, lets_in in later.items())
    return Case(tenant, Policy(grants, None, None, decided=after), timezone.now())


def able_by(case: Case) -> set[str]:
    return {email for email in MEMBERS if ask(case, email, names_groups=False).outcome == "granted"}


def emails(people: QuerySet[User]) -> set[str]:
    found = [person.email for person in people]
    assert len(found) == len(set(found))
    return set(found)
