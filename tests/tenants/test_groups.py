"""Groups: power, nesting without circles, and what a directory may not do."""

from itertools import pairwise

import pytest

from audit.models import AdminEvent
from policies.models import TemplateScope, TemplateVersion
from tenants import groups
from tenants.changes import Actor, ChangeRefusedError
from tenants.freshness import forget_facts
from tenants.identity import Caller, standing_of
from tenants.models import Group, RoleAssignment, SuperUserAppointment, Tenant
from tests.conftest import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(world: World) -> Actor:
    return Actor.of(world.person("alice"))


DIRECTORY = Actor("directory “Entra”", by_directory=True)


def test_power_reaches_the_groups_inside(world: World, alice: Actor) -> None:
    outer = groups.create_group(world.contoso, "Admins", actor=alice)
    middle = groups.create_group(world.contoso, "Core", actor=alice)
    inner = groups.create_group(world.contoso, "Night shift", actor=alice)
    groups.nest(outer, middle, actor=alice)
    groups.nest(middle, inner, actor=alice)
    assert not groups.carries_power(inner)
    RoleAssignment.objects.create(tenant=world.contoso, group=outer, role="auditor")
    SuperUserAppointment.objects.create(
        tenant=world.contoso, group=middle, reason="audit", appointed_by="alice"
    )
    assert groups.powers_of(inner) == {"roles", "super_users"}
    assert groups.powers_of(outer) == {"roles"}
    Tenant.objects.filter(id=world.contoso.id).update(onboarding="group", onboarding_group=inner)
    assert groups.powers_of(inner) == {"roles", "super_users", "onboarding"}


def test_a_directory_takes_out_of_a_powerful_group_and_puts_nobody_in(world: World, alice: Actor) -> None:
    group = groups.create_group(world.contoso, "Admins", actor=DIRECTORY)
    groups.add_people(group, [world.person("bob")], actor=DIRECTORY)
    inner = groups.create_group(world.contoso, "More", actor=DIRECTORY)
    RoleAssignment.objects.create(tenant=world.contoso, group=group, role="auditor")
    with pytest.raises(ChangeRefusedError, match="only a global administrator"):
        groups.add_people(group, [world.person("carol")], actor=DIRECTORY)
    with pytest.raises(ChangeRefusedError, match="only a global administrator"):
        groups.nest(group, inner, actor=DIRECTORY)
    assert groups.remove_people(group, [world.person("bob")], actor=DIRECTORY) == 1
    assert groups.add_people(group, [world.person("carol")], actor=alice) == 1


def test_a_group_of_the_directory_is_changed_there_until_it_is_taken_over(world: World, alice: Actor) -> None:
    group = groups.create_group(world.contoso, "Staff", actor=DIRECTORY)
    for change in (
        lambda: groups.change_group(group, name="Crew", actor=alice),
        lambda: groups.add_people(group, [world.person("bob")], actor=alice),
        lambda: groups.remove_people(group, [world.person("bob")], actor=alice),
        lambda: groups.delete_group(group, actor=alice),
    ):
        with pytest.raises(ChangeRefusedError, match="kept by your directory"):
            change()
    groups.keep_by_hand(group, actor=alice)
    groups.change_group(group, name="Crew", actor=alice)
    assert Group.objects.get(id=group.id).name == "Crew"


def test_no_circle_can_be_closed(world: World, alice: Actor) -> None:
    chain = [groups.create_group(world.contoso, f"Level {n}", actor=alice) for n in range(4)]
    for outer, inner in pairwise(chain):
        assert groups.nest(outer, inner, actor=alice)
    assert not groups.nest(chain[0], chain[1], actor=alice)
    with pytest.raises(ChangeRefusedError, match="circle"):
        groups.nest(chain[3], chain[0], actor=alice)
    with pytest.raises(ChangeRefusedError, match="into itself"):
        groups.nest(chain[0], chain[0], actor=alice)
    assert groups.groups_inside(chain[0].id) == {group.id for group in chain}
    assert groups.groups_around(chain[3].id) == {group.id for group in chain}


