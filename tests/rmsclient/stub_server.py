"""HTTP servers on loopback that answer whatever a test wants, to see how the client takes it."""

import json
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def form(self):
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass
class Reply:
    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: dict = field(default_factory=dict)


def reply_json(value, status=200, **headers):
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def refuse(code, message, status=400):
    return reply_json({"Code": f"Microsoft.RightsManagement.Exceptions.{code}", "Message": message}, status)


class StubServer:
    """`routes` maps "METHOD /path" to a reply, or to a function of the request."""

    def __init__(self, url):
        self.url = url
        self.routes: dict[str, Reply | Callable[[Request], Reply]] = {}
        self.requests: list[Request] = []

    def answer(self, request):
        self.requests.append(request)
        route = self.routes.get(f"{request.method} {request.path}")
        if route is None:
            return Reply(404)
        return route(request) if callable(route) else route

    def sent(self, key):
        return [r for r in self.requests if f"{r.method} {r.path}" == key]


@contextmanager
def stub_server():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self):
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, parts.path, parse_qs(parts.query), headers, body)
            reply = stub.answer(request)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if isinstance(reply.body, bytes):
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
                return
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            try:
                for chunk in reply.body:
                    self.wfile.write(chunk)
            except OSError:
                pass  # the client has had enough, which is what the test is about

        do_GET = handle_any  # noqa: N815 - the names are those of http.server
        do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            if not isinstance(sys.exception(), ConnectionError):  # a client may go whenever it likes
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    stub = StubServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
