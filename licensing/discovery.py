"""Where the service is and what it offers: service discovery and the list of templates (protocol.md 1.2, 1.3)."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from licensing.calls import Call
from licensing.errors import BadInputError, DeviceError, NotSignedUpError, UnrecognizedUrlError
from licensing.publishing import home_tenant
from licensing.wire import guid
from policies.publishing import load_versions, localized, offered_versions
from tenants.identity import domain_of, tenant_of_domain
from tenants.models import Tenant
from tenants.onboarding import may_protect

_SERVICES = {
    "templates": "templates",
    "publishinglicenses": "publishinglicenses",
    "enduserlicenses": "enduserlicenses",
    "clientdebuglogs": "clientlogs/debug",
    "clientperformancelogs": "clientlogs/performance",
}


def find_services(call: Call, *, version: str, email: str, service: str) -> list[dict[str, str]]:
    """The five addresses for the organization of a mail address or of a license's URL. Raises `DeviceError`.

    One usage row is committed either way.
    """
    try:
        if service:
            _check_url(service)
        else:
            _check_email(email)
    except DeviceError as error:
        call.log(error.log_name)
        raise
    call.log("Success")
    # Every organization of the installation is served at the same address.
    base = f"{settings.PUBLIC_URL}/my/{version}"
    return [{"Name": name, "Uri": f"{base}/{path}"} for name, path in _SERVICES.items()]


@dataclass(frozen=True, slots=True)
class OfferedTemplates:
    """The answer to a device and the entity tag it may ask with next time; `rows` is None when it has them already."""

    tag: str
    rows: list[dict[str, Any]] | None


def list_templates(call: Call, *, known: Collection[str] = ()) -> OfferedTemplates:
    """The templates the caller may protect with, in their language and order; none for those outside the onboarding
    control. `known` are entity tags of answers the caller kept. One usage row is committed either way.

    Raises `DeviceError`.
    """
    try:
        tenant = home_tenant(call.caller)
    except DeviceError as error:
        call.log(error.log_name)
        raise
    offered = offered_versions(call.caller, tenant) if may_protect(call.caller, tenant) else []
    # Versions never change, so these pairs and the languages say everything without a name being read.
    seen = "|".join(
        [*(f"{template_id}:{version_id}" for template_id, version_id in offered), *call.languages]
    )
    tag = f'"{sha256(seen.encode()).hexdigest()[:32]}"'
    rows = None if tag in known or "*" in known else _in_words(call, offered)
    call.log("Success")
    return OfferedTemplates(tag, rows)


def _in_words(call: Call, offered: list[tuple[uuid.UUID, int]]) -> list[dict[str, Any]]:
    versions = load_versions(version_id for _, version_id in offered)
    rows = []
    for template_id, version_id in offered:
        name = localized(versions[version_id], list(call.languages))
        rows.append(
            {"Id": guid(template_id), "Name": name.name, "Description": name.description or name.name}
        )
    return rows


def _check_email(email: str) -> None:
    # The client does not escape "+" in its query string, so a blank can only have been one.
    domain = domain_of(email.strip().replace(" ", "+"))
    if not domain or not domain.isprintable():
        raise BadInputError("Ask with ?email=name@domain or ?service=<address from a license>.")
    if tenant_of_domain(domain) is None:
        raise NotSignedUpError(f"No organization here owns the domain {domain[:100]}.")


def _port_of(url: SplitResult) -> int | None:
    """The port that is named, or meant where none is: clients write it out or leave it away."""
    return url.port or {"https": 443, "http": 80}.get(url.scheme)


def _check_url(url: str) -> None:
    try:
        asked, own = urlsplit(url.strip()), urlsplit(settings.PUBLIC_URL)
        same_server = (asked.hostname, _port_of(asked)) == (own.hostname, _port_of(own))
        head, _, rest = asked.path.strip("/").partition("/")
        known = (
            same_server
            and head == "t"
            and Tenant.objects.filter(id=uuid.UUID(rest.partition("/")[0])).exists()
        )
    except ValueError:
        known = False
    if not known:
        raise UnrecognizedUrlError("This address does not belong to this installation.")
