"""Addresses of servers, and which of them may be trusted with a sign-in."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from rmsclient.errors import UsageError

_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class ServerAddress:
    """Base URL of an installation, without a slash at the end.

    Two addresses belong to the same installation when their origins (scheme, host, port) are equal:
    a sign-in is kept for an origin and goes nowhere else.
    """

    url: str
    origin: str
    is_loopback: bool

    def join(self, path: str) -> str:
        return self.url + path

    def __str__(self) -> str:
        return self.url


def parse_address(text: str) -> ServerAddress:
    """Reads a base URL. Without a scheme https is meant. Raises UsageError.

    Plain http is accepted for loopback only: a token must not cross a network in clear.
    """
    given = text.strip()
    parts = urlsplit(given if "://" in given else f"https://{given}")
    try:
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise UsageError("bad_url", f"“{given}” is not the address of a server.") from None
    if (
        parts.scheme not in _DEFAULT_PORTS
        or not host
        or any(c.isspace() or not c.isprintable() for c in given)
    ):
        raise UsageError("bad_url", f"“{given}” is not the address of a server.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError("bad_url", "The address of a server has no user name, query or fragment.")
    is_loopback = _is_loopback(host)
    if parts.scheme == "http" and not is_loopback:
        raise UsageError(
            "insecure_url", f"“{given}” is not encrypted: use https:// (plain http only to this computer)."
        )
    shown_host = f"[{host}]" if ":" in host else host
    effective = port if port is not None else _DEFAULT_PORTS[parts.scheme]
    origin = f"{parts.scheme}://{shown_host}"
    if effective != _DEFAULT_PORTS[parts.scheme]:
        origin += f":{effective}"
    return ServerAddress(origin + parts.path.rstrip("/"), origin, is_loopback)


def address_of_license(licensing_url: str) -> ServerAddress:
    """The installation a licence names: everything before its tenant path. Raises UsageError."""
    address = parse_address(licensing_url)
    path = address.url[len(address.origin) :]
    for marker in ("/t/", "/_wmcs"):
        path = path.split(marker, 1)[0]
    return ServerAddress(address.origin + path, address.origin, address.is_loopback)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
