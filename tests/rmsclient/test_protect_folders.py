"""`rightskeep protect` on whole folders: what is done, what was done before, and what one failure means for the rest."""

import os

import pytest

from tests.rmsclient.conftest import names
from tests.rmsclient.stub_server import Reply, refuse, reply_json
from tests.rmsclient.stub_service import PUBLISH, TEMPLATE


def test_recursive_keeping_originals(service, rightskeep, folder):
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


def test_a_second_run_asks_the_server_for_nothing(server, service, rightskeep, folder):
    rightskeep("protect", folder, *TEMPLATE)
    inodes = {path: path.stat().st_ino for path in folder.rglob("*")}
    outcome = rightskeep("protect", folder, *TEMPLATE, "--json")
    summary = outcome.json["summary"]
    assert (outcome.code, summary["already_done"], summary["skipped"]) == (0, 4, 0)
    assert len(server.sent(PUBLISH)) == 4
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == inodes


@pytest.mark.parametrize("spoil", ["truncate", "flip", "touch", "template"])
def test_what_is_not_surely_done_is_reported_not_skipped(server, service, rightskeep, folder, spoil):
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


def test_links_and_pipes_are_not_followed(service, rightskeep, folder, tmp_path):
    secret = tmp_path / "outside.txt"
    secret.write_bytes(b"outside")
    (folder / "link.txt").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    outcome = rightskeep("protect", folder, *TEMPLATE, "--json")
    assert (outcome.code, outcome.json["summary"]["skipped"]) == (0, 3)
    assert not (folder / "link.ptxt").exists()


def test_out_gets_the_shape_of_the_folder(service, rightskeep, folder):
    out = folder / "out"
    before = names(folder)
    assert rightskeep("protect", folder, *TEMPLATE, "--out", out).code == 0
    assert (
        rightskeep("protect", folder, *TEMPLATE, "--out", out, "--json").json["summary"]["already_done"] == 4
    )
    assert names(out) == [
        "work/a.ptxt",
        "work/plan.docx.pfile",
        "work/sub/deep/empty.pfile",
        "work/sub/photo.pjpg",
    ]
    assert [name for name in names(folder) if not name.startswith("out")] == before


def test_in_place_removes_originals_when_their_copy_is_safe(service, rightskeep, folder):
    assert rightskeep("protect", folder, *TEMPLATE, "--in-place").code == 0
    assert names(folder) == ["a.ptxt", "plan.docx.pfile", "sub/deep/empty.pfile", "sub/photo.pjpg"]
    again = rightskeep("protect", folder, *TEMPLATE, "--in-place", "--json")
    assert (again.code, again.json["summary"]["skipped"]) == (0, 4)


def test_in_place_goes_on_where_it_was_killed(server, service, rightskeep, folder):
    """Between the new file's name and the removal of the original there is a moment to die in."""
    rightskeep("protect", folder, *TEMPLATE)
    assert rightskeep("protect", folder, *TEMPLATE, "--in-place").code == 0
    assert names(folder) == ["a.ptxt", "plan.docx.pfile", "sub/deep/empty.pfile", "sub/photo.pjpg"]
    assert len(server.sent(PUBLISH)) == 4


def test_in_place_keeps_an_original_that_cannot_be_protected(server, service, rightskeep, folder):
    server.routes[PUBLISH] = refuse("BadInputException", "Nobody of that name.")
    before = names(folder)
    outcome = rightskeep("protect", folder, *TEMPLATE, "--in-place", "--json")
    assert (outcome.code, outcome.json["summary"]["failed"], names(folder)) == (2, 4, before)


def test_one_failure_does_not_stop_the_others(server, service, rightskeep, folder):
    publish = service.publish
    server.routes[PUBLISH] = lambda request: (
        Reply(500) if request.json["FileName"] == "a.txt" else publish(request)
    )
    outcome = rightskeep("protect", folder / "missing", folder, *TEMPLATE, "--json")
    assert outcome.code == 2
    assert outcome.json["summary"]["protected"] == 3
    assert [entry["error"]["exit"] for entry in outcome.json["files"] if "error" in entry] == [2, 6]


def test_a_service_that_is_switched_off_stops_the_run(server, service, rightskeep, folder):
    server.routes[PUBLISH] = refuse("ServiceDisabledException", "Protection is switched off.")
    outcome = rightskeep("protect", folder, *TEMPLATE, "--json")
    assert (outcome.code, outcome.json["summary"]["not_tried"]) == (6, 3)
    assert outcome.json["error"]["message"] == "Protection is switched off."
