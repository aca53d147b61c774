"""`admin people` and `admin groups` against answers as the API gives them."""

from tests.rmsclient.stub_server import reply_json

BOB = "3f0d1f0a-0000-4000-8000-0000000000b0"
OTHER = "3f0d1f0a-0000-4000-8000-0000000000b1"
SALES = "3f0d1f0a-0000-4000-8000-0000000000c0"
PERSON = {
    "id": BOB,
    "email": "bob@contoso.example",
    "name": "Bob",
    "roles": [],
    "addresses": ["bob@contoso.example"],
}
GROUP = {"id": SALES, "name": "Sales", "mail": ""}


def routes(server):
    server.routes["GET /api/v1/people/"] = reply_json({"results": [PERSON], "next": None, "previous": None})
    server.routes["GET /api/v1/groups/"] = reply_json({"results": [GROUP], "next": None, "previous": None})
    server.routes[f"PATCH /api/v1/people/{BOB}/"] = reply_json(PERSON)
    server.routes[f"POST /api/v1/groups/{SALES}/members/"] = reply_json(GROUP)
    server.routes["POST /api/v1/people/"] = reply_json(PERSON)


def test_people_are_named_by_address(server, rightskeep):
    routes(server)
    assert rightskeep("admin", "people", "list", "--search", "bob").code == 0
    assert rightskeep("admin", "people", "suspend", "bob@contoso.example").code == 2
    assert rightskeep("admin", "people", "suspend", "bob@contoso.example", "--yes").code == 0
    assert server.requests[-1].json == {"suspended": True}
    assert rightskeep("admin", "people", "set", "Bob@contoso.example", "--licensed", "on").code == 0
    assert server.requests[-1].json == {"licensed": True}
    assert rightskeep("admin", "people", "set", "bob@contoso.example").code == 2
    assert rightskeep("admin", "people", "show", "nobody@contoso.example").code == 2


def test_groups_are_named_by_name(server, rightskeep):
    routes(server)
    assert rightskeep("admin", "groups", "add", "sales", "--person", "bob@contoso.example").code == 0
    assert server.requests[-1].json == {"person": BOB}
    assert rightskeep("admin", "people", "invite", "new@contoso.example", "--group", "Sales").code == 0
    assert server.requests[-1].json["groups"] == [SALES]
    assert rightskeep("admin", "groups", "remove", "sales").code == 2
    assert rightskeep("admin", "groups", "list", "--json").json["groups"] == [GROUP]


def test_people_are_imported_after_a_look(server, rightskeep, tmp_path):
    plan = {"new": 1, "changed": 0, "unchanged": 0, "left_out": 1, "outside": 0, "ignored_columns": []}
    errors = [{"line": 3, "column": "address", "message": "This is not a mail address."}]
    server.routes["POST /api/v1/people/import/"] = reply_json({**plan, "wrong_rows": errors, "dry_run": True})
    file = tmp_path / "people.csv"
    file.write_bytes("\ufeffaddress\nnew@contoso.example\nbad\n".encode())
    tried = rightskeep("admin", "people", "import", file, "--dry-run")
    assert tried.code == 0 and "line 3 (address)" in tried.stdout
    assert rightskeep("admin", "people", "import", file, "--yes").code == 2
    assert [request.json["dry_run"] for request in server.requests] == [True, True]
    assert rightskeep("admin", "people", "import", file, "--leave-out", "--yes").code == 0
    assert server.requests[-1].json == {"csv": "address\nnew@contoso.example\nbad\n", "leave_out": True}
    file.write_bytes("address\nä".encode("latin-1"))
    assert "UTF-8" in rightskeep("admin", "people", "import", file).stderr
    assert rightskeep("admin", "people", "import", tmp_path / "none").code == 2


def test_accounts_are_merged_after_a_look(server, rightskeep):
    routes(server)
    found = {
        "into": "bob@contoso.example", "closed": "bob2@contoso.example", "documents": 3, "moved": ["a@b.example"],
        "proven_again": [], "groups": [], "roles": ["auditor"], "dry_run": True,
    }  # fmt: skip
    server.routes[f"POST /api/v1/people/{BOB}/merge/"] = reply_json(found)
    asked = rightskeep("admin", "people", "merge", "bob@contoso.example", OTHER)
    assert asked.code == 2 and "(3)" in asked.stderr and "auditor" in asked.stderr
    assert server.requests[-1].json == {"other": OTHER, "dry_run": True}
    assert rightskeep("admin", "people", "merge", BOB, OTHER, "--yes").code == 0
    assert server.requests[-1].json == {"other": OTHER}


