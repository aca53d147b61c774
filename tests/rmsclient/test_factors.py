"""`admin organization second-factor` and `admin people reset-factors`."""

from tests.rmsclient.stub_server import reply_json

PERSON = {
    "id": "3f0d1f0a-0000-4000-8000-0000000000cc",
    "email": "bob@contoso.example",
    "name": "Bob",
    "roles": [],
}
POLICY = {"second_factor": "admins", "admins_without": 1, "people_without": 3}


def test_shows_and_sets_the_policy(server, rightskeep):
    server.routes["GET /api/v1/organization/second-factor/"] = reply_json(POLICY)
    server.routes["PUT /api/v1/organization/second-factor/"] = reply_json(
        {**POLICY, "second_factor": "everyone"}
    )
    shown = rightskeep("admin", "organization", "second-factor")
    assert "admins" in shown.stdout
    done = rightskeep("admin", "organization", "second-factor", "everyone", "--json")
    assert done.json["second_factor"] == "everyone"


def test_resets_somebody_by_address(server, rightskeep):
    server.routes["GET /api/v1/people/"] = reply_json({"results": [PERSON], "next": None, "previous": None})
    server.routes[f"POST /api/v1/people/{PERSON['id']}/reset-factors/"] = reply_json({"removed": 2})
    done = rightskeep("admin", "people", "reset-factors", "Bob@contoso.example", "--yes")
    assert "Removed: 2." in done.stdout
    assert rightskeep("admin", "people", "reset-factors", "x@y.example", "--yes").code != 0
