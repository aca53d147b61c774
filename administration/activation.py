"""Bringing an organization into being, switching its protection on, off, and on again."""

import re
import uuid
from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from administration import sign_up
from audit.recording import record_admin
from keys.rollover import create_first_key
from policies.publishing import create_default_templates
from tenants.languages import MAX_LANGUAGES, in_order
from tenants.models import RoleAssignment, Tenant, User


class OrganizationError(Exception):
    """An organization cannot be made or changed as asked; the text is for people."""

    code = "organization"


class SignUpRefusedError(OrganizationError):
    """The operator of the installation does not let this person start an organization."""

    code = "sign_up_refused"


def create_organization(name: str, *, founder: User) -> Tenant:
    """A new, inactive organization with `founder` as its global administrator. Raises `OrganizationError`."""
    name = clean_name(name)
    with transaction.atomic():
        founder = User.objects.select_for_update(of=("self",)).get(id=founder.id)
        if founder.tenant_id is not None:
            raise OrganizationError("You already belong to an organization.")
        if refused := sign_up.refusal(founder):
            raise SignUpRefusedError(sign_up.REFUSALS[refused])
        tenant = create_tenant(name, founder.language or "en")
        if settings.SIGN_UP == sign_up.INVITATION and not sign_up.use_invitation(founder, tenant):
            raise SignUpRefusedError(sign_up.REFUSALS[sign_up.INVITATION])
        founder.tenant = tenant
        founder.save(update_fields=["tenant"])
        RoleAssignment.objects.create(tenant=tenant, user=founder, role=RoleAssignment.Role.GLOBAL_ADMIN)
        _log(tenant, founder, "CreateOrganization", before=None, after={"name": name})
    return tenant


def activate_tenant(tenant: Tenant, *, actor: User) -> None:
    """Switch protection on: the first time with a key and the two default templates, later with everything as it was.

    Safe to call twice, also at once.
    """
    # Making a key takes long, so it happens before the transaction; an unused key of an inactive tenant does no harm.
    create_first_key(tenant)
    with transaction.atomic():
        locked = Tenant.objects.select_for_update().get(id=tenant.id)
        if not locked.is_active:
            create_default_templates(locked)
            locked.state, locked.activated_at = Tenant.State.ACTIVE, timezone.now()
            locked.save(update_fields=["state", "activated_at"])
            _log(locked, actor, "Activate", before={"state": "inactive"}, after={"state": "active"})
    tenant.refresh_from_db()


def deactivate_tenant(tenant: Tenant, *, actor: User) -> None:
    """Switch protection off: nothing can be protected or opened; nothing is deleted."""
    with transaction.atomic():
        locked = Tenant.objects.select_for_update().get(id=tenant.id)
        if locked.is_active:
            locked.state = Tenant.State.INACTIVE
            locked.save(update_fields=["state"])
            _log(locked, actor, "Deactivate", before={"state": "active"}, after={"state": "inactive"})
    tenant.refresh_from_db()


def change_organization(
    tenant: Tenant,
    *,
    actor: User,
    name: str | None = None,
    default_language: str | None = None,
    max_use_license_days: int | None = None,
    languages: Collection[str] | None = None,
) -> None:
    """Store what is given and differs; what is None stays as it is. Raises `OrganizationError`."""
    wanted: dict[str, Any] = {
        "name": None if name is None else clean_name(name),
        "default_language": default_language,
        "max_use_license_days": max_use_license_days,
        "languages": None if languages is None else in_order(languages),
    }
    if languages is not None and not 1 <= len(in_order(languages)) <= MAX_LANGUAGES:
        raise OrganizationError(f"Templates are written in 1 to {MAX_LANGUAGES} languages.")
    if default_language is not None and default_language not in dict(settings.LANGUAGES):
        raise OrganizationError(f"The language is one of {', '.join(dict(settings.LANGUAGES))}.")
    if max_use_license_days is not None and not 1 <= max_use_license_days <= 365:
        raise OrganizationError("A use license lasts 1 to 365 days.")
    with transaction.atomic():
        locked = Tenant.objects.select_for_update().get(id=tenant.id)
        changes = {
            field: value
            for field, value in wanted.items()
            if value is not None and value != getattr(locked, field)
        }
        if changes:
            before = {field: getattr(locked, field) for field in changes}
            for field, value in changes.items():
                setattr(locked, field, value)
            locked.save(update_fields=[*changes])
            _log(locked, actor, "ChangeOrganization", before=before, after=changes)
    tenant.refresh_from_db()


def clean_name(name: str) -> str:
    name = " ".join(name.split())
    if not 2 <= len(name) <= 100 or not name.isprintable():
        raise OrganizationError("The name of an organization has 2 to 100 characters.")
    return name


def create_tenant(name: str, language: str, **more: Any) -> Tenant:
    """The row of a new organization, with `more` in its columns. Raises `OrganizationError`.

    Its short name has six random digits always: without them it would tell who took the plain one before.
    """
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:30] or "organization"
    slug = f"{base}-{uuid.uuid4().hex[:6]}"
    try:
        with transaction.atomic():
            return Tenant.objects.create(name=name, slug=slug, default_language=language, **more)
    except IntegrityError as error:
        raise OrganizationError("No short name could be found for this organization; try again.") from error


def _log(
    tenant: Tenant, actor: User, action: str, *, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    record_admin(
        tenant_id=tenant.id,
        actor=actor.email,
        actor_id=actor.id,
        action=action,
        target=tenant.name,
        target_id=tenant.id,
        before=before,
        after=after,
    )
