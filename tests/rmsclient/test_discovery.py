"""SRV discovery against a real DNS server on loopback."""

import socket
import threading
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from rmsclient.discovery import SRV_PREFIX, server_of_domain
from rmsclient.errors import ServerError, UsageError


@contextmanager
def dns_server(records):
    """Answers SRV questions from `records` ({name: [rdata, …]}); NXDOMAIN for the rest."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    asked = []

    def serve():
        while True:
            try:
                wire, peer = sock.recvfrom(4096)
            except OSError:
                return
            query = dns.message.from_wire(wire)
            name = query.question[0].name.to_text()
            if name == "stop.":
                return
            asked.append(name)
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.RA
            if name in records:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *records[name]))
            else:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            sock.sendto(answer.to_wire(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = sock.getsockname()[1]
    try:
        yield resolver, asked
    finally:
        sock.sendto(dns.message.make_query("stop.", "SRV").to_wire(), sock.getsockname())
        thread.join(5)
        sock.close()


def test_host_of_the_best_record_always_https():
    name = f"{SRV_PREFIX}contoso.example."
    with dns_server({name: ["20 0 80 spare.contoso.example.", "10 5 8080 RMS.contoso.example."]}) as (
        resolver,
        asked,
    ):
        found = server_of_domain("Contoso.example", resolver)
        assert asked == [name]
    assert found.url == "https://rms.contoso.example"


def test_international_domain():
    name = f"{SRV_PREFIX}xn--bcher-kva.example."
    with dns_server({name: ["1 1 80 rms.example."]}) as (resolver, _):
        assert server_of_domain("bücher.example", resolver).url == "https://rms.example"


def test_nothing_published_is_a_sentence_with_the_way_out():
    with (
        dns_server({}) as (resolver, _),
        pytest.raises(ServerError, match="rightskeep login https://") as caught,
    ):
        server_of_domain("fabrikam.example", resolver)
    assert caught.value.code == "no_srv_record"


def test_a_record_without_a_usable_host_counts_as_none():
    name = f"{SRV_PREFIX}contoso.example."
    with (
        dns_server({name: ["0 0 0 .", r"1 0 80 evil\@host.example."]}) as (resolver, _),
        pytest.raises(ServerError),
    ):
        server_of_domain("contoso.example", resolver)


@pytest.mark.parametrize("domain", ["", "a b.example", "evil/../x", "-x.example", "x" * 300])
def test_not_a_domain(domain):
    with pytest.raises(UsageError):
        server_of_domain(domain, dns.resolver.Resolver(configure=False))
