"""What the DNS says about a domain: the values we asked its owner to publish, looked up live."""

from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.nameserver
import dns.resolver
from django.conf import settings

HOST_LABEL: Final = "_rightskeep"
_PREFIX: Final = "rightskeep-verification="
_LIFETIME_SECONDS: Final = 3.0
# More values than this under one name are not ours to read through.
_MAX_VALUES: Final = 200


@dataclass(frozen=True, slots=True)
class Published:
    """The tokens a domain publishes for us. `complete`: every name was answered for, so what is missing is not there."""

    tokens: frozenset[str]
    complete: bool


def record_name(domain: str) -> str:
    """The name that the TXT record goes under; the domain itself is looked at as well."""
    return f"{HOST_LABEL}.{domain}"


def record_value(token: str) -> str:
    """What the TXT record says."""
    return _PREFIX + token


def look_up(domain: str) -> Published:
    """Ask the DNS, both names, at most three seconds each; never raises for what the DNS answers or does not."""
    resolver = _resolver()
    tokens: set[str] = set()
    complete = True
    for name in (record_name(domain), domain):
        found = _tokens_at(resolver, name)
        if found is None:
            complete = False
        else:
            tokens |= found
    return Published(frozenset(tokens), complete)


def _tokens_at(resolver: dns.resolver.Resolver, name: str) -> set[str] | None:
    """The tokens under one name, none when there is no such record; None when the DNS did not say."""
    try:
        answer = resolver.resolve(f"{name}.", "TXT", lifetime=_LIFETIME_SECONDS, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return set()
    except (dns.exception.DNSException, OSError):
        return None
    values = (
        b"".join(record.strings).decode("ascii", "replace").strip() for record in list(answer)[:_MAX_VALUES]
    )
    return {value.removeprefix(_PREFIX).strip() for value in values if value.startswith(_PREFIX)}


def _resolver() -> dns.resolver.Resolver:
    """The system's resolver, or the servers named by RIGHTSKEEP_DNS_SERVERS; made anew, for nothing may be cached."""
    servers: list[tuple[str, int]] = settings.DNS_SERVERS
    if not servers:
        return dns.resolver.Resolver()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
    return resolver
