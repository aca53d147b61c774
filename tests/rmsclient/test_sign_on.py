"""`admin sign-on …` against answers as the API gives them."""

from tests.rmsclient.stub_server import Reply, refuse, reply_json

PATH = "/api/v1/identity-provider/"
PROVIDER = {
    "kind": "saml",
    "name": "Contoso Login",
    "use": "off",
    "creates_accounts": True,
    "trust_addresses": False,
    "issuer": "https://idp.example/metadata",
    "client_id": "",
    "metadata_url": "",
    "certificates": [
        {"subject": "CN=IdP\x1b[31m", "fingerprint": "ab", "not_after": "2030-01-02T00:00:00+00:00"}
    ],
    "tested_at": None,
    "last_error": "",
    "last_error_at": None,
}


def test_show(server, rightskeep):
    server.routes[f"GET {PATH}"] = reply_json(PROVIDER)
    outcome = rightskeep("admin", "sign-on", "show")
    assert "Contoso Login" in outcome.stdout and "until 2030-01-02" in outcome.stdout
    assert "\x1b" not in outcome.stdout
    assert rightskeep("admin", "sign-on", "show", "--json").json == PROVIDER


def test_set_openid_connect_reads_the_secret_from_a_file(server, rightskeep, tmp_path):
    server.routes[f"PUT {PATH}"] = reply_json({**PROVIDER, "kind": "oidc"})
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", encoding="utf-8")
    outcome = rightskeep(
        "admin", "sign-on", "set", "--name", "Login", "--issuer", "https://idp.example", "--client-id", "c",
        "--client-secret-file", str(secret), "--no-new-accounts",
    )  # fmt: skip
    assert outcome.code == 0 and "s3cret" not in outcome.stdout
    assert server.sent(f"PUT {PATH}")[0].json == {
        "kind": "oidc", "name": "Login", "issuer": "https://idp.example", "client_id": "c",
        "client_secret": "s3cret", "creates_accounts": False, "trust_addresses": False,
    }  # fmt: skip


def test_set_saml_by_file_and_by_address(server, rightskeep, tmp_path):
    server.routes[f"PUT {PATH}"] = reply_json(PROVIDER)
    metadata = tmp_path / "metadata.xml"
    metadata.write_text("<x/>", encoding="utf-8")
    for given in (str(metadata), "https://idp.example/metadata"):
        assert rightskeep("admin", "sign-on", "set", "--name", "L", "--metadata", given).code == 0
    by_file, by_address = (request.json for request in server.sent(f"PUT {PATH}"))
    assert by_file["metadata"] == "<x/>" and by_address["metadata_url"] == "https://idp.example/metadata"


def test_set_wants_one_kind(server, rightskeep):
    for arguments in ([], ["--issuer", "https://x", "--metadata", "y"], ["--issuer", "https://x"]):
        assert rightskeep("admin", "sign-on", "set", "--name", "L", *arguments).code == 2
    assert server.requests == []


def test_the_only_way_in_and_removal_are_confirmed(server, rightskeep):
    server.routes[f"PATCH {PATH}"] = reply_json({**PROVIDER, "use": "enforced"})
    server.routes[f"DELETE {PATH}"] = Reply(204)
    for command in (["use", "enforced"], ["remove"]):
        assert rightskeep("admin", "sign-on", *command).code == 2
    assert server.requests == []
    for command in (["use", "enforced", "--yes"], ["remove", "--yes"]):
        assert rightskeep("admin", "sign-on", *command).code == 0
    assert server.sent(f"PATCH {PATH}")[0].json == {"use": "enforced"}


def test_a_refusal_is_shown(server, rightskeep):
    server.routes[f"PATCH {PATH}"] = refuse("sign_on_settings", "Test the sign-in first.", 409)
    outcome = rightskeep("admin", "sign-on", "use", "optional")
    assert outcome.code != 0 and "Test the sign-in first." in outcome.stderr
