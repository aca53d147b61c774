"""`rightskeep protect`: what is asked of the server, and what is on disk afterwards, whatever goes wrong."""

import os
import signal
import stat
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest

from rmsclient.files import TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from tests.rmsclient.stub_server import Reply, refuse, reply_json
from tests.rmsclient.stub_service import TEMPLATE_ID

PUBLISH = "POST /my/v2/publishinglicenses"
TEMPLATE = ("--template", "contoso - confidential")


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "work"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"alpha")
    (root / "plan.docx").write_bytes(b"x" * 5000)
    (root / "sub" / "photo.JPG").write_bytes(bytes(range(256)) * 33)
    (root / "sub" / "deep" / "empty").write_bytes(b"")
    return root


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


class TestFolders:
    def test_recursive_keeping_originals(self, service, rightskeep, folder):
        before = names(folder)
        outcome = rightskeep("protect", folder, *TEMPLATE, "--json")
        assert outcome.json["summary"] == {
            "protected": 4,
            "already_done": 0,
            "skipped": 0,
            "failed": 0,
            "not_tried": 0,
        }
        assert names(folder) == sorted(
            [*before, "a.ptxt", "plan.docx.pfile", "sub/photo.pjpg", "sub/deep/empty.pfile"]
        )

    def test_a_second_run_asks_the_server_for_nothing(self, server, service, rightskeep, folder):
        rightskeep("protect", folder, *TEMPLATE)
        inodes = {path: path.stat().st_ino for path in folder.rglob("*")}
        outcome = rightskeep("protect", folder, *TEMPLATE, "--json")
        summary = outcome.json["summary"]
        assert (outcome.code, summary["already_done"], summary["skipped"]) == (0, 4, 0)
        assert len(server.sent(PUBLISH)) == 4
        assert {path: path.stat().st_ino for path in folder.rglob("*")} == inodes

    @pytest.mark.parametrize("spoil", ["truncate", "flip", "touch", "template"])
    def test_what_is_not_surely_done_is_reported_not_skipped(
        self, server, service, rightskeep, folder, spoil
    ):
        rightskeep("protect", folder, *TEMPLATE)
        target = folder / "plan.docx.pfile"
        times = target.stat()
        options = TEMPLATE
        if spoil == "truncate":
            os.truncate(target, times.st_size - 16)
        elif spoil == "flip":
            data = bytearray(target.read_bytes())
            data[-1] ^= 1
            target.write_bytes(data)
        elif spoil == "touch":
            os.utime(folder / "plan.docx", ns=(0, 10**18))
        else:
            other = "3f0d1f0a-0000-4000-8000-0000000000ee"
            server.routes["GET /my/v2/templates"] = reply_json(
                [{"Id": f"{{{other}}}", "Name": "Other", "Description": "-"}]
            )
            options = ("--template", "Other")
        os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
        outcome = rightskeep("protect", folder, *options, "--json")
        assert outcome.code == 2
        failed = [entry["source"] for entry in outcome.json["files"] if entry["status"] == "failed"]
        assert str(folder / "plan.docx") in failed
        assert len(failed) == (4 if spoil == "template" else 1)

    def test_links_and_pipes_are_not_followed(self, service, rightskeep, folder, tmp_path):
        secret = tmp_path / "outside.txt"
        secret.write_bytes(b"outside")
        (folder / "link.txt").symlink_to(secret)
        (folder / "loop").symlink_to(folder)
        os.mkfifo(folder / "pipe")
        outcome = rightskeep("protect", folder, *TEMPLATE, "--json")
        assert (outcome.code, outcome.json["summary"]["skipped"]) == (0, 3)
        assert not (folder / "link.ptxt").exists()

    def test_out_gets_the_shape_of_the_folder(self, service, rightskeep, folder):
        out = folder / "out"
        before = names(folder)
        assert rightskeep("protect", folder, *TEMPLATE, "--out", out).code == 0
        assert (
            rightskeep("protect", folder, *TEMPLATE, "--out", out, "--json").json["summary"]["already_done"]
            == 4
        )
        assert names(out) == [
            "work/a.ptxt",
            "work/plan.docx.pfile",
            "work/sub/deep/empty.pfile",
            "work/sub/photo.pjpg",
        ]
        assert [name for name in names(folder) if not name.startswith("out")] == before

    def test_in_place_removes_originals_when_their_copy_is_safe(self, service, rightskeep, folder):
        assert rightskeep("protect", folder, *TEMPLATE, "--in-place").code == 0
        assert names(folder) == ["a.ptxt", "plan.docx.pfile", "sub/deep/empty.pfile", "sub/photo.pjpg"]
        again = rightskeep("protect", folder, *TEMPLATE, "--in-place", "--json")
        assert (again.code, again.json["summary"]["skipped"]) == (0, 4)

    def test_in_place_goes_on_where_it_was_killed(self, server, service, rightskeep, folder):
        """Between the new file's name and the removal of the original there is a moment to die in."""
        rightskeep("protect", folder, *TEMPLATE)
        assert rightskeep("protect", folder, *TEMPLATE, "--in-place").code == 0
        assert names(folder) == ["a.ptxt", "plan.docx.pfile", "sub/deep/empty.pfile", "sub/photo.pjpg"]
        assert len(server.sent(PUBLISH)) == 4

    def test_in_place_keeps_an_original_that_cannot_be_protected(self, server, service, rightskeep, folder):
        server.routes[PUBLISH] = refuse("BadInputException", "Nobody of that name.")
        before = names(folder)
        outcome = rightskeep("protect", folder, *TEMPLATE, "--in-place", "--json")
        assert (outcome.code, outcome.json["summary"]["failed"], names(folder)) == (2, 4, before)

    def test_one_failure_does_not_stop_the_others(self, server, service, rightskeep, folder):
        publish = service.publish
        server.routes[PUBLISH] = lambda request: (
            Reply(500) if request.json["FileName"] == "a.txt" else publish(request)
        )
        outcome = rightskeep("protect", folder / "missing", folder, *TEMPLATE, "--json")
        assert outcome.code == 2
        assert outcome.json["summary"]["protected"] == 3
        assert [entry["error"]["exit"] for entry in outcome.json["files"] if "error" in entry] == [2, 6]

    def test_a_service_that_is_switched_off_stops_the_run(self, server, service, rightskeep, folder):
        server.routes[PUBLISH] = refuse("ServiceDisabledException", "Protection is switched off.")
        outcome = rightskeep("protect", folder, *TEMPLATE, "--json")
        assert (outcome.code, outcome.json["summary"]["not_tried"]) == (6, 3)
        assert outcome.json["error"]["message"] == "Protection is switched off."


