"""Whom somebody means who types an address or a name: a person, a group or a service of one organization."""

import uuid

from django.db.models import Q

from tenants.domain_names import canonical_address
from tenants.models import Group, ServicePrincipal, Tenant, User


def find_person(tenant: Tenant, text: str) -> User | None:
    """The member with this id or with this address, main or further."""
    people = User.objects.for_tenant(tenant)
    wanted = _id(text)
    if wanted is not None:
        return people.filter(id=wanted).first()
    address = canonical_address(text)
    return (
        people.filter(email=address).first()
        or people.filter(emailaddress__email=address).order_by("email").first()
        or people.filter(stated_addresses__address=address).order_by("email").first()
    )


def find_group(tenant: Tenant, text: str) -> Group | None:
    """The group with this id, name (in any case, when only one has it) or address."""
    groups = Group.objects.for_tenant(tenant).select_related("tenant")
    wanted = _id(text)
    if wanted is not None:
        return groups.filter(id=wanted).first()
    text = text.strip()
    exact = groups.filter(name=text).first()
    if exact is not None or not text:
        return exact
    similar = list(groups.filter(name__iexact=text)[:2])
    return similar[0] if len(similar) == 1 else groups.filter(mail=canonical_address(text)).first()


def find_service(tenant: Tenant, text: str) -> ServicePrincipal | None:
    """The service with this id, client id or name."""
    services = ServicePrincipal.objects.for_tenant(tenant).select_related("client", "tenant")
    text, wanted = text.strip(), _id(text)
    if wanted is not None:  # a client id may look like an id, too
        return services.filter(Q(id=wanted) | Q(client_id=text)).first()
    return services.filter(name=text).first() or services.filter(client_id=text).first()


def _id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text.strip().strip("{}"))
    except ValueError:
        return None
