"""Which server to ask: by address, by environment, by stored sign-in, or by DNS.

The SRV record is that of protocol section 1.2: only its host counts, always https on port 443.
"""

import re

import dns.exception
import dns.resolver
import idna

from rmsclient.addresses import ServerAddress, parse_address
from rmsclient.errors import ServerError, UsageError

SRV_PREFIX = "_rmsdisco._http._tcp."
_LIFETIME_SECONDS = 10.0
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*", re.ASCII)


def server_of_domain(domain: str, resolver: dns.resolver.Resolver | None = None) -> ServerAddress:
    """The server that a mail domain publishes. Raises UsageError (bad domain), ServerError (none, no DNS)."""
    try:
        ascii_domain = idna.encode(domain.strip().rstrip("."), uts46=True).decode("ascii").lower()
    except UnicodeError:
        ascii_domain = ""
    if not _HOST.fullmatch(ascii_domain):
        raise UsageError("bad_domain", f"“{domain}” is not a domain.")
    try:
        found = (resolver or dns.resolver.Resolver()).resolve(
            SRV_PREFIX + ascii_domain, "SRV", lifetime=_LIFETIME_SECONDS, search=False
        )
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        raise _nothing_published(domain) from None
    except dns.exception.DNSException as failure:
        raise ServerError(
            "dns_failed", f"The server of {domain} could not be looked up in DNS ({type(failure).__name__})."
        ) from failure
    records = sorted(found, key=lambda record: (record.priority, -record.weight, str(record.target)))
    for record in records:
        host = str(record.target).rstrip(".").lower()
        if _HOST.fullmatch(host):
            return parse_address(f"https://{host}")
    raise _nothing_published(domain)


def _nothing_published(domain: str) -> ServerError:
    return ServerError(
        "no_srv_record",
        f"{domain} publishes no server in DNS ({SRV_PREFIX}{domain}). Use the server's address instead: "
        "rightskeep login https://…",
    )
