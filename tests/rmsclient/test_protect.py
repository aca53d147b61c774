"""`rightskeep protect`: what is asked of the server, and what is on disk afterwards, whatever goes wrong."""

import os
import stat
from datetime import datetime

import pytest

from tests.rmsclient.conftest import names
from tests.rmsclient.stub_server import Reply, refuse, reply_json
from tests.rmsclient.stub_service import PUBLISH, TEMPLATE, TEMPLATE_ID


def test_exactly_one_new_file_beside_the_original(service, rightskeep, tmp_path):
    original = tmp_path / "Bericht Ω.pdf"
    original.write_bytes(b"%PDF" + os.urandom(9000))
    content, before = original.read_bytes(), original.stat()
    (tmp_path / "config").mkdir()
    outcome = rightskeep("protect", original, *TEMPLATE)
    protected = tmp_path / "Bericht Ω.ppdf"
    assert (outcome.code, outcome.stdout) == (0, f"{protected}\n")
    assert names(tmp_path) == ["Bericht Ω.pdf", "Bericht Ω.ppdf"]
    assert original.read_bytes() == content
    assert original.stat().st_mtime_ns == before.st_mtime_ns
    assert content[:64] not in protected.read_bytes()


def test_what_is_asked_for_with_a_template(server, service, rightskeep, folder):
    rightskeep("protect", folder / "a.txt", "--template", str(TEMPLATE_ID), "--owner", "bob@contoso.example")
    assert server.sent(PUBLISH)[0].json == {
        "PreferDeprecatedAlgorithms": False,
        "AllowAuditedExtraction": False,
        "FileName": "a.txt",
        "Sealed": True,
        "Owner": "bob@contoso.example",
        "TemplateId": f"{{{TEMPLATE_ID}}}",
    }


def test_what_is_asked_for_with_grants(server, service, rightskeep, folder):
    outcome = rightskeep(
        "protect",
        folder / "a.txt",
        "--grant=dave@fabrikam.example=Viewer",
        "--grant=odd=name@fabrikam.example=view,print",
        "--grant=members=Co-Owner",
        "--grant=@fabrikam.example=VIEW",
        "--expires=2031-02-03T04:05:06+01:00",
        "--offline-days=7",
    )
    assert outcome.code == 0
    policy = server.sent(PUBLISH)[0].json["Policy"]
    assert [entry["Users"] for entry in policy["UserRights"]] == [
        ["dave@fabrikam.example"],
        ["odd=name@fabrikam.example"],
        ["members"],
        ["@fabrikam.example"],
    ]
    assert policy["UserRights"][0]["Rights"] == ["VIEW", "VIEWRIGHTSDATA", "REPLY", "REPLYALL", "OBJMODEL"]
    assert set(policy["UserRights"][1]["Rights"]) == {"VIEW", "PRINT"}
    assert "OWNER" in policy["UserRights"][2]["Rights"]
    assert policy["LicenseValidUntil"] == "2031-02-03T03:05:06Z"
    assert (policy["allowOfflineAccess"], policy["IntervalTimeInDays"]) == (True, 7)


def test_a_day_ends_when_it_ends_here(server, service, rightskeep, folder):
    rightskeep(
        "protect", folder / "a.txt", "--grant=anyone=Viewer", "--expires=2031-02-03", "--offline-days=0"
    )
    policy = server.sent(PUBLISH)[0].json["Policy"]
    local = datetime.fromisoformat(policy["LicenseValidUntil"]).astimezone()
    assert (local.isoformat()[:19], policy["allowOfflineAccess"]) == ("2031-02-03T23:59:59", False)


def test_a_group_is_named_as_given_for_the_server_to_find(server, service, rightskeep, folder):
    assert rightskeep("protect", folder / "a.txt", "--grant=group:Sales Team=VIEW,PRINT").code == 0
    assert server.sent(PUBLISH)[0].json["Policy"]["UserRights"][0]["Users"] == ["group:Sales Team"]


@pytest.mark.parametrize(
    "options",
    [
        ("--expires", "2031-01-01"),
        ("--template", "x", "--grant", "anyone=Viewer"),
        ("--grant", "anyone"),
        ("--grant", "=Viewer"),
        ("--grant", "dave=Viewer"),
        ("--grant", "dave@fabrikam.example="),
        ("--grant", "anyone=Viewer", "--expires", "soon"),
        ("--grant", "anyone=Viewer", "--offline-days", "-1"),
        ("--template", "x", "--expires", "2031-01-01"),
        ("--grant", "anyone=Viewer", "--owner", "bob"),
        ("--grant", "anyone=Viewer", "--out", "x", "--in-place"),
        ("--template", "no such template"),
    ],
)
def test_options_that_make_no_sense(server, service, rightskeep, folder, options):
    outcome = rightskeep("protect", folder / "a.txt", *options, "--json")
    assert outcome.code == outcome.json["error"]["exit"] == 2
    assert server.sent(PUBLISH) == []
    assert "a.ptxt" not in names(folder)


