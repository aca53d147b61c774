"""Reading addresses that an organization gave us, without becoming its way into our network.

Every connection resolves its host itself, looks at all addresses found, and goes to one of exactly those: a name that
answers differently the second time gains nothing. Redirects open connections of the same kind. Errors never quote what
the other side answered.
"""

import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_BYTES: Final = 1024 * 1024
CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 10.0
MAX_REDIRECTS: Final = 3
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
# Of IPv6 only this part has been given out as public addresses: site-local (fec0::/10), translated (::ffff:0:0:0/96,
# 64:ff9b:1::/48), multicast and whatever comes to be invented lie outside.
_PUBLIC_IPV6: Final = ipaddress.ip_network("2000::/3")
# Special by IANA's registries (RFC 6890 and later), whatever this version of Python has heard of.
_SPECIAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20",
    )
)  # fmt: skip
# The last eight bytes of an ISATAP address begin so (RFC 5214) and end with the IPv4 address it leads to.
_ISATAP: Final = (0x00005EFE, 0x02005EFE)


class FetchError(Exception):
    """An address could not be read. `code` is stable; the text is for the person who gave the address.

    Not one of the errors of `requests`, which are `OSError`s: its connections would take a refusal for a failure.
    """

    code = "unreachable"


class ForbiddenAddressError(FetchError):
    """The address leads, or may lead, into an internal network, or is no https address."""

    code = "address_not_allowed"


class TooMuchError(FetchError):
    """The answer is longer, or takes longer, than any answer of this kind may."""

    code = "too_much"


def get_bytes(url: str) -> bytes:
    """What stands at `url`, over at most three redirects. Raises `FetchError`."""
    with session() as opened:
        for _hop in range(MAX_REDIRECTS + 1):
            answer = opened.get(url)
            if not answer.is_redirect:
                break
            url = urljoin(url, answer.headers["Location"])
    if answer.status_code != 200:
        raise FetchError(
            _("The server answered with status %(status)s instead of the document.")
            % {"status": answer.status_code}
        )
    return answer.content


def get_json(url: str) -> dict[str, Any]:
    """The JSON object at `url`. Raises `FetchError`."""
    try:
        found = json.loads(get_bytes(url))
    except ValueError as error:
        raise FetchError(_("What stands at this address is not JSON.")) from error
    if not isinstance(found, dict):
        raise FetchError(_("What stands at this address is not a JSON object."))
    return found


def session() -> "GuardedSession":
    """A session for one conversation with a server that an organization named."""
    return GuardedSession()


class GuardedSession(requests.Session):
    """As `requests.Session`, but only to permitted addresses, for at most ten seconds and one mebibyte an answer.

    It follows no redirects: credentials go where they were meant to go, or nowhere.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # a proxy would resolve names for us
        self.headers["Accept-Encoding"] = "identity"
        self.mount("https://", _GuardedAdapter())
        self.mount("http://", _GuardedAdapter())

    def request(self, method: str, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        """Sends one request. Raises `FetchError`."""
        check_address(str(url))
        options |= {"timeout": CONNECT_SECONDS, "stream": True, "allow_redirects": False}
        try:
            with _watch() as is_over, super().request(method, url, *args, **options) as answer:
                _read(answer, is_over)
                return answer
        except requests.RequestException as error:
            raise FetchError(_("Nothing useful answered at this address.")) from error


def check_address(url: str) -> None:
    """Raise `ForbiddenAddressError` unless `url` may be fetched at all; where it leads is looked at when connecting."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ForbiddenAddressError(_("This is not an address.")) from error
    if not host or parts.username is not None or parts.scheme not in ("https", "http"):
        raise ForbiddenAddressError(_("Only addresses that begin with https:// can be read."))
    if parts.scheme == "http" and not settings.INTERNAL_NETWORKS_ALLOWED:
        raise ForbiddenAddressError(_("Only addresses that begin with https:// can be read."))


def permitted_addresses(host: str, port: int) -> list[str]:
    """The addresses `host` stands for. Raises `ForbiddenAddressError` when even one of them is internal."""
    found = _resolve(host, port)
    if not all(is_permitted(address) for address in found):
        raise ForbiddenAddressError(
            _(
                "This address leads into an internal network. The operator of the installation can allow that network."
            )
        )
    return [str(address) for address in found]


def is_permitted(address: Address) -> bool:
    """Whether we connect to `address`: it is public, or the operator allowed its network."""
    plain = _unwrapped(address)
    if is_allowed_internally(plain):
        return True
    if plain.version == 6 and plain not in _PUBLIC_IPV6:
        return False
    return plain.is_global and not any(plain in network for network in _SPECIAL)


def is_allowed_internally(address: Address) -> bool:
    """Whether the operator said that identity providers may stand at `address`."""
    return any(
        address.version == network.version and address in network
        for network in settings.INTERNAL_NETWORKS_ALLOWED
    )


def _unwrapped(address: Address) -> Address:
    """An IPv4 address out of the IPv6 forms that only carry one: mapped, compatible, 6to4, Teredo, NAT64, ISATAP."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    number = int(address)
    last = ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if address in _NAT64 or number >> 32 & 0xFFFFFFFF in _ISATAP or (number >> 32 == 0 and number > 1):
        return last
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def _resolve(host: str, port: int) -> list[Address]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found = [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows]
    except (OSError, ValueError, UnicodeError) as error:
        raise FetchError(_("There is no server of this name.")) from error
    return list(dict.fromkeys(found))


class _Watch(threading.local):
    """Told of each connection this thread opens, so that the request's deadline can cut it off."""

    current: Callable[[socket.socket], None] | None = None


_watching = _Watch()


@contextmanager
def _watch() -> Iterator[threading.Event]:
    """Cut off every connection made inside when the time is up. Yields the event of that."""
    handles: list[socket.socket] = []
    is_over = threading.Event()

    def cut() -> None:
        is_over.set()
        for handle in handles:
            try:
                handle.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # over already

    timer = threading.Timer(TOTAL_SECONDS, cut)
    timer.daemon = True
    # A second handle, because TLS takes the first one over.
    _watching.current = lambda connection: handles.append(connection.dup())
    timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()
        _watching.current = None
        for handle in handles:
            handle.close()


def _read(answer: requests.Response, is_over: threading.Event) -> None:
    """Load the body, within its limits. Raises `TooMuchError`."""
    body = bytearray()
    for chunk in answer.iter_content(16 * 1024):
        body += chunk
        if len(body) > MAX_BYTES:
            break
    # A connection that was cut off reads like one that ended.
    if len(body) > MAX_BYTES or is_over.is_set():
        raise TooMuchError(_("What stands at this address is too long, or takes too long."))
    answer._content = bytes(body)


def _connect(connection: HTTPConnection) -> socket.socket:
    """A socket to one of the permitted addresses of the connection's host."""
    if connection.port is None:
        raise FetchError(_("This is not an address."))
    failure: OSError | None = None
    for address in permitted_addresses(connection.host.strip("[]"), connection.port):
        secure = isinstance(connection, HTTPSConnection)
        if not secure and not is_allowed_internally(ipaddress.ip_address(address)):
            raise ForbiddenAddressError(_("Only addresses that begin with https:// can be read."))
        try:
            opened = socket.create_connection((address, connection.port), timeout=CONNECT_SECONDS)
        except OSError as error:
            failure = error
            continue
        if _watching.current is not None:
            _watching.current(opened)
        return opened
    raise NewConnectionError(connection, "Nothing answered.") from failure


class _PlainConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _SecureConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _GuardedAdapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
