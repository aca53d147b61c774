"""`admin keys export`: what is sent, and what never is."""

import json

from tests.rmsclient.stub_server import reply_json

ID = "3f0d1f0a-0000-4000-8000-0000000000bb"
EXPORT = {"id": ID, "state": "waiting", "reason": "Leaving", "recipient_fingerprint": "ab" * 32, "keys": ["cd" * 32],
          "requested_by": "alice@contoso.example", "requested_at": "2026-11-01T10:00:00Z", "approved_by": "",
          "approved_at": None, "expires_at": "2026-11-08T10:00:00Z", "ended_by": "", "ended_at": None, "downloads": 0,
          "downloaded_at": None}  # fmt: skip
PATH = "/api/v1/keys/exports/"


def test_request_approve_end_and_list(server, rightskeep, tmp_path):
    (tmp_path / "recipient.pem").write_text("-----BEGIN PUBLIC KEY-----\n")
    server.routes[f"POST {PATH}"] = reply_json(EXPORT, 201)
    server.routes[f"GET {PATH}"] = reply_json([EXPORT])
    server.routes[f"GET {PATH}{ID}/"] = reply_json(EXPORT)
    server.routes[f"POST {PATH}{ID}/approve/"] = reply_json({**EXPORT, "state": "approved"})
    server.routes[f"POST {PATH}{ID}/end/"] = reply_json({**EXPORT, "state": "cancelled"})
    server.routes[f"PUT {PATH}waiting/"] = reply_json({"hours": 24, "next_hours": 2, "next_at": None})
    export = ("admin", "keys", "export")
    asked = rightskeep(
        *export, "request", "--recipient", tmp_path / "recipient.pem", "--reason", "Leaving", "--yes"
    )
    assert asked.code == 0 and f"approve {ID}" in asked.stdout
    assert json.loads(server.requests[-1].body)["recipient_key"].startswith("-----BEGIN PUBLIC")
    assert "abababababababab" in rightskeep(*export, "list").stdout
    refused = rightskeep(*export, "approve", ID)
    assert refused.code == 2 and "ab" * 32 in refused.stderr and "alice@contoso.example" in refused.stderr
    assert "approved" in rightskeep(*export, "approve", ID, "--yes").stdout
    assert "cancelled" in rightskeep(*export, "end", ID, "--yes").stdout
    assert "2" in rightskeep(*export, "wait", "--hours", "2").stdout


def test_a_private_key_is_never_sent(server, rightskeep, tmp_path):
    (tmp_path / "key.pem").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    outcome = rightskeep(
        "admin", "keys", "export", "request", "--recipient", tmp_path / "key.pem", "--reason", "x", "--yes"
    )
    assert outcome.code == 2 and server.requests == []
