"""`track`, `revoke`, `restore` and `admin …` against answers as the API gives them, and as it should not."""

from datetime import UTC, datetime

import pytest

from tests.rmsclient.stub_server import Reply, reply_json

CONTENT_ID = "3f0d1f0a-0000-4000-8000-0000000000aa"
KEY_ID = "3f0d1f0a-0000-4000-8000-0000000000bb"
DOCUMENT = {
    "content_id": CONTENT_ID,
    "name": "Custom permissions",
    "file_name": "figures\x1b[31m.pdf",
    "owner": "alice@contoso.example",
    "issuer": "alice@contoso.example",
    "template": None,
    "published_at": "2026-11-01T10:00:00Z",
    "expires_at": None,
    "revoked_at": None,
    "opened": 2,
    "denied": 1,
}


def page(rows, following=None):
    return reply_json({"results": rows, "next": following, "previous": None})


def test_lists_run_over_all_pages(server, rightskeep):
    following = f"{server.url}/api/v1/documents/?cursor=abc"
    server.routes["GET /api/v1/documents/"] = lambda request: (
        page([DOCUMENT]) if request.query.get("cursor") == ["abc"] else page([DOCUMENT, DOCUMENT], following)
    )
    assert len(rightskeep("track", "--json").json["documents"]) == 3


def test_the_next_page_is_on_the_same_server(server, other_server, rightskeep):
    server.routes["GET /api/v1/documents/"] = page(
        [DOCUMENT], f"{other_server.url}/api/v1/documents/?cursor=a"
    )
    assert rightskeep("track").code == 6
    assert other_server.requests == []


def test_text_from_the_server_cannot_drive_the_terminal(server, rightskeep):
    server.routes["GET /api/v1/documents/"] = page([DOCUMENT])
    outcome = rightskeep("track")
    assert "figures" in outcome.stdout
    assert "\x1b" not in outcome.stdout


def test_one_document_with_its_openings(server, rightskeep):
    server.routes[f"GET /api/v1/documents/{CONTENT_ID}/"] = reply_json(DOCUMENT)
    server.routes[f"GET /api/v1/documents/{CONTENT_ID}/openings/"] = page(
        [
            {
                "time": "2026-11-02T10:00:00Z",
                "user": "dave@fabrikam.example",
                "result": "Success",
                "request_type": "FECreateEndUserLicenseV1",
                "ip": "192.0.2.1",
                "application": "AppName=rightskeep;AppVersion=1.2;DevicePlatform=Linux;SDKVersion=1.2;",
                "acting_as_user": "bob@contoso.example",
            },
            {
                "time": "2026-11-02T11:00:00Z",
                "user": "mallory@fabrikam.example",
                "result": "AccessDenied",
                "request_type": "FECreateEndUserLicenseV1",
                "ip": "192.0.2.2",
                "application": "",
            },
        ]
    )
    text = rightskeep("track", f"{{{CONTENT_ID.upper()}}}").stdout
    assert "dave@fabrikam.example" in text
    assert "(super user, for bob@contoso.example)" in text
    assert "refused" in text
    assert "rightskeep 1.2 Linux" in text


def test_a_strangers_document(rightskeep):
    outcome = rightskeep("track", CONTENT_ID, "--json")
    assert (outcome.code, outcome.json["error"]["code"]) == (3, "no_such_document")


