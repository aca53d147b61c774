"""`admin organization set|start` and `admin domains …` against answers as the API gives them."""

from tests.rmsclient.stub_server import reply_json

DOMAIN_ID = "3f0d1f0a-0000-4000-8000-0000000000dd"
DOMAIN = {
    "id": DOMAIN_ID,
    "domain": "second.example",
    "state": "waiting",
    "record_name": "_rightskeep.second.example",
    "record_value": "rightskeep-verification=abc",
    "result": "",
    "checked_at": None,
    "proven_at": None,
    "lost_since": None,
}


def listed(server):
    server.routes["GET /api/v1/domains/"] = reply_json({"results": [DOMAIN]})


def checked(found):
    return reply_json({"found": found, "message": "A sentence.", "domain": DOMAIN})


def test_adding_a_domain_prints_the_record(server, rightskeep):
    server.routes["POST /api/v1/domains/"] = reply_json(DOMAIN, 201)
    outcome = rightskeep("admin", "domains", "add", "second.example")
    assert outcome.code == 0
    assert "_rightskeep.second.example" in outcome.stdout
    assert "rightskeep-verification=abc" in outcome.stdout


def test_the_list(server, rightskeep):
    listed(server)
    assert "waiting" in rightskeep("admin", "domains", "list").stdout
    assert rightskeep("admin", "domains", "list", "--json").json["domains"] == [DOMAIN]


def test_a_check_fails_until_the_record_is_there(server, rightskeep):
    listed(server)
    path = f"POST /api/v1/domains/{DOMAIN_ID}/check/"
    server.routes[path] = checked("not_found")
    assert rightskeep("admin", "domains", "check", "Second.example").code == 6
    server.routes[path] = checked("proven")
    assert rightskeep("admin", "domains", "check", DOMAIN_ID).code == 0
    assert rightskeep("admin", "domains", "check", "unknown.example").code == 2


def test_giving_a_domain_up_asks_first(server, rightskeep):
    listed(server)
    server.routes[f"DELETE /api/v1/domains/{DOMAIN_ID}/"] = reply_json(None, 204)
    assert rightskeep("admin", "domains", "remove", "second.example").code == 2
    assert rightskeep("admin", "domains", "remove", "second.example", "--yes").code == 0


def test_only_what_is_named_is_changed(server, rightskeep):
    server.routes["PATCH /api/v1/organization/"] = reply_json({"name": "Contoso Ltd"})
    assert rightskeep("admin", "organization", "set", "--name", "Contoso Ltd").code == 0
    assert rightskeep("admin", "organization", "set").code == 2
    assert rightskeep("admin", "organization", "set", "--use-license-days", "400").code == 2


def test_starting_an_organization(server, rightskeep):
    server.routes["POST /api/v1/organization/"] = reply_json({"name": "Big"}, 201)
    assert "Big" in rightskeep("admin", "organization", "start", "--name", "Big").stdout
