"""Two demonstration organizations and a person who belongs to none, for a first look and for tests."""

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction

from administration.activation import activate_tenant
from tenants.models import Group, GroupMember, RoleAssignment, Tenant, User, VerifiedDomain

ORGANIZATIONS = {
    "contoso": ("Contoso", ("alice", "bob", "carol")),
    "fabrikam": ("Fabrikam", ("mallory", "dave")),
}
OUTSIDER = "erin@individual.example"


def seed_demo(password: str) -> list[str]:
    """Make the demo organizations, active, everybody with `password`. Returns the addresses; nothing twice.

    Does nothing and returns nothing when the database holds any organization.
    """
    if Tenant.objects.exists():
        return []
    addresses: list[str] = []
    with transaction.atomic():
        for slug, (name, people) in ORGANIZATIONS.items():
            tenant = Tenant.objects.create(slug=slug, name=name)
            VerifiedDomain.objects.create(tenant=tenant, domain=f"{slug}.example")
            for person in people:
                make_person(f"{person}@{slug}.example", person.capitalize(), None, tenant)
                addresses.append(f"{person}@{slug}.example")
            admin = User.objects.get(email=addresses[-len(people)])
            RoleAssignment.objects.create(tenant=tenant, user=admin, role=RoleAssignment.Role.GLOBAL_ADMIN)
        sales = Group.objects.create(
            tenant=Tenant.objects.get(slug="contoso"), name="Sales", mail="sales@contoso.example"
        )
        GroupMember.objects.create(group=sales, user=User.objects.get(email="carol@contoso.example"))
        make_person(OUTSIDER, "Erin", None, None)
        # Hashed once for all of them: hashing is slow by design.
        everybody = User.objects.filter(email__in=[*addresses, OUTSIDER])
        everybody.update(password=make_password(password))
    for tenant in Tenant.objects.all():
        admin = User.objects.get(tenant=tenant, roles__role=RoleAssignment.Role.GLOBAL_ADMIN)
        activate_tenant(tenant, actor=admin)
    return [*addresses, OUTSIDER]


def make_person(address: str, name: str, password: str | None, tenant: Tenant | None) -> User:
    """A person with one verified address."""
    user = User.objects.create_user(address, password, name=name, tenant=tenant)
    EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
    return user
