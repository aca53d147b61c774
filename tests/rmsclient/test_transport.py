"""The client against servers that are slow of mind, down, or hostile."""

import gzip
import io
import socket

import pytest

from rmsclient.addresses import parse_address
from rmsclient.errors import Exit, RefusalError, ServerError, SignInError
from rmsclient.signin import FixedToken
from rmsclient.transport import ATTEMPTS, MAX_ANSWER, Transport
from tests.rmsclient.stub_server import Reply, refuse, reply_json


@pytest.fixture
def transport(server):
    client = Transport(parse_address(server.url), FixedToken("secret"), sleep=lambda seconds: None)
    yield client
    client.close()


def test_token_comes_with_the_first_request(server, transport):
    server.routes["GET /x"] = reply_json({"a": 1})
    assert transport.get_json("/x") == {"a": 1}
    assert [r.headers["authorization"] for r in server.requests] == ["Bearer secret"]


def test_redirects_are_not_followed(server, other_server, transport):
    other_server.routes["GET /x"] = reply_json({})
    server.routes["GET /x"] = Reply(302, b"", {"Location": f"{other_server.url}/x"})
    with pytest.raises(ServerError) as caught:
        transport.get_json("/x")
    assert caught.value.code == "redirected"
    assert other_server.requests == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>welcome</html>"),
        Reply(200, b"[" * 200_000),
        Reply(200, b""),
        Reply(200, gzip.compress(b"{}" * 1000), {"Content-Encoding": "gzip"}),
        Reply(200, (b"x" * 2**20 for _ in range(MAX_ANSWER // 2**20 + 2))),
        Reply(500, b"<html>Traceback"),
        Reply(500, b'["not an object"]'),
        Reply(204, b""),
    ],
)
def test_nonsense_is_a_server_error(server, transport, reply):
    server.routes["GET /x"] = reply
    with pytest.raises(ServerError) as caught:
        transport.get_json("/x")
    assert caught.value.exit_code == Exit.SERVER


def test_the_servers_own_words_reach_the_person(server, transport):
    server.routes["POST /x"] = refuse("ServiceDisabledException", "Protection is switched off.")
    with pytest.raises(RefusalError, match="Protection is switched off") as caught:
        transport.post_json("/x", {})
    assert (caught.value.code, caught.value.status) == ("ServiceDisabledException", 400)


def test_forbidden_means_no_rights(server, transport):
    server.routes["GET /x"] = reply_json({"code": "not_admin", "message": "For admins."}, 403)
    with pytest.raises(RefusalError, match="For admins") as caught:
        transport.get_json("/x")
    assert caught.value.exit_code == Exit.NO_RIGHTS


def test_a_refused_token_names_the_way_back(server, transport):
    server.routes["GET /x"] = Reply(401)
    with pytest.raises(SignInError, match=f"rightskeep login {server.url}"):
        transport.get_json("/x")


def test_reading_is_repeated_after_a_passing_failure(server, transport):
    replies = iter([Reply(503), Reply(502), reply_json([])])
    server.routes["GET /x"] = lambda request: next(replies)
    assert transport.get_json("/x") == []


def test_reading_is_given_up_in_the_end(server, transport):
    server.routes["GET /x"] = Reply(503)
    with pytest.raises(ServerError):
        transport.get_json("/x")
    assert len(server.requests) == ATTEMPTS


def test_publishing_is_never_repeated_once_it_may_have_arrived(server, transport):
    server.routes["POST /x"] = Reply(503)
    with pytest.raises(ServerError):
        transport.post_json("/x", {})
    assert len(server.requests) == 1


def test_an_answer_that_never_comes(server, transport):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = Transport(parse_address(url), sleep=lambda seconds: None, read_timeout=0.1)
        with pytest.raises(ServerError) as caught:
            client.post_json("/x", {})
        client.close()
    assert caught.value.code == "server_unreachable"


def test_a_refused_connection_is_tried_again_even_for_publishing():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    pauses: list[float] = []
    client = Transport(parse_address(f"http://127.0.0.1:{port}"), sleep=pauses.append)
    with pytest.raises(ServerError, match="cannot be reached"):
        client.post_json("/x", {})
    client.close()
    assert len(pauses) == ATTEMPTS - 1
    assert pauses == sorted(pauses)


def test_a_torn_download_is_an_error(server, transport):
    server.routes["GET /log"] = Reply(200, [b"half"], {"Content-Length": "100"})
    target = io.BytesIO()
    with pytest.raises(ServerError):
        transport.download("/log", target)
