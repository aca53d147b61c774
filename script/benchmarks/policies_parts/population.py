"""One large organization: people, nested groups, templates with many grants, made by the product's models and functions."""

import random
from typing import Any

DOMAIN = "large.example"
GROUPS = 400
BRANCHES = 4
GROUPS_PER_PERSON = 2
BATCH = 5_000


def populate(people: int, templates: int, grants: int) -> tuple[Any, Any]:
    """Fill the database; returns the administrator and a template with an unpublished draft."""
    from administration.activation import activate_tenant
    from administration.demo import make_person
    from tenants.models import RoleAssignment, Tenant, VerifiedDomain

    tenant = Tenant.objects.create(slug="large", name="Large", super_users_enabled=True)
    VerifiedDomain.objects.create(tenant=tenant, domain=DOMAIN)
    admin = make_person(f"admin@{DOMAIN}", "Admin", None, tenant)
    RoleAssignment.objects.create(tenant=tenant, user=admin, role=RoleAssignment.Role.GLOBAL_ADMIN)
    activate_tenant(tenant, actor=admin)
    members = _people(tenant, people)
    groups = _groups(tenant, members)
    made = [_template(tenant, number, grants, members, groups) for number in range(templates)]
    return admin, _with_draft(made[0])


def _people(tenant: Any, count: int) -> list[Any]:
    from allauth.account.models import EmailAddress

    from tenants.models import User

    people = [
        User(email=f"p{number}@{DOMAIN}", name=f"Person {number}", tenant=tenant, password="!")
        for number in range(count)
    ]
    User.objects.bulk_create(people, batch_size=BATCH)
    addresses = [
        EmailAddress(user=person, email=person.email, verified=True, primary=True) for person in people
    ]
    EmailAddress.objects.bulk_create(addresses, batch_size=BATCH)
    return people


def _groups(tenant: Any, people: list[Any]) -> list[Any]:
    """A tree, four groups in each, and everybody in two of them."""
    from tenants.models import Group, GroupMember, GroupNesting

    groups = [Group(tenant=tenant, name=f"Group {number}") for number in range(GROUPS)]
    Group.objects.bulk_create(groups, batch_size=BATCH)
    GroupNesting.objects.bulk_create(
        GroupNesting(parent=groups[(number - 1) // BRANCHES], child=groups[number])
        for number in range(1, GROUPS)
    )
    chance = random.Random(1)
    memberships = [
        GroupMember(group=group, user=person)
        for person in people
        for group in chance.sample(groups, GROUPS_PER_PERSON)
    ]
    GroupMember.objects.bulk_create(memberships, batch_size=BATCH)
    return groups


def _template(tenant: Any, number: int, grants: int, people: list[Any], groups: list[Any]) -> Any:
    """Half of the grants go to groups, a quarter to people, the others to people and domains outside."""
    from policies.content import Content, LocalizedText
    from policies.editing import create_template
    from policies.evaluation import Grant
    from policies.states import publish
    from rms.rights import LEVELS
    from tenants.changes import Actor

    chance = random.Random(number)
    # The groups at the top contain everybody; most templates are for parts of the organization.
    named = [f"group:{group.id}" for group in chance.sample(groups[20:], grants // 2)]
    named += [person.email for person in chance.sample(people, grants // 4)]
    named += [f"@partner-{each}.example" for each in range(2)]
    named += [f"guest-{each}@elsewhere.example" for each in range(grants - len(named))]
    levels = list(LEVELS.values())
    given = tuple(Grant(who, levels[position % len(levels)]) for position, who in enumerate(named))
    texts = tuple(
        LocalizedText(language, f"Rules {number:03}", f"Rules number {number} of the organization")
        for language in ("en", "de")
    )
    made = create_template(tenant, Content("en", texts, given), actor=Actor("benchmark"))
    return publish(made, actor=Actor("benchmark"))


def _with_draft(template: Any) -> Any:
    """Every fifth grant is taken away and one of the large groups is added: some gain, some lose."""
    from dataclasses import replace

    from policies.content import content_of
    from policies.editing import save_draft
    from policies.evaluation import Grant
    from tenants.changes import Actor
    from tenants.models import Group

    content = content_of(template)
    assert content is not None
    large = Group.objects.for_tenant(template.tenant).get(name="Group 3")
    kept = tuple(grant for position, grant in enumerate(content.grants) if position % 5)
    added = Grant(f"group:{large.id}", ("VIEW",))
    return save_draft(template, replace(content, grants=(*kept, added)), actor=Actor("benchmark"))
