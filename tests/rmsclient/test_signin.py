import json
import threading
import time

import pytest

from rmsclient import signin
from rmsclient.addresses import parse_address
from rmsclient.connection import Connections
from rmsclient.credentials import SignIn
from rmsclient.errors import ServerError, SignInError, UsageError
from rmsclient.transport import Transport
from tests.rmsclient.stub_server import Reply, reply_json

WHOAMI: dict[str, object] = {
    "email": "alice@contoso.example",
    "name": "Alice",
    "person_id": "3f0d1f0a-0000-4000-8000-00000000000c",
    "organization": None,
    "roles": [],
}


class Provider:
    """The device-code side of an OpenID provider on a stub server; `decisions` is what polling finds."""

    def __init__(self, server, decisions=()):
        self.server = server
        self.decisions = list(decisions)
        self.refreshed = 0
        base = f"{server.url}/identity/o"
        server.routes["GET /.well-known/openid-configuration"] = reply_json(
            {
                "device_authorization_endpoint": f"{base}/api/device/code",
                "token_endpoint": f"{base}/api/token",
                "revocation_endpoint": f"{base}/api/revoke",
            }
        )
        server.routes["POST /identity/o/api/device/code"] = reply_json(
            {
                "device_code": "device-1",
                "user_code": "BCDF-GHJK",
                "verification_uri": f"{base}/device",
                "interval": 1,
                "expires_in": 60,
            }
        )
        server.routes["POST /identity/o/api/token"] = self.token
        server.routes["POST /identity/o/api/revoke"] = Reply(200)
        server.routes["GET /api/v1/whoami/"] = reply_json(WHOAMI)

    def token(self, request):
        if request.form["grant_type"] == "refresh_token":
            if request.form["refresh_token"] != f"refresh-{self.refreshed}":
                return reply_json({"error": "invalid_grant"}, 400)
            self.refreshed += 1
            return self.issue(self.refreshed)
        decision = self.decisions.pop(0) if self.decisions else None
        return reply_json({"error": decision}, 400) if decision else self.issue(0)

    def issue(self, number):
        return reply_json(
            {
                "access_token": f"access-{number}",
                "refresh_token": f"refresh-{number}",
                "token_type": "Bearer",
                "expires_in": 3600,
            }
        )


def poll(server, decisions):
    Provider(server, decisions)
    pauses: list[float] = []
    transport = Transport(parse_address(server.url))
    endpoints = signin.find_endpoints(transport)
    code = signin.request_device_code(transport, endpoints)
    try:
        return signin.wait_for_sign_in(transport, endpoints, code, sleep=pauses.append), pauses
    finally:
        transport.close()


def test_polling_waits_and_slows_down_when_told(server):
    found, pauses = poll(server, ["authorization_pending", "slow_down", "authorization_pending"])
    assert found.access_token == "access-0"
    assert pauses == [1, 1, 6, 6]


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        ("access_denied", "sign_in_denied"),
        ("expired_token", "code_expired"),
        ("invalid_grant", "code_expired"),
        ("invalid_client", "sign_in_failed"),
    ],
)
def test_a_sign_in_that_does_not_happen(server, decision, code):
    with pytest.raises(SignInError) as caught:
        poll(server, ["authorization_pending", decision])
    assert caught.value.code == code


def test_login_stores_for_this_origin_with_mode_0600(server, store, rightskeep):
    Provider(server)
    outcome = rightskeep("login", server.url, environment={})
    assert outcome.code == 0
    assert "BCDF-GHJK" in outcome.stdout
    assert f"{server.url}/identity/o/device" in outcome.stdout
    assert "alice@contoso.example" in outcome.stdout
    assert "access-0" not in outcome.stdout + outcome.stderr
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert list(store.all()) == [server.url]


def test_login_json_tells_the_code_on_stderr_and_the_person_on_stdout(server, rightskeep):
    Provider(server)
    outcome = rightskeep("--json", "login", server.url, environment={})
    assert json.loads(outcome.stderr)["user_code"] == "BCDF-GHJK"
    assert outcome.json["email"] == "alice@contoso.example"


def test_logout_forgets_here_and_there(server, store, rightskeep):
    Provider(server)
    rightskeep("login", server.url, environment={})
    assert rightskeep("logout", environment={}).code == 0
    assert store.all() == {}
    told = [r.form["token"] for r in server.sent("POST /identity/o/api/revoke")]
    assert told == ["refresh-0", "access-0"]
    assert rightskeep("logout", environment={}).code == 6


def test_endpoints_elsewhere_are_refused(server, other_server, rightskeep, store):
    Provider(server)
    server.routes["GET /.well-known/openid-configuration"] = reply_json(
        {
            "device_authorization_endpoint": f"{other_server.url}/device",
            "token_endpoint": f"{other_server.url}/token",
        }
    )
    outcome = rightskeep("login", server.url, "--json", environment={})
    assert outcome.code == 6
    assert outcome.json["error"]["code"] == "foreign_endpoint"
    assert other_server.requests == []