def test_the_rest_of_what_pages_do(server, rightskeep):
    routes(server)
    invited = {
        "id": OTHER,
        "email": "new@contoso.example",
        "invited_by": "alice",
        "expires_at": "2026-12-01T00:00:00Z",
    }
    invitations = {"results": [invited], "next": None, "previous": None}
    server.routes["GET /api/v1/invitations/"] = reply_json(invitations)
    server.routes[f"POST /api/v1/people/{BOB}/addresses/"] = reply_json(PERSON)
    server.routes[f"DELETE /api/v1/people/{BOB}/addresses/"] = reply_json(PERSON)
    server.routes[f"PATCH /api/v1/groups/{SALES}/"] = reply_json(GROUP)
    server.routes[f"POST /api/v1/groups/{SALES}/take-over/"] = reply_json(GROUP)
    server.routes[f"DELETE /api/v1/people/{BOB}/"] = reply_json({})
    server.routes[f"DELETE /api/v1/invitations/{OTHER}/"] = reply_json({})
    assert "new@contoso.example" in rightskeep("admin", "people", "invitations").stdout
    assert rightskeep("admin", "people", "withdraw", "New@contoso.example").code == 0
    assert rightskeep("admin", "people", "withdraw", "nobody@contoso.example").code == 2
    for what, method, main in (("add", "POST", False), ("main", "POST", True), ("remove", "DELETE", False)):
        assert rightskeep("admin", "people", f"address-{what}", BOB, "b@contoso.example").code == 0
        assert server.requests[-1].method == method
        assert server.requests[-1].json == {"email": "b@contoso.example", "main": main}
    assert rightskeep("admin", "people", "remove", BOB).code == 2
    assert rightskeep("admin", "people", "remove", BOB, "--yes").code == 0
    assert rightskeep("admin", "groups", "set", "Sales", "--name", "Sellers").code == 0
    assert server.requests[-1].json == {"name": "Sellers"}
    assert rightskeep("admin", "groups", "set", "Sales").code == 2
    assert rightskeep("admin", "groups", "take-over", "Sales", "--yes").code == 0


def test_changes_are_listed(server, rightskeep):
    row = {
        "time": "2026-11-27T10:00:00Z",
        "actor": "alice",
        "action": "MergePeople",
        "target": "bob",
        "passed": True,
    }
    server.routes["GET /api/v1/logs/admin/"] = reply_json({"results": [row], "next": None, "previous": None})
    found = rightskeep("admin", "logs", "changes", "--from", "2026-11-27", "--to", "2026-11-28")
    assert found.code == 0 and "MergePeople" in found.stdout
    assert server.requests[-1].query == {"from": ["2026-11-27"], "to": ["2026-11-28"]}


def test_the_organization_is_taken_along_and_deleted(server, rightskeep, tmp_path, monkeypatch):
    monkeypatch.setattr("rmsclient.cli.removal._POLL_SECONDS", 0)
    made = {"state": "being_made", "requested_by": None, "finished_at": None, "size": None, "sha256": None}
    state = {"grace_days": 30, "pending": None}
    server.routes["POST /api/v1/organization/export/"] = reply_json(made)
    server.routes["GET /api/v1/organization/export/"] = reply_json({**made, "state": "ready"})
    server.routes["GET /api/v1/organization/export/file/"] = reply_json({"stands for": "a ZIP file"})
    server.routes["GET /api/v1/organization/"] = reply_json({"name": "Contoso"})
    for method in ("GET", "POST", "DELETE"):
        server.routes[f"{method} /api/v1/organization/removal/"] = reply_json(state)
    target = tmp_path / "contoso.zip"
    assert rightskeep("admin", "organization", "export", "--out", target).code == 0
    assert b"ZIP" in target.read_bytes()
    assert rightskeep("admin", "organization", "export", "--out", target).code == 2, "it is there already"
    asked = rightskeep("admin", "organization", "delete", "--reason", "merged")
    assert asked.code == 2 and "30 days" in asked.stderr
    assert rightskeep("admin", "organization", "delete", "--reason", "merged", "--yes").code == 0
    assert server.requests[-1].json == {"name": "Contoso", "reason": "merged"}
    assert rightskeep("admin", "organization", "keep").code == 0
