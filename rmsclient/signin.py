"""Signing in by device code (RFC 8628), renewing (RFC 6749 section 6) and signing out (RFC 7009)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from rmsclient.addresses import ServerAddress
from rmsclient.credentials import SignIn, SignInStore, with_tokens
from rmsclient.errors import ServerError, SignInError
from rmsclient.shapes import Answer
from rmsclient.transport import Transport

CLIENT_ID = "rightskeep-cli"
SCOPES = "openid email profile licensing admin"
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_MAX_LIFETIME = 24 * 3600
_MAX_POLL_SECONDS = 60


@dataclass(frozen=True)
class Endpoints:
    """OpenID Connect endpoints of a server, all on its own origin."""

    device: str
    token: str
    revocation: str | None


@dataclass(frozen=True)
class DeviceCode:
    """What the person has to enter where; ``interval`` and ``lifetime`` in seconds."""

    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    device_code: str
    interval: int
    lifetime: int


def find_endpoints(transport: Transport) -> Endpoints:
    """Reads the server's OpenID Connect configuration; endpoints elsewhere are refused."""
    found = Answer(transport.get_json("/.well-known/openid-configuration"), "openid-configuration")

    def own(url: str) -> str:
        if not (url + "/").startswith(transport.server.origin + "/"):
            raise ServerError(
                "foreign_endpoint",
                f"{transport.server} sends sign-ins to another address ({url}). If that is the server's "
                "real address, use it: rightskeep login <that address>",
            )
        return url

    revocation = found.optional_text("revocation_endpoint")
    return Endpoints(
        own(found.text("device_authorization_endpoint")),
        own(found.text("token_endpoint")),
        own(revocation) if revocation else None,
    )


def request_device_code(transport: Transport, endpoints: Endpoints) -> DeviceCode:
    fields = {"client_id": CLIENT_ID, "scope": SCOPES}
    status, value = transport.post_form(endpoints.device, fields)
    answer = Answer(value, "device code")
    if status != 200:
        raise _oauth_error(transport.server, answer)
    return DeviceCode(
        answer.text("user_code"),
        answer.text("verification_uri"),
        answer.optional_text("verification_uri_complete"),
        answer.text("device_code"),
        _clamped(answer.optional_number("interval"), 5, 1, _MAX_POLL_SECONDS),
        _clamped(answer.number("expires_in"), 1800, 1, _MAX_LIFETIME),
    )


def wait_for_sign_in(
    transport: Transport,
    endpoints: Endpoints,
    code: DeviceCode,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> SignIn:
    """Polls until the person has decided. Raises SignInError when they refuse or let the code expire."""
    interval = code.interval
    deadline = clock() + code.lifetime
    fields = {"grant_type": _DEVICE_GRANT, "device_code": code.device_code, "client_id": CLIENT_ID}
    while clock() < deadline:
        sleep(interval)
        status, value = transport.post_form(endpoints.token, fields)
        answer = Answer(value, "token")
        if status == 200:
            return _sign_in(transport.server, answer)
        error = answer.optional_text("error")
        if error == "slow_down":  # section 3.5: five seconds more, for this and all following requests
            interval = min(interval + 5, _MAX_POLL_SECONDS)
        elif error == "access_denied":
            raise SignInError("sign_in_denied", "The sign-in was refused in the browser.")
        elif error in ("expired_token", "invalid_grant"):
            break
        elif error != "authorization_pending":
            raise _oauth_error(transport.server, answer)
    raise SignInError("code_expired", "The code has expired before anyone entered it; start again.")


class StoredTokens:
    """Token source that renews the stored sign-in of one server."""

    def __init__(self, server: ServerAddress, store: SignInStore, sign_in: SignIn) -> None:
        self._server = server
        self._store = store
        self._sign_in = sign_in

    def token(self) -> str:
        if not self._sign_in.is_fresh(time.time()) and self._sign_in.refresh_token:
            self._renew(self._sign_in.access_token)
        return self._sign_in.access_token

    def renewed(self, refused: str) -> str | None:
        if self._sign_in.refresh_token is None:
            return None
        self._renew(refused)
        return self._sign_in.access_token if self._sign_in.access_token != refused else None

    def _renew(self, refused: str) -> None:
        with self._store.exclusive():
            # Another process may have renewed already; its refresh token has replaced ours.
            stored = self._store.find(self._server.origin) or self._sign_in
            if stored.access_token == refused and stored.refresh_token:
                stored = _refresh(self._server, stored, stored.refresh_token)
                self._store.renew(self._server.origin, stored)
            self._sign_in = stored


class FixedToken:
    """Token source for ``RIGHTSKEEP_TOKEN``: it is what it is."""

    def __init__(self, value: str) -> None:
        self._value = value

    def token(self) -> str:
        return self._value

    def renewed(self, refused: str) -> str | None:
        return None


def revoke(transport: Transport, sign_in: SignIn) -> bool:
    """Asks the server to forget the tokens; False when it could not be asked."""
    try:
        endpoint = find_endpoints(transport).revocation
        if endpoint is None:
            return False
        for token in filter(None, (sign_in.refresh_token, sign_in.access_token)):
            transport.post_form_blindly(endpoint, {"token": token, "client_id": CLIENT_ID})
    except ServerError:
        return False
    return True


def _refresh(server: ServerAddress, sign_in: SignIn, refresh_token: str) -> SignIn:
    transport = Transport(server)
    try:
        endpoints = find_endpoints(transport)
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": CLIENT_ID}
        status, value = transport.post_form(endpoints.token, fields)
    finally:
        transport.close()
    answer = Answer(value, "token")
    if status != 200:
        if answer.optional_text("error") == "invalid_grant":
            raise SignInError(
                "sign_in_expired", f"The sign-in at {server} has ended. Run: rightskeep login {server}"
            )
        raise _oauth_error(server, answer)
    fresh = _sign_in(server, answer)
    return with_tokens(sign_in, fresh.access_token, fresh.refresh_token, int(fresh.expires_at - time.time()))


def _sign_in(server: ServerAddress, answer: Answer) -> SignIn:
    access = answer.text("access_token")
    if answer.text("token_type").lower() != "bearer" or not _is_token(access):
        raise ServerError("unexpected_answer", f"{server} issued a kind of token that cannot be used.")
    lifetime = _clamped(answer.optional_number("expires_in"), 3600, 0, 10 * 365 * 86400)
    refresh = answer.optional_text("refresh_token")
    return SignIn(server.url, access, refresh, time.time() + lifetime, email="", name="")


def _is_token(text: str) -> bool:
    return bool(text) and all("!" <= character <= "~" for character in text)


def _clamped(value: int | None, default: int, low: int, high: int) -> int:
    return min(max(value if value is not None else default, low), high)


def _oauth_error(server: ServerAddress, answer: Answer) -> SignInError:
    reason = answer.optional_text("error_description") or answer.optional_text("error") or "no reason given"
    return SignInError("sign_in_failed", f"{server} did not accept the sign-in: {reason}.")
