"""A real name server on loopback for tests: answers TXT questions from a dict that a test may change meanwhile."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class Zone:
    """What the server says: `texts` by name without the last dot; names in `failing` get a server failure."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.failing: set[str] = set()
        self.address = ("127.0.0.1", 0)

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        name = query.question[0].name.to_text()
        bare = name.rstrip(".")
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if bare in self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif self.texts.get(bare):
            values = [f'"{text}"' for text in self.texts[bare]]
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *values))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


@contextmanager
def serving() -> Iterator[Zone]:
    """The server runs as long as the context does, on a free port."""
    zone = Zone()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    zone.address = sock.getsockname()

    def serve() -> None:
        while True:
            try:
                wire, peer = sock.recvfrom(4096)
            except OSError:
                return
            query = dns.message.from_wire(wire)
            if query.question[0].name.to_text() == "stop.":
                return
            sock.sendto(zone.answer(query).to_wire(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield zone
    finally:
        sock.sendto(dns.message.make_query("stop.", "TXT").to_wire(), zone.address)
        thread.join(5)
        sock.close()