def test_revoking_says_until_when_cached_licenses_live(server, rightskeep):
    server.routes[f"GET /api/v1/documents/{CONTENT_ID}/"] = reply_json(DOCUMENT)
    server.routes[f"POST /api/v1/documents/{CONTENT_ID}/revoke/"] = reply_json(
        {**DOCUMENT, "revoked_at": "2026-11-03T10:00:00Z", "access_until": "2026-12-02T10:00:00Z"}
    )
    asked = rightskeep("revoke", CONTENT_ID)
    assert (asked.code, "--yes" in asked.stderr) == (2, True)
    assert server.sent(f"POST /api/v1/documents/{CONTENT_ID}/revoke/") == []
    outcome = rightskeep("revoke", CONTENT_ID, "--yes", "--reason", "wrong person")
    local = datetime(2026, 12, 2, 10, tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    assert (outcome.code, local in outcome.stdout) == (0, True)
    assert server.sent(f"POST /api/v1/documents/{CONTENT_ID}/revoke/")[0].json == {"reason": "wrong person"}


def test_neither_file_nor_id(rightskeep):
    assert rightskeep("track", "nothing-here").code == 2


def key(state, **times):
    return reply_json({"id": KEY_ID, "fingerprint": "ab" * 32, "state": state, **times})


def test_rolling_waits_for_the_new_key(server, rightskeep):
    server.routes["GET /api/v1/keys/"] = reply_json([{"id": KEY_ID, "state": "active", "documents": 412}])
    refused = rightskeep("admin", "keys", "roll")
    assert (refused.code, "the 412 documents" in refused.stderr) == (2, True)
    assert [request.method for request in server.requests] == ["GET"]
    states = iter(
        [Reply(503), key("pending"), key("active", activated_at="2026-11-03T10:00:00Z")],
    )
    server.routes["POST /api/v1/keys/roll/"] = reply_json({"id": KEY_ID, "state": "pending"}, 202)
    server.routes[f"GET /api/v1/keys/{KEY_ID}/"] = lambda request: next(states)
    outcome = rightskeep("admin", "keys", "roll", "--yes", "--json")
    assert (outcome.code, outcome.json["state"]) == (0, "active")


def test_a_key_that_does_not_become_active(server, rightskeep):
    server.routes["POST /api/v1/keys/roll/"] = reply_json({"id": KEY_ID, "state": "pending"}, 202)
    server.routes[f"GET /api/v1/keys/{KEY_ID}/"] = key("destroyed")
    assert rightskeep("admin", "keys", "roll", "--yes").code == 6
    server.routes[f"GET /api/v1/keys/{KEY_ID}/"] = key("pending")
    outcome = rightskeep("admin", "keys", "roll", "--yes", "--timeout", "0", "--json")
    assert (outcome.code, outcome.json["error"]["code"]) == (6, "roll_pending")


def test_not_an_admin(server, rightskeep):
    server.routes["GET /api/v1/people/"] = reply_json({"code": "not_allowed", "message": "For admins."}, 403)
    outcome = rightskeep("admin", "people", "list")
    assert (outcome.code, "For admins." in outcome.stderr) == (3, True)


class TestLogs:
    @pytest.fixture(autouse=True)
    def days(self, server):
        server.routes["GET /api/v1/logs/usage/"] = reply_json(
            [{"day": f"2026-11-0{n}", "rows": n, "complete": True} for n in (1, 2, 3)]
        )
        for n in (1, 2, 3):
            server.routes[f"GET /api/v1/logs/usage/2026-11-0{n}/"] = Reply(200, b"#Software: RMS\n" * n)

    def download(self, rightskeep, out, *more):
        return rightskeep(
            "admin", "logs", "download", "--from", "2026-11-02", "--to", "2026-11-03", "--out", out, *more
        )

    def test_one_file_for_each_day(self, rightskeep, tmp_path):
        out = tmp_path / "new" / "logs"
        assert self.download(rightskeep, out).code == 0
        assert sorted(path.name for path in out.iterdir()) == [
            "rmslog-2026-11-02.log",
            "rmslog-2026-11-03.log",
        ]
        assert (out / "rmslog-2026-11-03.log").read_bytes() == b"#Software: RMS\n" * 3

    def test_a_day_that_has_grown_is_replaced(self, server, rightskeep, tmp_path):
        self.download(rightskeep, tmp_path)
        server.routes["GET /api/v1/logs/usage/2026-11-03/"] = Reply(200, b"#Software: RMS\n" * 9)
        assert self.download(rightskeep, tmp_path).code == 0
        assert (tmp_path / "rmslog-2026-11-03.log").read_bytes().count(b"\n") == 9

    def test_a_day_that_says_something_else_is_not(self, rightskeep, tmp_path):
        other = tmp_path / "rmslog-2026-11-03.log"
        other.write_bytes(b"kept for the auditor\n")
        assert self.download(rightskeep, tmp_path).code == 2
        assert other.read_bytes() == b"kept for the auditor\n"
        assert self.download(rightskeep, tmp_path, "--force").code == 0
        assert other.read_bytes().startswith(b"#Software")

    def test_a_torn_transfer_leaves_no_file(self, server, rightskeep, tmp_path):
        server.routes["GET /api/v1/logs/usage/2026-11-02/"] = Reply(200, [b"half"], {"Content-Length": "99"})
        assert self.download(rightskeep, tmp_path / "out").code == 6
        assert list((tmp_path / "out").iterdir()) == []

    def test_days_in_the_wrong_order(self, rightskeep, tmp_path):
        outcome = rightskeep(
            "admin", "logs", "download", "--from=2026-11-03", "--to=2026-11-01", "--out", tmp_path
        )
        assert outcome.code == 2


@pytest.mark.parametrize("arguments", [("--json", "whoami"), ("whoami", "--json")])
def test_json_before_or_after_the_command(rightskeep, arguments):
    outcome = rightskeep(*arguments, environment={})
    assert (outcome.code, outcome.json["error"]["code"], outcome.stderr) == (6, "not_signed_in", "")


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("admin",), ("admin", "keys"), ("open",)])
def test_usage_errors_are_json_too(rightskeep, arguments):
    outcome = rightskeep(*arguments, "--json")
    assert outcome.code == outcome.json["error"]["exit"] == 2
    assert rightskeep(*arguments).code == 2
