"""Onboarding control: the rule for one person and the preview for all say the same."""

import pytest

from audit.models import AdminEvent
from tenants.changes import Actor, ChangeRefusedError
from tenants.freshness import forget_facts
from tenants.identity import Caller
from tenants.models import Group, GroupMember, GroupNesting, User
from tenants.onboarding import may_protect, people_losing, people_under, set_onboarding
from tests.conftest import World

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("rule", ["everyone", "group", "licensed"])
def test_the_preview_is_what_happens(world: World, rule: str) -> None:
    outer = Group.objects.create(tenant=world.contoso, name="Protectors")
    GroupNesting.objects.create(parent=outer, child=Group.objects.for_tenant(world.contoso).get(name="Sales"))
    GroupMember.objects.create(group=outer, user=world.person("carol"))
    User.objects.filter(email="bob@contoso.example").update(licensed=True)
    group = outer if rule == "group" else None
    expected = set(people_under(world.contoso, rule, group))
    losing = set(people_losing(world.contoso, rule, group))
    set_onboarding(world.contoso, rule, actor=Actor.of(world.person("alice")), group=group)
    forget_facts()
    people = set(User.objects.for_tenant(world.contoso))
    assert expected == {one for one in people if may_protect(Caller.of(one), world.contoso)}
    assert losing == people - expected
    assert {one.email.partition("@")[0] for one in expected} == {
        "everyone": {"alice", "bob", "carol"}, "group": {"carol"}, "licensed": {"bob"},
    }[rule]  # fmt: skip


def test_a_change_is_logged_once_with_before_and_after(world: World) -> None:
    actor = Actor.of(world.person("alice"))
    sales = Group.objects.for_tenant(world.contoso).get()
    for _ in range(2):
        set_onboarding(world.contoso, "group", actor=actor, group=sales)
    event = AdminEvent.objects.get(action="ChangeOnboarding")
    assert event.before == {"who": "everyone"}
    assert event.after == {"who": "group", "group": "Sales", "group_id": str(sales.id)}
    set_onboarding(world.contoso, "everyone", actor=actor)
    assert world.contoso.onboarding_group is None


def test_what_is_refused(world: World) -> None:
    actor = Actor.of(world.person("alice"))
    foreign = Group.objects.create(tenant=world.fabrikam, name="Theirs")
    for rule, group, code in (
        ("group", None, "group_missing"),
        ("everyone", foreign, "group_missing"),
        ("group", foreign, "no_such_group"),
        ("nobody", None, "no_such_rule"),
    ):
        with pytest.raises(ChangeRefusedError) as refused:
            set_onboarding(world.contoso, rule, actor=actor, group=group)
        assert refused.value.code == code
