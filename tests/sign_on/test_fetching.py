"""Addresses that organizations give us lead nowhere inside, whatever they resolve to and whatever answers."""

import http.server
import ipaddress
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tenants import fetching
from tenants.fetching import FetchError, ForbiddenAddressError, TooMuchError

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture(autouse=True)
def _nothing_inside_is_allowed(settings: Any, _loopback_is_allowed: None) -> None:
    settings.INTERNAL_NETWORKS_ALLOWED = []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1",
        "169.254.169.254", "169.254.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1",
        "64:ff9b::169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:0:0:0:0:5601:5601",
        # this network, carrier-grade NAT, protocol assignments, 6to4 relays, documentation, benchmarks
        "0.1.2.3", "100.127.255.254", "192.0.0.8", "192.88.99.1", "198.51.100.1", "203.0.113.1", "198.19.255.1",
        # site-local, unique local, discard-only, segment routing, documentation, ORCHID, multicast of every scope
        "fec0::1", "feff::1", "fdff::1", "100::1", "5f00::1", "3fff::1", "2001:20::1", "ff0e::1", "ff05::2",
        # what carries an internal IPv4 address: mapped, translated, NAT64 of both kinds, 6to4, ISATAP
        "::ffff:100.64.0.1", "::ffff:0.0.0.0", "::ffff:0:10.0.0.1", "64:ff9b::100.64.0.1", "64:ff9b::0.0.0.1",
        "64:ff9b:1::1.1.1.1", "2002:a00:1::", "2002:6440:1::", "2002:e000:1::", "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:192.168.0.1", "4000::1", "e000::1",
    ],
)  # fmt: skip
def test_internal_addresses(address: str) -> None:
    assert not fetching.is_permitted(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "93.184.215.14",
        "2606:4700:4700::1111",
        "2a00:1450:4001::8a",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2002:101:101::1",
        "100.128.0.1",
    ],
)
def test_public_addresses(address: str) -> None:
    assert fetching.is_permitted(ipaddress.ip_address(address))


def test_the_operator_may_allow_a_network_and_only_that(settings: Any) -> None:
    settings.INTERNAL_NETWORKS_ALLOWED = [
        ipaddress.ip_network("10.1.0.0/16"),
        ipaddress.ip_network("fd00::/8"),
    ]
    for address, allowed in (
        ("10.1.9.9", True),
        ("10.2.0.1", False),
        ("fd12::1", True),
        ("127.0.0.1", False),
    ):
        assert fetching.is_permitted(ipaddress.ip_address(address)) is allowed


@pytest.mark.parametrize(
    "url",
    [
        "http://public.example/x", "ftp://public.example/", "file:///etc/passwd", "https://", "//x", "https://[::1",
        "https://user:password@public.example/", "https://public.example:port/", "gopher://127.0.0.1:6379/_x",
        "https://127.0.0.1:1/", "https://[::ffff:169.254.169.254]/latest/meta-data/", "https://localhost:1/",
        "https://2130706433:1/", "https://0x7f.1:1/", "https://0:1/",
    ],
)  # fmt: skip
def test_addresses_that_are_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(FetchError) as refused:
        fetching.get_bytes(url)
    assert "answered" not in str(refused.value)


class Server:
    """A web server on loopback that counts its visitors."""

    def __init__(self, body: bytes = b"{}", *, status: int = 200, location: str = "") -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Any]:
    running: list[Server] = []

    def start(*args: Any, **options: Any) -> Server:
        running.append(Server(*args, **options))
        return running[-1]

    yield start
    for server in running:
        server.stop()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Have names resolve to the answers, one after the other, the last one for ever: DNS is what is played here."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: Any, *args: Any, **options: Any) -> Any:
        if host[0].isdigit():
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        answer = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answer.split()]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_name_is_resolved_once_and_that_address_is_used(
    serve: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: the address that was looked at is the one connected to, because nobody asks the DNS again."""
    settings.INTERNAL_NETWORKS_ALLOWED = [ipaddress.ip_network("127.0.0.1/32")]
    server = serve(b'{"a": 1}')
    connected: list[Any] = []
    real = socket.create_connection

    def connect(address: Any, **more: Any) -> socket.socket:
        connected.append(address)
        return real(address, **more)

    monkeypatch.setattr(socket, "create_connection", connect)
    asked = resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    assert fetching.get_json(f"http://rebinding.example:{server.port}/") == {"a": 1}
    assert asked == ["rebinding.example"] and connected == [("127.0.0.1", server.port)]


def test_a_name_with_one_internal_address_is_refused(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    resolve_to(monkeypatch, "1.1.1.1 127.0.0.1")
    with pytest.raises(ForbiddenAddressError):
        fetching.get_bytes(f"https://mixed.example:{server.port}/")
    assert server.asked == []


@pytest.mark.parametrize(
    "target", ["https://10.0.0.1/", "https://[::1]/", "http://127.0.0.9/", "file:///etc/passwd"]
)
def test_redirects_are_looked_at_like_addresses(serve: Any, settings: Any, target: str) -> None:
    settings.INTERNAL_NETWORKS_ALLOWED = [ipaddress.ip_network("127.0.0.1/32")]
    server = serve(status=302, location=target)
    with pytest.raises(FetchError):
        fetching.get_bytes(f"http://127.0.0.1:{server.port}/")
    assert len(server.asked) == 1


def test_redirects_end(serve: Any, settings: Any) -> None:
    settings.INTERNAL_NETWORKS_ALLOWED = LOOPBACK
    server = serve(status=302, location="/again")
    with pytest.raises(FetchError):
        fetching.get_bytes(f"http://127.0.0.1:{server.port}/")
    assert len(server.asked) == fetching.MAX_REDIRECTS + 1


def test_credentials_follow_no_redirect(serve: Any, settings: Any) -> None:
    settings.INTERNAL_NETWORKS_ALLOWED = LOOPBACK
    other = serve()
    server = serve(status=307, location=f"http://127.0.0.1:{other.port}/steal")
    with fetching.session() as opened:
        answer = opened.post(f"http://127.0.0.1:{server.port}/", data={"client_secret": "s"})
    assert answer.status_code == 307 and other.asked == []


def test_long_answers_are_cut_off(serve: Any, settings: Any) -> None:
    settings.INTERNAL_NETWORKS_ALLOWED = LOOPBACK
    server = serve(b"x" * (fetching.MAX_BYTES + 1))
    with pytest.raises(TooMuchError):
        fetching.get_bytes(f"http://127.0.0.1:{server.port}/")


def test_slow_answers_are_cut_off(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that keeps dripping header lines never reaches a read timeout; the deadline ends it."""
    settings.INTERNAL_NETWORKS_ALLOWED = LOOPBACK
    monkeypatch.setattr(fetching, "TOTAL_SECONDS", 0.3)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _peer = listening.accept()
            with connection:
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\n")
                    while not over.wait(0.02):
                        connection.sendall(b"X-More: 1\r\n")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            with pytest.raises(FetchError):
                fetching.get_bytes(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        finally:
            over.set()
            dripping.join()


@pytest.mark.parametrize("body", [b"[1]", b"not json: root:x:0:0", b"\xff"])
def test_errors_do_not_quote_the_answer(serve: Any, settings: Any, body: bytes) -> None:
    settings.INTERNAL_NETWORKS_ALLOWED = LOOPBACK
    with pytest.raises(FetchError) as refused:
        fetching.get_json(f"http://127.0.0.1:{serve(body).port}/")
    assert "root" not in str(refused.value)
