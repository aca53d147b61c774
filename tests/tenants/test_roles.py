"""Giving and taking roles: idempotent, logged, told; and somebody always administers."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.models import AdminEvent
from tenants import membership
from tenants.changes import Actor, ChangeRefusedError
from tenants.groups import carries_power
from tenants.models import Group, GroupMember, OutgoingMail, RoleAssignment, SuperUserAppointment, User
from tenants.roles import give_role, holders_of, is_last_global_admin, take_role
from tests.conftest import World

pytestmark = pytest.mark.django_db
Role = RoleAssignment.Role


def test_a_role_is_given_once_logged_and_told(world: World) -> None:
    actor = Actor.of(world.person("alice"))
    first = give_role(world.contoso, Role.AUDITOR, actor=actor, user=world.person("bob"))
    assert give_role(world.contoso, Role.AUDITOR, actor=actor, user=world.person("bob")) == first
    event = AdminEvent.objects.get(action="AddRole")
    assert (event.actor, event.target, event.after) == (
        "alice@contoso.example", "bob@contoso.example", {"role": "auditor"},
    )  # fmt: skip
    mail = OutgoingMail.objects.get()
    assert mail.to == "alice@contoso.example" and "bob@contoso.example" in mail.text
    take_role(first, actor=actor)
    take_role(first, actor=actor)
    assert AdminEvent.objects.get(action="RemoveRole").before == {"role": "auditor"}
    assert membership.roles_of(world.person("bob")) == frozenset()


def test_a_role_of_a_group_reaches_its_people_and_makes_it_carry_power(world: World) -> None:
    sales = Group.objects.for_tenant(world.contoso).get()
    assert not carries_power(sales)
    given_role = give_role(world.contoso, Role.KEY_ADMIN, actor=Actor.of(world.person("alice")), group=sales)
    assert carries_power(sales)
    assert membership.may(world.person("carol"), membership.MANAGE_KEYS)
    assert given_role in holders_of(world.contoso)


def test_strangers_and_suspended_people_get_no_role(world: World) -> None:
    actor = Actor.of(world.person("alice"))
    User.objects.filter(email="bob@contoso.example").update(is_active=False)
    for name, code in (("mallory", "not_a_member"), ("erin", "not_a_member"), ("bob", "not_active")):
        with pytest.raises(ChangeRefusedError) as refused:
            give_role(world.contoso, Role.SUPPORT, actor=actor, user=world.person(name))
        assert refused.value.code == code
    assert RoleAssignment.objects.for_tenant(world.contoso).count() == 1


def test_the_last_administrator_stays(world: World) -> None:
    alice, bob = world.person("alice"), world.person("bob")
    own = RoleAssignment.objects.for_tenant(world.contoso).get()
    group = Group.objects.for_tenant(world.contoso).get()
    GroupMember.objects.create(group=group, user=bob)
    give_role(world.contoso, Role.GLOBAL_ADMIN, actor=Actor.of(alice), group=group)
    assert is_last_global_admin(alice)
    with pytest.raises(ChangeRefusedError, match="last global administrator"):
        take_role(own, actor=Actor.of(alice))
    second = give_role(world.contoso, Role.GLOBAL_ADMIN, actor=Actor.of(alice), user=bob)
    assert not is_last_global_admin(alice)
    take_role(own, actor=Actor.of(bob))
    with pytest.raises(ChangeRefusedError):
        take_role(second, actor=Actor.of(bob))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["give", "take"]), st.sampled_from(["alice", "bob", "carol"])), max_size=12
    )
)
def test_whatever_is_given_and_taken_one_administrator_is_left(world: World, steps: list) -> None:
    actor = Actor("somebody")
    for step, name in steps:
        person = world.person(name)
        if step == "give":
            give_role(world.contoso, Role.GLOBAL_ADMIN, actor=actor, user=person)
        else:
            for held in RoleAssignment.objects.for_tenant(world.contoso).filter(user=person):
                last = is_last_global_admin(person)
                try:
                    take_role(held, actor=actor)
                    assert not last
                except ChangeRefusedError:
                    assert last
        assert RoleAssignment.objects.for_tenant(world.contoso).filter(role=Role.GLOBAL_ADMIN).exists()


def test_support_resets_those_without_power_only(world: World) -> None:
    alice, bob, carol = (world.person(name) for name in ("alice", "bob", "carol"))
    give_role(world.contoso, Role.SUPPORT, actor=Actor.of(alice), user=bob)
    assert membership.may_reset(world.person("bob"), carol)
    assert not membership.may_reset(world.person("bob"), alice)
    assert membership.may_reset(world.person("alice"), world.person("bob"))
    assert not membership.may_reset(world.person("carol"), bob)
    assert not membership.may_reset(world.person("bob"), world.person("dave"))
    sales = Group.objects.for_tenant(world.contoso).get()
    SuperUserAppointment.objects.create(tenant=world.contoso, group=sales, reason="r", appointed_by="a")
    assert not membership.may_reset(world.person("bob"), carol)


def test_what_roles_may_see_of_content(world: World) -> None:
    assert membership.allowed_to("support") == {membership.READ_PEOPLE, membership.RESET_FACTORS}
    reading = {action for action in membership.allowed_to("auditor") if not action.startswith("read_")}
    assert reading == {membership.TRACK_ALL}
    assert all(membership.allowed_to(role) <= membership.allowed_to("global_admin") for role in Role.values)
    assert membership.allowed_to("unknown") == frozenset()
