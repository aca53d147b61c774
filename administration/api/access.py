"""Who may use which part of the admin API: the token's scope first, then the person's roles."""

from typing import Any

from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.request import Request
from rest_framework.views import APIView

from administration.api.once import created_once
from licensing.authentication import ADMIN, LICENSING
from tenants.identity import Caller
from tenants.membership import may
from tenants.models import Tenant, User


class ApiView(APIView):
    """A view that wants `scopes` (one of them) and, when `requires` names an action, a role that allows it.

    Where `post` creates something, `creates` makes it honor `Idempotency-Key`; where its answer holds a secret that is
    shown once, `reveals_secret` keeps the answer from being kept.
    """

    scopes: frozenset[str] = frozenset({ADMIN})
    requires: str | None = None
    creates = False
    reveals_secret = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.creates and "post" in vars(cls):
            cls.post = created_once(vars(cls)["post"])  # type: ignore[attr-defined]  # not every view has one

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        check_scope(request, self.scopes)
        if self.requires is not None:
            require(request, self.requires)


OWN_DOCUMENTS = frozenset({ADMIN, LICENSING})


def caller(request: Request) -> Caller:
    found = request.user
    if not isinstance(found, Caller):
        raise NotAuthenticated("Sign in and send the token with this request.")
    return found


def person(request: Request) -> User:
    """The signed-in person with their organization loaded. Raises 403 for services."""
    who = caller(request)
    known: User | None = getattr(request, "_person", None)
    if known is None:
        known = (
            User.objects.select_related("tenant").filter(id=who.id, is_active=True).first()
        )  # unscoped: their own row
        if known is None:
            raise PermissionDenied("This is for people, not for services.")
        request._person = known  # type: ignore[attr-defined]  # one query a request
    return known


def organization(request: Request) -> Tenant:
    """The person's own organization. Raises 403 for those who have none."""
    tenant = person(request).tenant
    if tenant is None:
        raise PermissionDenied("You belong to no organization here.")
    return tenant


def check_scope(request: Request, scopes: frozenset[str]) -> None:
    if not scopes & caller(request).scopes:
        raise PermissionDenied(f"This token does not carry the scope “{min(scopes)}”.")


def require(request: Request, action: str) -> None:
    organization(request)
    if not may(person(request), action):
        raise PermissionDenied("Your roles do not allow this.")
