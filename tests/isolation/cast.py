"""The personas of `test_roles.py`, who of them is meant by what a table says, and what there is for them to ask for."""

import re
from datetime import timedelta
from typing import Final

from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Token
from django.utils import timezone

from administration.devices import create_service
from tenants import membership as m
from tenants.models import IdentityProvider, RoleAssignment, ServicePrincipal, User
from tests.conftest import Device, World, make_token
from tests.isolation.test_matrix import samples
from tracking.models import Document

# Besides powers, named by `tenants.membership`:
PUBLIC: Final = "everybody"
TOKEN: Final = "every person or service with a token"
GUEST: Final = "everybody who is signed in, people without an account too"
PERSON: Final = "people with an account, of an organization or none"
MEMBER: Final = "people of an organization"

# Pages that find nothing (404) when nothing is sent; `$` is somebody of the organization.
FORMS: Final[dict[str, dict[str, str]]] = {
    "profile/sessions/": {"session": "others"},
    "people/bulk/": {"action": "suspend"},
    "people/<uuid:person_id>/addresses/": {"do": "add"},
    "groups/<uuid:group_id>/members/": {"do": "add", "person": "$"},
}

ROLES: Final = tuple(RoleAssignment.Role.values)
PERSONAS: Final = (*ROLES, "member", "of no organization", "guest", "service", "nobody")


def is_allowed(persona: str, who: str) -> bool:
    if who == PUBLIC or persona == "nobody":
        return who == PUBLIC
    if persona == "service":
        return who == TOKEN
    if persona == "guest":
        return who == GUEST
    if who in (TOKEN, GUEST, PERSON):
        return True
    return persona in (*ROLES, "member") if who == MEMBER else who in m.allowed_to(persona)


class Cast:
    """One of each, in an organization that has one of everything."""

    def __init__(self, world: World, bob: Device) -> None:
        self.world = world
        bob.protect_for(("carol@contoso.example", ["VIEW"]), FileName="plan.pdf")
        IdentityProvider.objects.create(
            tenant=world.contoso, kind="oidc", name="Login",
            settings={"issuer": "https://login.example", "client_id": "c"},
        )  # fmt: skip
        # Before there are more roles: the samples name the only one.
        made = samples(world, Document.objects.get())
        self._values = {name: make("") for name, make in made.items()} | {"token": "x", "program": "other"}

    def path(self, route: str) -> str:
        return "/" + re.sub(r"<\w+:(\w+)>", lambda name: str(self._values[name[1]]), route)

    def form(self, route: str, method: str) -> dict[str, str]:
        sent = FORMS.get(route, {}) if method == "post" else {}
        return {name: value.replace("$", str(self._values["person_id"])) for name, value in sent.items()}

    def person(self, persona: str) -> User | None:
        if persona in ("nobody", "service"):
            return None
        if persona == "of no organization":
            return self.world.person("erin")
        name = persona.replace("_", "-")
        home = None if persona == "guest" else self.world.contoso
        person = User.objects.create_user(
            f"{name}@{'individual' if home is None else 'contoso'}.example",
            tenant=home,
            is_guest=home is None,
        )
        EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
        if persona in ROLES:
            RoleAssignment.objects.create(tenant=self.world.contoso, user=person, role=persona)
        return person

    def token(self, persona: str) -> str:
        if persona != "service":
            person = self.person(persona)
            return make_token(person) if person else ""
        create_service(self.world.contoso, "Indexer", {"licensing", "protect-for-others"}, actor="operator")
        client = ServicePrincipal.objects.for_tenant(self.world.contoso).get(name="Indexer").client
        token = Token(
            type=Token.Type.ACCESS_TOKEN, client=client, expires_at=timezone.now() + timedelta(hours=1)
        )
        token.set_value("of-the-service")
        token.set_scopes(client.get_scopes())
        token.save()
        return "of-the-service"
