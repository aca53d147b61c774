"""Whom an entry of `Users` means (protocol.md 1.4), resolved in the organization of the license only."""

import re
import uuid

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from licensing.errors import BadInputError
from tenants.models import Group, Tenant

_DOMAIN = re.compile(r"@[a-z0-9]([a-z0-9-]{0,62}\.)*[a-z0-9][a-z0-9-]{0,62}")
_WORDS = {"members": "members", "anyone": "anyone", "owner": "owner"}


def resolve(entry: str, tenant: Tenant) -> str:
    """The normalized principal for `entry`: a lower-case address, `group:<guid>`, `@domain`, `tenant:<guid>`,
    `members`, `anyone` or `owner`.

    Raises `BadInputError` for an entry that means nothing known and is not an address.
    """
    text = entry.strip()
    lowered = text.lower()
    if lowered in _WORDS:
        return _WORDS[lowered]
    if lowered.startswith("group:"):
        return f"group:{_find_group(text[6:].strip(), tenant).id}"
    if lowered.startswith("tenant:"):
        return f"tenant:{_find_tenant(lowered[7:])}"
    if lowered.startswith("@"):
        if not _DOMAIN.fullmatch(lowered):
            raise BadInputError(f"“{text[:80]}” is not a domain like @example.com.")
        return lowered
    group = Group.objects.for_tenant(tenant).filter(mail=lowered).first() if "@" in lowered else None
    if group is not None:
        return f"group:{group.id}"
    try:
        validate_email(lowered)
    except ValidationError as error:
        raise BadInputError(f"“{text[:80]}” is neither a mail address nor a known group.") from error
    if len(lowered) > 254:
        raise BadInputError(f"“{text[:80]}…” is too long for a mail address.")
    return lowered


def _find_group(name: str, tenant: Tenant) -> Group:
    groups = Group.objects.for_tenant(tenant)
    try:
        found = groups.filter(id=uuid.UUID(name.strip("{}"))).first()
    except ValueError:
        found = (
            groups.filter(mail=name.lower()).first()
            if "@" in name
            else groups.filter(name__iexact=name).first()
        )
    if found is None:
        raise BadInputError(f"There is no group “{name[:80]}” in this organization.")
    return found


def _find_tenant(text: str) -> uuid.UUID:
    try:
        wanted = uuid.UUID(text.strip("{} "))
    except ValueError as error:
        raise BadInputError(f"“{text[:60]}” is not the identifier of an organization.") from error
    if not Tenant.objects.filter(id=wanted).exists():
        raise BadInputError(f"There is no organization {wanted} here.")
    return wanted