def stored(server, store, number=0, lifetime=3600.0):
    sign_in = SignIn(
        server.url,
        f"access-{number}",
        f"refresh-{number}",
        time.time() + lifetime,
        "alice@contoso.example",
        "A",
    )
    store.save(server.url, sign_in)
    return sign_in


def test_a_stale_token_is_renewed_before_use(server, store, rightskeep):
    Provider(server)
    stored(server, store, lifetime=10)
    assert rightskeep("whoami", environment={}).code == 0
    assert server.sent("GET /api/v1/whoami/")[0].headers["authorization"] == "Bearer access-1"
    assert store.find(server.url).refresh_token == "refresh-1"


def test_a_refused_token_is_renewed_once(server, store, rightskeep):
    Provider(server)
    server.routes["GET /api/v1/whoami/"] = lambda request: (
        reply_json(WHOAMI) if request.headers["authorization"] == "Bearer access-1" else Reply(401)
    )
    stored(server, store)
    assert rightskeep("whoami", environment={}).code == 0
    assert len(server.sent("POST /identity/o/api/token")) == 1


def test_an_ended_sign_in_says_how_to_sign_in_again(server, store, rightskeep):
    Provider(server)
    stored(server, store, number=7, lifetime=0)
    outcome = rightskeep("whoami", environment={})
    assert outcome.code == 6
    assert f"rightskeep login {server.url}" in outcome.stderr


def test_two_processes_do_not_spend_the_same_refresh_token(server, store):
    provider = Provider(server)
    stale = stored(server, store, lifetime=0)
    address = parse_address(server.url)
    sources = [signin.StoredTokens(address, store, stale) for _ in range(4)]
    found = []
    threads = [threading.Thread(target=lambda s=source: found.append(s.token())) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["access-1"] * 4
    assert provider.refreshed == 1


def test_a_sign_in_file_open_to_others_is_closed(server, store):
    stored(server, store)
    store.path.chmod(0o644)
    store.all()
    assert store.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"version": 9}', b'{"version": 1, "signins": {"x": {"a": 1}}}']
)
def test_an_unreadable_sign_in_file_is_a_sentence(store, content, rightskeep):
    store.path.parent.mkdir(exist_ok=True)
    store.path.write_bytes(content)
    outcome = rightskeep("whoami", environment={})
    assert outcome.code == 2
    assert str(store.path) in outcome.stderr


class TestWhichServerGetsWhichToken:
    def connections(self, store, url=None, **environment):
        return Connections(environment, store, url)

    def test_environment_token_goes_to_the_environment_server_only(self, server, other_server, store):
        environment = {"RIGHTSKEEP_URL": server.url, "RIGHTSKEEP_TOKEN": "secret-token"}
        with self.connections(store, other_server.url, **environment) as connections:
            with pytest.raises(SignInError):
                connections.default()
            with pytest.raises(SignInError, match="rightskeep login"):
                connections.for_license(f"{other_server.url}/t/x/_wmcs/licensing")

    def test_stored_sign_in_goes_to_its_own_server_only(self, server, other_server, store):
        stored(server, store)
        other_server.routes["GET /api/v1/whoami/"] = reply_json(WHOAMI)
        with (
            self.connections(store, RIGHTSKEEP_URL=other_server.url) as connections,
            pytest.raises(SignInError),
        ):
            connections.default()
        assert other_server.requests == []

    def test_environment_beats_the_stored_sign_in(self, server, store):
        stored(server, store)
        server.routes["GET /x"] = reply_json({})
        environment = {"RIGHTSKEEP_URL": server.url, "RIGHTSKEEP_TOKEN": "from-environment"}
        with self.connections(store, **environment) as connections:
            connections.default().get_json("/x")
        assert server.requests[0].headers["authorization"] == "Bearer from-environment"

    def test_a_token_needs_its_server(self, store):
        with pytest.raises(UsageError):
            self.connections(store, RIGHTSKEEP_TOKEN="x")

    def test_a_token_with_a_line_break_is_refused_without_being_shown(self, server, store):
        with pytest.raises(UsageError) as caught:
            self.connections(store, RIGHTSKEEP_URL=server.url, RIGHTSKEEP_TOKEN="abc\ndef")
        assert "abc" not in str(caught.value)

    @pytest.mark.parametrize(
        "url", [None, "", "http://evil.example/_wmcs", "https://a:b@c.example/", "x" * 10]
    )
    def test_a_file_with_an_unusable_server(self, store, url):
        with self.connections(store) as connections, pytest.raises(ServerError):
            connections.for_license(url)
