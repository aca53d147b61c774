"""HTTP to one server: bounded answers, cautious retries, errors as sentences.

The token is sent with the first request: the anonymous round of protocol section 1.1 is what the
other clients do, a server accepts both. Redirects are not followed, so a token cannot wander off.
"""

import json
import locale
import platform
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, Protocol
from uuid import uuid4

import httpx

from rmsclient import __version__
from rmsclient.addresses import ServerAddress
from rmsclient.errors import RefusalError, ServerError, SignInError

MAX_ANSWER = 16 * 2**20
MAX_DOWNLOAD = 8 * 2**30
ANSWER_SECONDS = 120.0
ATTEMPTS = 4
_TRANSIENT = frozenset({429, 502, 503, 504})
_JITTER = random.SystemRandom()
_CODE_PREFIX = "Microsoft.RightsManagement.Exceptions."
# Nothing of the request can have reached the server: repeating it is safe even for publishing.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class TokenSource(Protocol):
    """Where the bearer token for this server comes from."""

    def token(self) -> str: ...

    def renewed(self, refused: str) -> str | None:
        """Another token after ``refused`` was turned down, or None."""
        ...


class Transport:
    """Requests to one installation. ``tokens`` None: nothing is ever authenticated."""

    def __init__(
        self,
        server: ServerAddress,
        tokens: TokenSource | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        read_timeout: float = 60.0,
    ) -> None:
        self.server = server
        self._tokens = tokens
        self._sleep = sleep
        # A proxy from the environment must not see what is meant for this computer.
        self._client = httpx.Client(
            follow_redirects=False,
            trust_env=not server.is_loopback,
            verify=_tls_context(server),
            timeout=httpx.Timeout(read_timeout, connect=10.0),
            headers=_standing_headers(),
        )

    def close(self) -> None:
        self._client.close()

    def get_json(self, path: str, params: Mapping[str, str] | None = None) -> object:
        return self._exchange("GET", path, params=params, repeatable=True)

    def post_json(self, path: str, body: object, *, repeatable: bool = False) -> object:
        """``repeatable``: the call changes nothing, so it may be sent again after a lost answer."""
        return self._exchange("POST", path, body=body, repeatable=repeatable)

    def create_json(self, path: str, body: object) -> object:
        """A POST that creates something: it carries a key of its own, so it may be sent again and creates once."""
        return self._exchange("POST", path, body=body, repeatable=True, key=str(uuid4()))

    def send_json(self, method: str, path: str, body: object = None) -> object:
        """A PUT, PATCH or DELETE, which may be repeated. None for an answer without content."""
        return self._exchange(method, path, body=body, repeatable=True, may_be_empty=True)

    def post_form(self, url: str, fields: Mapping[str, str]) -> tuple[int, object]:
        """An OAuth request (never with the bearer token): status and JSON, whatever the status."""
        status, content = self._send("POST", url, token=None, data=dict(fields), repeatable=False)
        return status, _parse(content, self.server)

    def post_form_blindly(self, url: str, fields: Mapping[str, str]) -> int:
        """An OAuth request whose answer has no content that matters: its status."""
        return self._send("POST", url, token=None, data=dict(fields), repeatable=False)[0]

    def download(self, path: str, target: BinaryIO) -> int:
        """Copies the body of a GET to ``target``; number of bytes. A broken transfer raises ServerError."""
        with self._authorized("GET", path) as response:
            total = 0
            for chunk in response.iter_raw(2**18):
                total += len(chunk)
                if total > MAX_DOWNLOAD:
                    raise ServerError("answer_too_large", f"{self.server} sent more data than is acceptable.")
                target.write(chunk)
            return total

    def _exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        repeatable: bool,
        key: str | None = None,
        may_be_empty: bool = False,
    ) -> object:
        url = self.server.join(path)
        token = self._tokens.token() if self._tokens else None
        status, content = self._send(
            method, url, token=token, params=params, body=body, repeatable=repeatable, key=key
        )
        if status == 401 and self._tokens and token and (fresh := self._tokens.renewed(token)):
            status, content = self._send(
                method, url, token=fresh, params=params, body=body, repeatable=repeatable, key=key
            )
        if may_be_empty and status == 204:
            return None
        if status not in (200, 201, 202):
            raise self._refusal(status, content)
        return _parse(content, self.server)

    @contextmanager
    def _authorized(self, method: str, path: str) -> Iterator[httpx.Response]:
        url = self.server.join(path)
        token = self._tokens.token() if self._tokens else None
        for attempt in range(2):
            with self._stream(method, url, token=token) as response:
                if response.status_code == 200:
                    yield response
                    return
                content = self._read(response)
            fresh = self._tokens.renewed(token) if self._tokens and token and attempt == 0 else None
            if response.status_code != 401 or fresh is None:
                raise self._refusal(response.status_code, content)
            token = fresh

    def _send(
        self,
        method: str,
        url: str,
        *,
        token: str | None,
        params: Mapping[str, str] | None = None,
        body: object = None,
        data: Mapping[str, str] | None = None,
        repeatable: bool,
        key: str | None = None,
    ) -> tuple[int, bytes]:
        content = json.dumps(body).encode() if body is not None else None
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            pause = _JITTER.uniform(0.5, 1.0) * 0.5 * 3**attempt
            try:
                with self._stream(
                    method, url, token=token, params=params, content=content, data=data, key=key
                ) as response:
                    answer = self._read(response)
            except _UnreachableError as failure:
                if last or not (repeatable or failure.not_sent):
                    raise
            else:
                # 409 with a time to wait: the first attempt with this key is still being worked on.
                running = (
                    key is not None and response.status_code == 409 and "Retry-After" in response.headers
                )
                if last or not repeatable or not (running or response.status_code in _TRANSIENT):
                    return response.status_code, answer
                pause = max(pause, _retry_after(response))
            self._sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _stream(
        self,
        method: str,
        url: str,
        *,
        token: str | None,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        data: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Iterator[httpx.Response]:
        headers = {"x-ms-rms-request-id": f"{{{uuid4()}}};{{{uuid4()}}}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        if content is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            with self._client.stream(
                method, url, params=params, content=content, data=data, headers=headers
            ) as response:
                yield response
        except (httpx.HTTPError, httpx.InvalidURL) as failure:
            raise _UnreachableError(self.server, failure) from failure

    def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ServerError(
                "unexpected_answer", f"{self.server} sent a compressed answer nobody asked for."
            )
        deadline = time.monotonic() + ANSWER_SECONDS
        content = bytearray()
        for chunk in response.iter_raw(2**16):
            content += chunk
            if len(content) > MAX_ANSWER:
                raise ServerError("answer_too_large", f"{self.server} sent more data than is acceptable.")
            if time.monotonic() > deadline:
                raise ServerError("server_unreachable", f"{self.server} took too long to answer.")
        return bytes(content)

    def _refusal(self, status: int, content: bytes) -> ServerError:
        code, message = _error_members(content)
        if status == 401:
            return SignInError(
                "sign_in_refused",
                f"{self.server} does not accept the sign-in (any more). Run: rightskeep login {self.server}",
            )
        if 300 <= status < 400:
            return ServerError(
                "redirected", f"{self.server} points to another address; use that server's own address."
            )
        if message:
            return RefusalError(status, code or f"http_{status}", message)
        if status == 404:
            return RefusalError(status, "not_found", f"{self.server} knows nothing by that name.")
        return RefusalError(status, f"http_{status}", f"{self.server} answered with an error ({status}).")


class _UnreachableError(ServerError):
    def __init__(self, server: ServerAddress, failure: Exception) -> None:
        reason = " ".join(str(failure).split()) or type(failure).__name__
        super().__init__("server_unreachable", f"{server} cannot be reached: {reason[:200]}.")
        self.not_sent = isinstance(failure, _NOT_SENT)


def _parse(content: bytes, server: ServerAddress) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ServerError(
            "unexpected_answer",
            f"{server} did not answer with JSON. Is this the address of a Rightskeep server?",
        ) from None


def _error_members(content: bytes) -> tuple[str, str]:
    """Code and message of ``{"Code","Message"}`` (devices) or ``{"code","message"}`` (/api/v1)."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(value, dict):
        return "", ""
    code = value.get("Code", value.get("code"))
    message = value.get("Message", value.get("message"))
    return (
        code.removeprefix(_CODE_PREFIX)[:100] if isinstance(code, str) else "",
        message[:2000] if isinstance(message, str) else "",
    )


def _retry_after(response: httpx.Response) -> float:
    try:
        return min(max(float(response.headers.get("Retry-After", "0")), 0.0), 30.0)
    except ValueError:
        return 0.0


def _tls_context(server: ServerAddress) -> ssl.SSLContext:
    """The system's certificate authorities (an organization's own one among them); none for plain http."""
    if server.origin.startswith("https://"):
        return ssl.create_default_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _standing_headers() -> dict[str, str]:
    language = (locale.getlocale()[0] or "").replace("_", "-")
    return {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Accept-Language": language if language.isascii() and "-" in language else "en",
        "User-Agent": f"rightskeep/{__version__}",
        "x-ms-rms-platform-id": (
            f"AppName=rightskeep;AppVersion={__version__};DevicePlatform={platform.system() or 'unknown'};"
            f"SDKVersion={__version__};"
        ),
    }
