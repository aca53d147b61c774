"""`admin people` and `admin groups` against answers as the API gives them."""

from tests.rmsclient.stub_server import reply_json

BOB = "3f0d1f0a-0000-4000-8000-0000000000b0"
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