def test_without_a_policy_the_server_has_one(server, service, rightskeep, folder):
    assert rightskeep("protect", folder / "a.txt").code == 0
    assert not {"TemplateId", "Policy"} & set(server.sent(PUBLISH)[0].json)


def test_a_special_policy_is_what_it_grants(server, service, rightskeep, folder):
    assert (
        rightskeep("protect", folder / "a.txt", "--grant", "erin@individual.example=do-not-forward").code == 0
    )
    rights = server.sent(PUBLISH)[0].json["Policy"]["UserRights"][0]["Rights"]
    assert rights == ["VIEW", "EDIT", "DOCEDIT", "REPLY", "REPLYALL", "OBJMODEL"]


def test_nothing_is_overwritten_without_force(server, service, rightskeep, folder):
    (folder / "a.ptxt").write_bytes(b"mine")
    outcome = rightskeep("protect", folder / "a.txt", *TEMPLATE)
    assert (outcome.code, (folder / "a.ptxt").read_bytes()) == (2, b"mine")
    assert "a.ptxt exists already" in outcome.stderr
    assert server.sent(PUBLISH) == []
    assert rightskeep("protect", folder / "a.txt", *TEMPLATE, "--force").code == 0
    assert (folder / "a.ptxt").read_bytes() != b"mine"


def test_a_protected_file_is_not_protected_again(server, service, rightskeep, folder):
    rightskeep("protect", folder / "a.txt", *TEMPLATE)
    outcome = rightskeep("protect", folder / "a.ptxt", *TEMPLATE)
    assert (outcome.code, "protected already" in outcome.stderr) == (2, True)
    assert len(server.sent(PUBLISH)) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(200, b"[]"),
        reply_json({"Record": "AAAA"}),
        reply_json({"Record": ""}),
        reply_json({"Record": "A" * 10_000}),
        refuse("BadInputException", "No."),
    ],
)
def test_nothing_is_left_when_the_service_does_not_seal(server, service, rightskeep, folder, reply):
    publish = service.publish

    def publish_without_seal(request):
        answer = publish(request)
        for key in [key for key in server.routes if key.endswith("/seal/")]:
            server.routes[key] = reply
        return answer

    server.routes[PUBLISH] = publish_without_seal
    before = names(folder)
    assert rightskeep("protect", folder / "a.txt", *TEMPLATE).code in (5, 6)
    assert names(folder) == before


@pytest.mark.parametrize(
    "change",
    [
        {"SerializedPublishingLicense": "AAAA"},
        {"SerializedPublishingLicense": None},
        {"ContentId": "{00000000-0000-0000-0000-000000000000}"},
        {"Key": {"CipherMode": "MICROSOFT.CBC4K", "Value": "AAAA"}},
        {"Key": {"CipherMode": "ROT13", "Value": "A" * 43 + "="}},
        {"Key": None},
        {"Owner": ["alice"]},
    ],
)
def test_a_publishing_answer_of_the_wrong_shape(server, service, rightskeep, folder, change):
    publish = service.publish

    def distorted(request):
        answer = publish(request)
        import json

        return reply_json({**json.loads(answer.body), **change})

    server.routes[PUBLISH] = distorted
    before = names(folder)
    outcome = rightskeep("protect", folder / "a.txt", *TEMPLATE)
    assert (outcome.code, names(folder)) == (6, before)
    assert "not what was expected" in outcome.stderr or "unusable license" in outcome.stderr


def test_a_key_that_is_rolled_in_between(server, service, rightskeep, folder):
    """The license was signed by a key that may not sign the seal any more: a new license is needed."""
    publish = service.publish
    refusals = [refuse("KeyRolledException", "The key was changed: protect the file again.")]

    def publish_then_roll(request):
        answer = publish(request)
        for key in [key for key in server.routes if key.endswith("/seal/")]:
            if refusals:
                server.routes[key] = refusals.pop()
        return answer

    server.routes[PUBLISH] = publish_then_roll
    assert rightskeep("protect", folder / "plan.docx", *TEMPLATE).code == 0
    assert len(server.sent(PUBLISH)) == 2
    assert rightskeep("inspect", folder / "plan.docx.pfile").code == 0


def test_an_original_that_changes_meanwhile(service, rightskeep, folder):
    service.before_seal = lambda: (folder / "a.txt").write_bytes(b"other")
    before = names(folder)
    outcome = rightskeep("protect", folder / "a.txt", *TEMPLATE)
    assert (outcome.code, names(folder)) == (2, before)
    assert "changed while it was being protected" in outcome.stderr


def test_permissions_of_the_original_are_kept(service, rightskeep, folder):
    (folder / "a.txt").chmod(0o640)
    rightskeep("protect", folder / "a.txt", *TEMPLATE)
    assert stat.S_IMODE((folder / "a.ptxt").stat().st_mode) == 0o640


def test_a_link_is_not_removed_in_place(service, rightskeep, folder):
    (folder / "link.txt").symlink_to(folder / "a.txt")
    outcome = rightskeep("protect", folder / "link.txt", *TEMPLATE, "--in-place")
    assert (outcome.code, (folder / "link.txt").is_symlink()) == (2, True)