def test_people_and_groups_of_others_stay_out(world: World, alice: Actor) -> None:
    group = groups.create_group(world.contoso, "Mixed", actor=alice)
    theirs = Group.objects.create(tenant=world.fabrikam, name="Theirs")
    for stranger in ("mallory", "erin"):
        with pytest.raises(ChangeRefusedError, match="Only people of your organization"):
            groups.add_people(group, [world.person(stranger)], actor=alice)
    with pytest.raises(ChangeRefusedError, match="no such group"):
        groups.nest(group, theirs, actor=alice)


def test_a_group_that_a_template_is_shown_to_is_not_deleted(world: World, alice: Actor) -> None:
    sales = Group.objects.for_tenant(world.contoso).get(name="Sales")
    version = TemplateVersion.objects.filter(template__tenant=world.contoso)[0]
    TemplateScope.objects.create(version=version, group=sales)
    with pytest.raises(ChangeRefusedError, match="template is shown to this group"):
        groups.delete_group(sales, actor=alice)
    assert Group.objects.filter(id=sales.id).exists()
    assert not AdminEvent.objects.filter(action="DeleteGroup").exists()


def test_a_group_in_use_is_not_deleted(world: World, alice: Actor) -> None:
    group = groups.create_group(world.contoso, "Guards", actor=alice)
    role = RoleAssignment.objects.create(tenant=world.contoso, group=group, role="auditor")
    with pytest.raises(ChangeRefusedError, match="holds a role"):
        groups.delete_group(group, actor=alice)
    role.delete()
    Tenant.objects.filter(id=world.contoso.id).update(onboarding="group", onboarding_group=group)
    with pytest.raises(ChangeRefusedError, match="who may protect"):
        groups.delete_group(Group.objects.get(id=group.id), actor=alice)
    Tenant.objects.filter(id=world.contoso.id).update(onboarding="everyone", onboarding_group=None)
    groups.delete_group(Group.objects.get(id=group.id), actor=alice)
    assert not Group.objects.filter(id=group.id).exists()


def test_names_and_addresses_are_unique_and_clean(world: World, alice: Actor) -> None:
    for name, mail, sentence in (
        ("Sales", "", "already a group called Sales"),
        ("Other", "sales@contoso.example", "Another group has the address"),
        ("Other", "bob@contoso.example", "address of a person"),
        ("Other", "not an address", "not a mail address"),
        ("", "", "1 to 100 characters"),
        ("x" * 101, "", "1 to 100 characters"),
        ("a\x00b", "", "1 to 100 characters"),
    ):
        with pytest.raises(ChangeRefusedError, match=sentence):
            groups.create_group(world.contoso, name, mail=mail, actor=alice)
    assert groups.create_group(world.fabrikam, "Sales", actor=alice).name == "Sales"


def test_every_change_is_in_the_admin_log(world: World, alice: Actor) -> None:
    group = groups.create_group(world.contoso, "Press", actor=alice)
    groups.add_people(group, [world.person("bob"), world.person("carol")], actor=alice)
    groups.change_group(group, name="Media", actor=alice)
    groups.remove_people(group, [world.person("bob")], actor=alice)
    groups.nest(group, Group.objects.for_tenant(world.contoso).get(name="Sales"), actor=alice)
    groups.delete_group(group, actor=alice)
    rows = AdminEvent.objects.for_tenant(world.contoso.id).filter(target_id=str(group.id)).order_by("id")
    assert [(row.action, row.before, row.after) for row in rows] == [
        ("AddGroup", None, {"name": "Press", "mail": ""}),
        ("AddToGroup", None, {"people": ["bob@contoso.example", "carol@contoso.example"]}),
        ("ChangeGroup", {"name": "Press"}, {"name": "Media"}),
        ("RemoveFromGroup", {"people": ["bob@contoso.example"]}, None),
        ("AddToGroup", None, {"groups": ["Sales"]}),
        ("DeleteGroup", {"name": "Media", "mail": "", "people": 1, "groups": 1}, None),
    ]
    assert {row.actor for row in rows} == {"alice@contoso.example"}


def test_a_change_counts_when_facts_are_fresh_again(world: World, alice: Actor) -> None:
    bob = Caller.of(world.person("bob"))
    group = groups.create_group(world.contoso, "Readers", actor=alice)
    assert group.id not in standing_of(bob, world.contoso.id).groups
    groups.add_people(group, [world.person("bob")], actor=alice)
    forget_facts()
    assert group.id in standing_of(bob, world.contoso.id).groups