class TestInterruption:
    """The command as a process of its own, stopped while the service is asked to seal."""

    @pytest.fixture
    def stopped(self, server, service, folder, tmp_path):
        reached, go_on = threading.Event(), threading.Event()

        def hold():
            reached.set()
            go_on.wait(20)

        def stop(number):
            service.before_seal = hold
            process = subprocess.Popen(
                [sys.executable, "-m", "rmsclient", "protect", folder, *TEMPLATE],
                cwd=Path(__file__).parents[2],
                env={
                    **os.environ,
                    "RIGHTSKEEP_URL": server.url,
                    "RIGHTSKEEP_TOKEN": "secret-token",
                    "XDG_CONFIG_HOME": str(tmp_path),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert reached.wait(20)
            process.send_signal(number)
            process.communicate(timeout=20)
            go_on.set()
            service.before_seal = lambda: None
            return process.returncode

        # A suite that runs in the background is told to ignore Ctrl-C, and so would be what it starts.
        outer = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield stop
        signal.signal(signal.SIGINT, outer)
        go_on.set()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_nothing_half_written_stays(self, stopped, folder, number):
        before = names(folder)
        assert stopped(number) == 130
        assert names(folder) == before

    def test_the_next_run_clears_up_after_a_kill(self, stopped, rightskeep, folder):
        assert stopped(signal.SIGKILL) == -signal.SIGKILL
        left = [name for name in names(folder) if Path(name).name.startswith(TEMPORARY_PREFIX)]
        assert len(left) == 1
        assert rightskeep("protect", folder, *TEMPLATE).code == 0
        assert "a.ptxt" in names(folder)
        assert not [name for name in names(folder) if name.endswith(TEMPORARY_SUFFIX)]


def test_permissions_of_the_original_are_kept(service, rightskeep, folder):
    (folder / "a.txt").chmod(0o640)
    rightskeep("protect", folder / "a.txt", *TEMPLATE)
    assert stat.S_IMODE((folder / "a.ptxt").stat().st_mode) == 0o640


def test_a_link_is_not_removed_in_place(service, rightskeep, folder):
    (folder / "link.txt").symlink_to(folder / "a.txt")
    outcome = rightskeep("protect", folder / "link.txt", *TEMPLATE, "--in-place")
    assert (outcome.code, (folder / "link.txt").is_symlink()) == (2, True)
