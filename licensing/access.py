"""Changing who may open a document that was already sent: names become principals, limits hold, the register keeps it."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from licensing.errors import BadInputError
from licensing.principals import resolve
from licensing.publishing import check_principals
from policies.limits import limits_of
from rms.rights import parse_level_or_rights
from tenants.changes import ChangeRefusedError
from tenants.membership import ADMINISTER, may
from tenants.models import User
from tracking import overrides
from tracking.models import Document

Wanted = tuple[str, str]  # who (an entry of `Users`), and a level, a special policy or rights; empty for none


def may_change_access(person: User, document: Document) -> bool:
    """The issuer of a document of their own organization, and its administrators."""
    if person.tenant_id != document.tenant_id:
        return False
    return document.issuer_id == person.id or may(person, ADMINISTER)


def change_access(document: Document, wanted: Sequence[Wanted], *, actor: User, reason: str = "") -> Document:
    """Grant, change or withdraw access, each as asked or none at all. Raises `ChangeRefusedError`, `BadInputError`.

    Limits of the organization hold for what is granted; withdrawing is always allowed.
    """
    tenant = document.tenant
    rights: dict[str, tuple[str, ...]] = {}
    for who, held in wanted:
        try:
            rights[resolve(who, tenant)] = parse_level_or_rights(held) if held.strip() else ()
        except ValueError as error:
            raise BadInputError(str(error)) from error
    limits = limits_of(tenant)
    granted = [principal for principal, held in rights.items() if held]
    if granted and not limits.own_permissions:
        raise ChangeRefusedError(
            "templates_only",
            _(
                "%(organization)s lets its people protect with its templates only, so nobody can be added here."
            ),
            organization=tenant.name,
        )
    check_principals(limits, tenant, granted)
    return overrides.change_access(document, rights, actor=actor, reason=reason)
