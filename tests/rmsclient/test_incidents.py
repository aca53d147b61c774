"""`admin keys incident`: numbers before each step, and what is left before the end."""

import json

from tests.rmsclient.stub_server import reply_json

ID = "3f0d1f0a-0000-4000-8000-0000000000cc"
DESTRUCTION = "9d1a66f0-3c1f-4b43-8c2e-6f5f7b1f3a10"
STEPS = [
    {"name": "roll", "state": "done", "at": "2026-11-01T10:00:00Z", "by": "kim@contoso.example", "facts": {"bits": 3072}},
    {"name": "tell", "state": "todo", "at": None, "by": "", "facts": {}},
]  # fmt: skip
INCIDENT = {"id": ID, "kind": "weak", "drill": False, "key": ID, "fingerprint": "ab" * 32, "reason": "Too short",
            "opened_by": "kim@contoso.example", "opened_at": "2026-11-01T09:00:00Z", "closed_by": "", "closed_at": None,
            "steps": STEPS}  # fmt: skip
PATH = f"/api/v1/keys/incidents/{ID}/"


def test_from_opening_to_the_end(server, rightskeep):
    server.routes["POST /api/v1/keys/incidents/"] = reply_json(INCIDENT, 201)
    server.routes[f"GET {PATH}"] = reply_json(INCIDENT)
    server.routes[f"POST {PATH}close/"] = reply_json(INCIDENT)
    opened = rightskeep(
        "admin", "keys", "incident", "open", "weak", "--reason", "Too short", "--drill", "--yes"
    )
    assert opened.code == 0 and "bits 3072" in opened.stdout
    sent = json.loads(server.requests[0].body)
    assert sent == {"kind": "weak", "reason": "Too short", "drill": True}
    asked = rightskeep("admin", "keys", "incident", "close", ID)
    assert asked.code == 2 and "Not done: tell." in asked.stderr
    assert rightskeep("admin", "keys", "incident", "close", ID, "--yes").code == 0
    assert rightskeep("admin", "keys", "incident", "show", "the-last-one").code == 2


def test_a_step_says_its_numbers_first(server, rightskeep):
    server.routes[f"POST {PATH}steps/revoke/"] = reply_json(
        {"name": "revoke", "dry_run": True, "facts": {"documents": 12}}
    )
    step = ("admin", "keys", "incident", "step", ID, "revoke", "--since", "2026-11-01T00:00:00Z")
    asked = rightskeep(*step)
    assert asked.code == 2 and "documents 12" in asked.stderr
    assert rightskeep(*step, "--yes").code == 0
    bodies = [json.loads(request.body) for request in server.requests]
    since = {"since": "2026-11-01T00:00:00Z"}
    assert bodies == [{**since, "dry_run": True}, {**since, "dry_run": True}, since]


def test_the_end_of_a_key_does_what_was_shown(server, rightskeep):
    destroy = {
        "name": "destroy",
        "state": "under_way",
        "at": None,
        "by": "",
        "facts": {"left": 3},
        "move": "approve",
        "destruction": DESTRUCTION,
    }
    server.routes[f"GET {PATH}"] = reply_json({**INCIDENT, "steps": [*STEPS, destroy]})
    server.routes[f"POST {PATH}steps/destroy/"] = reply_json(
        {"name": "destroy", "dry_run": True, "facts": {"left": 3}}
    )
    step = ("admin", "keys", "incident", "step", ID, "destroy", "--grace", "14")
    asked = rightskeep(*step)
    assert asked.code == 2 and "destroy (approve): left 3" in asked.stderr
    assert rightskeep(*step, "--yes").code == 0
    assert json.loads(server.requests[-1].body) == {
        "grace_days": 14,
        "move": "approve",
        "destruction": DESTRUCTION,
    }
    assert rightskeep(*step[:-2], "--cancel", "--yes").code == 0
    assert json.loads(server.requests[-1].body) == {"move": "cancel"}
