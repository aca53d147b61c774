"""Whom the entries of a template mean, found in a number of queries that does not grow with the entries."""

import re
import uuid
from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from tenants.changes import ChangeRefusedError
from tenants.domain_names import canonical_address, canonical_domain
from tenants.models import Group, Tenant, VerifiedDomain

_DOMAIN = re.compile(r"@[a-z0-9]([a-z0-9-]{0,62}\.)*[a-z0-9][a-z0-9-]{0,62}")
_WORDS = ("members", "anyone", "owner")
_MAX_ADDRESS = 254


class Principals:
    """The groups and organizations that some entries name, read once; then each entry is resolved from memory."""

    def __init__(self, tenant: Tenant, entries: Sequence[str]) -> None:
        lowered = [entry.strip().lower() for entry in entries if entry.isprintable()]
        # As written: SQLite lowers no letters beyond ASCII.
        wanted = [
            entry.strip()[6:].strip()
            for entry in entries
            if entry.isprintable() and entry.strip().lower().startswith("group:")
        ]
        mails = [
            canonical_address(entry)
            for entry in lowered
            if "@" in entry and not entry.startswith(("@", "tenant:", "group:"))
        ]
        self._groups = _find_groups(tenant, [*wanted, *mails])
        self._tenants = _find_tenants([_plain(entry[7:]) for entry in lowered if entry.startswith("tenant:")])

    def resolve(self, entry: str) -> str:
        """The normalized principal: a lower-case address, `group:<id>`, `@domain`, `tenant:<id>`, `members`, `anyone` or
        `owner`. Raises `ChangeRefusedError` for what means nothing here.
        """
        text = entry.strip()
        lowered = text.lower()
        if lowered in _WORDS:
            return lowered
        if not text.isprintable():  # the database would not even look
            raise ChangeRefusedError("bad_address", _("There are characters in it that cannot be shown."))
        if lowered.startswith("group:"):
            return self._group(text[6:].strip())
        if lowered.startswith("tenant:"):
            return self._tenant(lowered[7:].strip())
        if lowered.startswith("@"):
            domain = f"@{canonical_domain(lowered[1:])}"
            if not _DOMAIN.fullmatch(domain):
                raise ChangeRefusedError(
                    "bad_domain", _("“%(entry)s” is not a domain like example.com."), entry=text[1:80]
                )
            return domain
        if "@" in lowered and (group := self._groups.get(canonical_address(lowered))) is not None:
            return f"group:{group}"
        return _address(text)

    def _group(self, name: str) -> str:
        found = self._groups.get(_plain(name))
        if found is None:
            raise ChangeRefusedError(
                "no_such_group", _("There is no group “%(entry)s” in your organization."), entry=name[:80]
            )
        return f"group:{found}"

    def _tenant(self, name: str) -> str:
        found = self._tenants.get(_plain(name))
        if found is None:
            raise ChangeRefusedError(
                "no_such_organization",
                _("No organization here has the domain or the identifier “%(entry)s”."),
                entry=name[:80],
            )
        return f"tenant:{found}"


def _plain(name: str) -> str:
    """A name, a domain, an address or an id in the one form in which it is compared."""
    name = name.strip()
    try:
        return str(uuid.UUID(name.strip("{} ")))
    except ValueError:
        return canonical_address(name) if "@" in name else name.lower()


def _find_groups(tenant: Tenant, names: Sequence[str]) -> dict[str, uuid.UUID]:
    plain = {_plain(name) for name in names if name}
    if not plain:
        return {}
    groups = Group.objects.for_tenant(tenant).alias(lowered=Lower("name"))
    named = Q(lowered__in=plain) | Q(name__in=set(names))
    rows = groups.filter(Q(id__in=_ids(plain)) | Q(mail__in=plain) | named).values_list("id", "name", "mail")
    # An id is stronger than an address, an address stronger than a name.
    found = {name.lower(): group for group, name, _mail in rows}
    found |= {mail: group for group, _name, mail in rows if mail}
    return found | {str(group): group for group, _name, _mail in rows}


def _find_tenants(names: Sequence[str]) -> dict[str, uuid.UUID]:
    plain = {name for name in names if name}
    if not plain:
        return {}
    ids = Tenant.objects.filter(id__in=_ids(plain)).values_list("id", flat=True)
    proofs = VerifiedDomain.objects.filter(domain__in={canonical_domain(name) for name in plain})
    domains = dict(proofs.values_list("domain", "tenant_id"))
    by_name = {name: found for name in plain if (found := domains.get(canonical_domain(name)))}
    return {str(found): found for found in ids} | by_name


def _ids(names: set[str]) -> list[uuid.UUID]:
    found = []
    for name in names:
        try:
            found.append(uuid.UUID(name))
        except ValueError:
            continue
    return found


def _address(text: str) -> str:
    address = canonical_address(text)
    try:
        validate_email(address)
    except ValidationError as error:
        raise ChangeRefusedError(
            "bad_address", _("“%(entry)s” is not a mail address."), entry=text[:80]
        ) from error
    if len(address) > _MAX_ADDRESS:
        raise ChangeRefusedError(
            "bad_address", _("“%(entry)s” is too long for a mail address."), entry=text[:80]
        )
    return address
